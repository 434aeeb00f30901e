"""Species files: the life stages of a species by age, and its facts.  Limits are configuration, never constants."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from station.domain import StationError


class SpeciesError(StationError):
    """A species file is missing or wrong."""


_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_LONGEST_YEARS = 100
STANDARD = ("adult", "subadult", "juvenile")
"""The life stages of Camtrap DP."""


@dataclass(frozen=True, slots=True)
class LifeStage:
    """A named age class that begins at `from_years`, inclusive, and ends where the next one begins."""

    name: str
    from_years: float
    camtrap_dp: str = ""
    """Which of the three life stages of Camtrap DP it is: adult, subadult or juvenile; empty: none."""


@dataclass(frozen=True, slots=True)
class Species:
    """What a species file says."""

    name: str
    scientific_name: str
    longevity_years: float
    life_stages: tuple[LifeStage, ...]
    birth_months: tuple[float, ...] = ()
    """Shares of the births, January first, twelve that sum to 1; empty: it has no birth season."""

    def stage(self, age_years: float) -> str:
        """The life stage at an age in years."""
        reached = [stage.name for stage in self.life_stages if age_years >= stage.from_years]
        return reached[-1] if reached else self.life_stages[0].name


def folder() -> Path:
    """Where the species files that come with the station lie."""
    installed = Path(__file__).parent / "species_files"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "config" / "species"


def find(name: str) -> Species | None:
    """The species file of that name that comes with the station; None where there is none."""
    file = folder() / f"{name}.toml"
    return read(file) if file.is_file() else None


def chosen(wanted: str, of_bundle: str) -> Species | None:
    """The species file that was asked for, by path or name, else the bundle's own; None where it has none.

    Raises `SpeciesError`.
    """
    if wanted.endswith(".toml"):
        return read(Path(wanted))
    if wanted:
        return find(wanted) or read(folder() / f"{wanted}.toml")
    return find(of_bundle)


def read(file: Path) -> Species:
    """Reads a species file; raises `SpeciesError`."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        stages = tuple(_stage(s) for s in raw["life_stages"])
        longevity, months = float(raw["longevity_years"]), _months(raw.get("birth_months", {}))
        species = Species(str(raw["name"]), str(raw["scientific_name"]), longevity, stages, months)
    except OSError as error:
        raise SpeciesError(f"the species file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SpeciesError(
            f"the species file {file} is wrong: {error!r}; see config/species/giant_panda.toml"
        ) from error
    starts = [stage.from_years for stage in stages]
    if not stages or starts[0] != 0 or starts != sorted(set(starts)):
        raise SpeciesError(f"the species file {file}: life_stages must begin at from_years = 0 and rise")
    if not 0 < longevity < _LONGEST_YEARS:
        raise SpeciesError(f"the species file {file}: longevity_years must lie between 0 and {_LONGEST_YEARS}")
    return species


def _stage(raw: dict[str, str]) -> LifeStage:
    name, fits = str(raw["name"]), raw.get("camtrap_dp")
    if fits not in (None, "", *STANDARD):
        raise ValueError(f"camtrap_dp = {fits!r} is none of {', '.join(STANDARD)}")
    return LifeStage(name, float(raw["from_years"]), (name if name in STANDARD else "") if fits is None else fits)


def _months(births: dict[str, float]) -> tuple[float, ...]:
    """Twelve shares from a table of months; raises `ValueError`."""
    if unknown := set(births) - set(_MONTHS):
        raise ValueError(f"birth_months names {sorted(unknown)}: months are {', '.join(_MONTHS)}")
    weights = [float(births.get(month, 0)) for month in _MONTHS]
    if births and (min(weights) < 0 or not 0 < sum(weights) < float("inf")):
        raise ValueError("birth_months must be numbers of births, or their shares: none below 0, and not all of them 0")
    return tuple(weight / sum(weights) for weight in weights) if births else ()
