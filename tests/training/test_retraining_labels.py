from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from station.domain import WHOLE, Box, TimeSource
from training.manifest import PixelBox
from training.retraining.jury import Acquainted, Sides, cut, in_holdout, sides
from training.retraining.labels import Label, Why, labels
from training.retraining.sightings import Sighting

ZONE = timezone(timedelta(hours=8))
BAO = Sighting(
    face=1, individual="bao", path=Path("bao.jpg"), digest="d", box=WHOLE, width_px=200, height_px=100,
    captured_at=datetime(2026, 5, 1, 4, tzinfo=UTC), source=TimeSource.EXIF, impossible=False,
    born_on=date(2020, 5, 1), died_on=None, provisional=False, people=False, there=True,
)  # fmt: skip
CUT = datetime(2026, 4, 1, tzinfo=UTC)


def only(**changes: Any) -> Label | Why:
    found = labels([replace(BAO, **changes)], 38, ZONE)
    return found.kept[0] if found.kept else found.refused[0].why


def test_birth_date_and_photo_date_are_an_age() -> None:
    label = only()
    assert isinstance(label, Label)
    assert label.age_years == pytest.approx(6, abs=0.01)


def test_the_day_of_the_picture_is_the_stations() -> None:
    """Born on the first of May, photographed at half past midnight of that day: in London it was April still."""
    label = only(born_on=date(2026, 5, 1), captured_at=datetime(2026, 4, 30, 16, 30, tzinfo=UTC))
    assert isinstance(label, Label) and label.age_years == 0


def test_a_box_is_told_in_pixels_and_a_whole_picture_has_none() -> None:
    boxed, whole = only(box=Box(0.25, 0.5, 0.5, 0.25)), only()
    assert isinstance(boxed, Label) and boxed.box == PixelBox(50, 50, 100, 25)
    assert isinstance(whole, Label) and whole.box is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"born_on": date(2026, 5, 2)}, Why.BEFORE_BIRTH),
        ({"born_on": date(1987, 5, 2)}, Why.TOO_OLD),
        ({"died_on": date(2026, 4, 30)}, Why.AFTER_DEATH),
        ({"impossible": True}, Why.CLOCK),
        ({"captured_at": None, "source": TimeSource.NONE}, Why.NO_TIME),
        ({"source": TimeSource.FILE}, Why.FILE_TIME),
        ({"provisional": True}, Why.UNCONFIRMED),
        ({"people": True}, Why.PEOPLE),
        ({"unusable": True}, Why.UNUSABLE),
        ({"there": False}, Why.GONE),
    ],
)
def test_an_impossible_label_is_refused_with_the_reason(changes: dict[str, Any], why: Why) -> None:
    assert only(**changes) is why


def test_refusals_are_told_once_each_with_their_number_and_whose_they_are() -> None:
    wrong = [replace(BAO, face=k, individual=f"a{k}", impossible=True) for k in range(5)]
    [told] = labels(wrong, 38, ZONE).refusals()
    assert told.startswith("5 x the camera's clock is suspect") and told.endswith("(a0, a1, a2, ...)")


def test_without_a_species_no_age_is_too_old() -> None:
    assert labels([replace(BAO, born_on=date(1900, 1, 1))], None, ZONE).kept


# Who is trained on and who judges

JUROR = next(f"j{k}" for k in range(100) if in_holdout(f"j{k}", 0.3))
TRAINED = next(f"t{k}" for k in range(100) if not in_holdout(f"t{k}", 0.3))


def divided(*sightings: Sighting, acquainted: Acquainted | None = None, **aliases: frozenset[str]) -> Sides:
    known = acquainted or Acquainted(frozenset(), frozenset())
    return sides(labels(sightings, None, ZONE).kept, known, aliases, 0.3, CUT)


def of(individual: str, at: datetime, face: int = 1) -> Sighting:
    return replace(BAO, individual=individual, captured_at=at, face=face)


AFTER, BEFORE = CUT + timedelta(days=9), CUT - timedelta(days=9)


def test_the_holdout_judges_by_new_pictures_and_the_others_are_trained_on_by_old_ones() -> None:
    found = divided(of(JUROR, AFTER), of(TRAINED, BEFORE), of(JUROR, BEFORE), of(TRAINED, AFTER))
    assert [label.individual for label in found.judge] == [JUROR]
    assert [label.individual for label in found.train] == [TRAINED]
    assert len(found.idle) == 2


def test_nobody_is_on_both_sides_and_nothing_to_train_on_is_newer_than_what_judges() -> None:
    every = [of(f"a{k}", CUT + timedelta(days=k - 50), k) for k in range(100)]
    found = divided(*every)
    assert not {one.individual for one in found.train} & {one.individual for one in found.judge}
    assert max(one.captured for one in found.train) < min(one.captured for one in found.judge)


def test_whom_the_model_in_service_knows_cannot_judge_it_and_is_trained_on() -> None:
    found = divided(of(JUROR, AFTER), of(JUROR, BEFORE), acquainted=Acquainted(frozenset({JUROR}), frozenset()))
    assert not found.judge and len(found.train) == 1


@pytest.mark.parametrize("name", ["Old Name", "old name"])
def test_it_knows_an_animal_under_every_name_that_it_ever_had(name: str) -> None:
    known = Acquainted(frozenset({name}), frozenset())
    assert not divided(of(JUROR, AFTER), acquainted=known, **{JUROR: frozenset({JUROR, "Old Name"})}).judge


def test_it_knows_an_animal_whose_face_it_was_fitted_on_under_the_name_of_another() -> None:
    known = Acquainted(frozenset(), frozenset({7}))
    assert not divided(of(JUROR, AFTER, 8), of(JUROR, AFTER, 7), acquainted=known).judge


def test_the_holdout_is_about_its_share_and_stays() -> None:
    held = [name for name in (f"animal-{k}" for k in range(2000)) if in_holdout(name, 0.3)]
    assert 500 < len(held) < 700
    assert set(held) <= {name for name in (f"animal-{k}" for k in range(2000)) if in_holdout(name, 0.5)}


def test_the_cut_is_later_than_all_that_was_trained_on() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert cut(now, 60, []) == now - timedelta(days=60)
    assert cut(now, 60, [now - timedelta(days=9), now - timedelta(days=99)]) == now - timedelta(days=9)
