from __future__ import annotations

from pathlib import Path

import pytest

from station import species
from station.species import SpeciesError

STAGES = '[[life_stages]]\nname = "cub"\nfrom_years = 0\n'


def written(tmp_path: Path, months: str = "", longevity: str = "20") -> Path:
    file = tmp_path / "bear.toml"
    file.write_text(f'name = "bear"\nscientific_name = "Ursus"\nlongevity_years = {longevity}\n{months}\n{STAGES}')
    return file


def test_pandas_are_born_in_summer_and_chimpanzees_at_any_time() -> None:
    panda, chimpanzee = species.find("giant_panda"), species.find("chimpanzee")
    assert panda and chimpanzee
    assert sum(panda.birth_months) == pytest.approx(1)
    assert sum(panda.birth_months[6:9]) > 0.9
    assert max(panda.birth_months) == panda.birth_months[7]
    assert chimpanzee.birth_months == ()


def test_births_may_be_numbers_or_shares(tmp_path: Path) -> None:
    bear = species.read(written(tmp_path, "[birth_months]\njanuary = 30\nfebruary = 10"))
    assert bear.birth_months == (0.75, 0.25, *[0.0] * 10)


@pytest.mark.parametrize(
    ("months", "complaint"),
    [
        ("[birth_months]\nAugust = 1", "'August'"),
        ("[birth_months]\naugust = -1", "none below 0"),
        ("[birth_months]\naugust = 0", "not all of them 0"),
        ("birth_months = [8]", "birth_months"),
    ],
)
def test_births_that_cannot_be_are_refused(tmp_path: Path, months: str, complaint: str) -> None:
    with pytest.raises(SpeciesError, match=complaint):
        species.read(written(tmp_path, months))


@pytest.mark.parametrize("longevity", ["0", "-3", "1000", "nan"])
def test_a_longevity_that_cannot_be_is_refused(tmp_path: Path, longevity: str) -> None:
    with pytest.raises(SpeciesError, match="longevity_years must lie between 0 and 100"):
        species.read(written(tmp_path, longevity=longevity))
