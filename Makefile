VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint deploy/constraints.txt

.PHONY: demo test check debian clean install uninstall rollback

demo: $(VENV)/installed ## the main job on a simulated reserve, with nothing else present
	$(BIN)/station demo

test: $(VENV)/installed-dev debian ## every test
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

# What some tests run for real; without it, and without the right to install it, they are skipped and say so.
debian:
	@if ! { command -v mosquitto && command -v mosquitto_pub && command -v openssl && command -v systemd-analyze; } >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then apt-get update && apt-get install --yes mosquitto mosquitto-clients openssl systemd; \
		else echo "mosquitto, its clients, openssl or systemd are missing: tests that need them are skipped"; fi; fi

clean:
	rm -rf $(VENV) demo

$(BIN)/python:
	python3 -m venv $(VENV) || { rm -rf $(VENV); apt-get update && apt-get install --yes python3-venv && python3 -m venv $(VENV); }

$(VENV)/installed: pyproject.toml deploy/constraints.txt | $(BIN)/python
	@echo "installing what the station needs (some minutes, several GB) ..."
	$(INSTALL) --editable '.[openvino]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml deploy/constraints.txt | $(BIN)/python
	@echo "installing what the station and its tests need (some minutes, several GB) ..."
	$(INSTALL) --editable '.[dev]'
	@touch $@
