"""FG-NET as a population: are the birth years of its people recovered from estimates out of fold?

python -m tests.benchmarks.fgnet_births STUDY/out_of_fold.csv fgnet_births.json

The table is a bundle's or, with one network, a study's.  Ages are in completed years: a picture counts as taken half a
year after the birthday.  What the model answers at a true age is learnt without the person judged, and the networks
that estimated had not seen that person either.  For trying the method only: the station is not for people.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from station.birth import DAYS_PER_YEAR
from station.learning import Calibration
from station.lifetime import Facts, Season, Series, birth_date
from station.response import Response, read_calibration

BORN = date(1970, 1, 1).toordinal()
"""Of everyone: which year it was says nothing here."""
SEASON = Season(longevity_years=90.0)


def main(table: Path, out: Path) -> None:
    known = read_calibration(table)
    known = Calibration(known.individuals, known.ages_years + 0.5, known.estimates_years)
    responses = {name: Response.learnt(known.without(name)) for name in np.unique(known.individuals).tolist()}
    found = {
        "all pictures": judge(known, responses, 0),
        "from 18 years on": judge(known, responses, 18),
    }
    text = json.dumps(found, indent=2)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


def judge(known: Calibration, responses: dict[str, Response], from_years: float) -> dict[str, object]:
    """Everyone with two pictures or more from an age on."""
    rows = [
        _person(known, responses[name], chosen)
        for name in responses
        if (chosen := (known.individuals == name) & (known.ages_years >= from_years)).sum() > 1
    ]
    place, error, width, single, single_place, pictures = (np.array(column) for column in zip(*rows, strict=True))
    held = int((np.abs(place - 0.5) <= 0.45).sum())
    low, high = binomtest(held, len(place)).proportion_ci(0.95)
    return {
        "people": len(place),
        "pictures_each": round(float(pictures.mean()), 1),
        "held_80": round(float(np.mean(np.abs(place - 0.5) <= 0.4)), 3),
        "held_90": round(held / len(place), 3),
        "held_90_interval": [round(float(low), 3), round(float(high), 3)],
        "mean_width_years": round(float(width.mean()), 2),
        "mae_years": round(float(error.mean()), 2),
        "median_error_years": round(float(np.median(error)), 2),
        "single_picture_mae_years": round(float(single.mean()), 2),
        "ratio": round(float(error.mean() / single.mean()), 3),
        "single_picture_held_90": round(float(single_place.mean()), 3),
    }


def _person(
    known: Calibration, response: Response, chosen: np.typing.NDArray[np.bool_]
) -> tuple[float, float, float, float, float, int]:
    """Where the true birth lies, error, width; a single picture's error, and how often its interval holds; pictures."""
    order = np.argsort(known.ages_years[chosen], kind="stable")
    ages, said = known.ages_years[chosen][order], known.estimates_years[chosen][order]
    days = BORN + ages * DAYS_PER_YEAR
    birth = birth_date(Series(days, said), response, Facts(), SEASON)
    low, high = birth.interval()
    alone = [birth_date(Series(days[i : i + 1], said[i : i + 1]), response, Facts(), SEASON) for i in range(len(days))]
    held = [abs(one.born_by(np.array([BORN]))[0] - 0.5) <= 0.45 for one in alone]
    return (
        float(birth.born_by(np.array([BORN]))[0]),
        abs(birth.median().toordinal() - BORN) / DAYS_PER_YEAR,
        (high - low).days / DAYS_PER_YEAR,
        float(np.abs(said - (ages - 0.5)).mean()),
        float(np.mean(held)),
        len(ages),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
