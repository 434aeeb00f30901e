VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint deploy/constraints.txt

.PHONY: demo test check clean install uninstall rollback

demo: $(VENV)/installed ## the main job on a simulated reserve, with nothing else present
	$(BIN)/station demo

test: $(VENV)/installed-dev ## every test
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev ## lint, format, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: ## as a service of this box, with sudo; also upgrades
	deploy/install.sh

rollback: ## back to the version of before the last `make install`
	deploy/install.sh rollback

uninstall: ## takes the service away and leaves configuration and data
	deploy/install.sh uninstall

clean:
	rm -rf $(VENV) demo

$(BIN)/python:
	python3 -m venv $(VENV) || { rm -rf $(VENV); apt-get update && apt-get install --yes python3-venv && python3 -m venv $(VENV); }

$(VENV)/installed: pyproject.toml deploy/constraints.txt | $(BIN)/python
	@echo "installing what the station needs (some minutes, several GB) ..."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml deploy/constraints.txt | $(BIN)/python
	@echo "installing what the station and its tests need (some minutes, several GB) ..."
	$(INSTALL) --editable '.[dev]'
	@touch $@
