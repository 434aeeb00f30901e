from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from station.domain import Pixels, Reason
from station.pictures import BadPicture, Picture
from station.simulate import Animal, Shot, manifest, portrait, reserve, season

TODAY = date(2025, 11, 23)
CAMERAS = ("ridge", "creek", "saddle")


def shots_of(seed: int) -> list[Shot]:
    animals = reserve(seed, 8, TODAY).animals
    return list(season(animals, CAMERAS, 10, np.random.default_rng(seed), TODAY, size_px=96))


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    return shots_of(5)


def of_kind(shots: list[Shot], kind: str) -> Shot:
    (found,) = [shot for shot in shots if shot.kind == kind]
    return found


def aged(animal: Animal, years: float) -> Animal:
    return replace(animal, born_on=TODAY - timedelta(days=round(years * 365.25)))


def seen(animal: Animal, *, night: bool = False, size_px: int = 128, seed: int = 0) -> Pixels:
    return portrait(animal, TODAY, np.random.default_rng(seed), night=night, size_px=size_px)


def test_a_reserve_has_animals_of_all_ages_and_distinct_names() -> None:
    home = reserve(3, 200, TODAY)
    ages = sorted(animal.age_years(home.today) for animal in home.animals)
    assert ages[0] == pytest.approx(0.3, abs=0.01)
    assert ages[-1] == pytest.approx(28, abs=0.01)
    assert np.diff(ages).max() < 1
    assert len({animal.name.lower() for animal in home.animals}) == 200
    assert {animal.sex for animal in home.animals} == {"female", "male"}


def test_an_age_is_counted_from_birth() -> None:
    animal = replace(reserve(3, 1, TODAY).animals[0], born_on=date(2015, 11, 23))
    assert animal.age_years(TODAY) == pytest.approx(10, abs=0.01)
    assert animal.age_years(date(2015, 11, 22)) < 0


def test_the_same_seed_gives_the_same_reserve_and_another_seed_another() -> None:
    assert reserve(3, 12, TODAY) == reserve(3, 12, TODAY)
    assert reserve(3, 12, TODAY) != reserve(4, 12, TODAY)


@pytest.mark.parametrize("size_px", [64, 256])
@pytest.mark.parametrize("night", [False, True])
def test_a_portrait_is_a_picture_of_the_size_asked_for(size_px: int, night: bool) -> None:
    picture = seen(reserve(3, 1, TODAY).animals[0], night=night, size_px=size_px)
    assert picture.shape == (size_px, size_px, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 20


def test_a_picture_taken_at_night_is_grey() -> None:
    picture = seen(reserve(3, 1, TODAY).animals[0], night=True)
    assert (picture[..., 0] == picture[..., 2]).all()


def test_the_same_seed_gives_the_same_portrait() -> None:
    animal = reserve(3, 1, TODAY).animals[0]
    assert np.array_equal(seen(animal), seen(animal))
    assert not np.array_equal(seen(animal), seen(animal, seed=1))


def test_drawing_takes_as_much_from_the_generator_whatever_the_animal() -> None:
    left = []
    for animal in reserve(3, 4, TODAY).animals:
        rng = np.random.default_rng(0)
        portrait(animal, TODAY, rng, night=False, size_px=64)
        left.append(rng.random())
    assert len(set(left)) == 1


@pytest.mark.parametrize("index", range(6))
def test_the_coat_yellows_with_every_year(index: int) -> None:
    animal = reserve(7, 6, TODAY).animals[index]
    pictures = [seen(aged(animal, years)) for years in (0.5, 2, 5, 10, 15, 20, 28)]
    foreheads = [picture[30:50, 50:78].astype(float) for picture in pictures]
    yellow = [float((forehead[..., 0] / forehead[..., 2]).mean()) for forehead in foreheads]
    assert yellow == sorted(yellow)
    assert yellow[-1] > yellow[0] + 0.1


def test_old_ages_look_more_alike_than_young_ones() -> None:
    animal = reserve(7, 1, TODAY).animals[0]

    def change(first: float, second: float) -> float:
        return float(np.abs(seen(aged(animal, first)).astype(float) - seen(aged(animal, second))).mean())

    assert change(1, 4) > change(10, 13) > change(24, 27) > 0


def test_animals_of_one_age_differ() -> None:
    animals = [aged(animal, 8) for animal in reserve(7, 4, TODAY).animals]
    pictures = [seen(animal).astype(float) for animal in animals]
    assert min(np.abs(first - second).mean() for first, second in pairwise(pictures)) > 1


def test_a_manifest_names_pictures_that_exist_over_the_whole_life(tmp_path: Path) -> None:
    animals = reserve(3, 3, TODAY).animals
    path = manifest(animals, np.random.default_rng(0), tmp_path / "new", 5, TODAY, size_px=64)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "individual", "born_on", "captured_at"]
    assert len({row["path"] for row in rows}) == 15
    for animal in animals:
        own = [row for row in rows if row["individual"] == animal.name]
        assert [row["born_on"] for row in own] == [animal.born_on.isoformat()] * 5
        days = [datetime.fromisoformat(row["captured_at"]).date() for row in own]
        assert days == sorted(days)
        assert animal.born_on < days[0] < days[-1] < TODAY
        assert days[-1] - days[0] > (TODAY - animal.born_on) / 3
    for row in rows:
        picture = Picture((path.parent / row["path"]).read_bytes())
        assert picture.pixels().size == (64, 64)
        assert picture.exif.taken == f"{datetime.fromisoformat(row['captured_at']):%Y:%m:%d %H:%M:%S}"


def test_a_manifest_comes_out_the_same_for_the_same_seed(tmp_path: Path) -> None:
    animals = reserve(3, 2, TODAY).animals
    for name in ("one", "two"):
        manifest(animals, np.random.default_rng(0), tmp_path / name, 2, TODAY, size_px=64)
    files = [sorted((tmp_path / name).rglob("*.*")) for name in ("one", "two")]
    first, second = ([(path.name, path.read_bytes()) for path in some] for some in files)
    assert len(first) == 5
    assert first == second


def test_the_same_seed_gives_the_same_season(shots: list[Shot]) -> None:
    assert shots == shots_of(5)
    assert shots != shots_of(6)


def test_a_season_runs_in_order_of_time_over_its_days(shots: list[Shot]) -> None:
    times = [shot.captured_at for shot in shots]
    assert times == sorted(times)
    assert times[0].date() >= TODAY - timedelta(days=10)
    assert times[-1].date() < TODAY
    assert {moment.utcoffset() for moment in times} == {timedelta(hours=8)}
    assert {moment.hour in range(6, 19) for moment in times} == {True, False}


def test_each_camera_numbers_its_own_files(shots: list[Shot]) -> None:
    names = defaultdict(list)
    for shot in shots:
        names[shot.camera].append(shot.file_name)
    assert set(names) == set(CAMERAS)
    for own in names.values():
        assert own == [f"IMG_{number:04}.JPG" for number in range(1, len(own) + 1)]


def test_a_season_says_who_it_shows_and_how_old(shots: list[Shot]) -> None:
    animals = {animal.name: animal for animal in reserve(5, 8, TODAY).animals}
    for shot in shots:
        assert shot.age_years == animals[shot.individual].age_years(shot.captured_at.date())


def test_good_pictures_open_and_carry_their_time(shots: list[Shot]) -> None:
    good = [shot for shot in shots if shot.kind == "good"]
    assert len(good) > 20
    for shot in good:
        picture = Picture(shot.data)
        assert picture.pixels().size == (96, 96)
        assert picture.exif.taken == f"{shot.captured_at:%Y:%m:%d %H:%M:%S}"
        assert picture.exif.offset == ("+08:00" if shot.camera == "ridge" else None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("truncated", Reason.TRUNCATED), ("empty", Reason.EMPTY), ("text", Reason.NOT_AN_IMAGE)],
)
def test_a_broken_file_is_broken_as_it_says(shots: list[Shot], kind: str, reason: Reason) -> None:
    with pytest.raises(BadPicture) as caught:
        Picture(of_kind(shots, kind).data).pixels()
    assert caught.value.reason is reason


def test_a_copy_has_the_bytes_of_the_good_picture_before_it(shots: list[Shot]) -> None:
    copy = of_kind(shots, "copy")
    original = shots[shots.index(copy) - 1]
    assert original.kind == "good"
    assert replace(copy, kind="good", file_name=original.file_name) == original


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_clock_shows_an_impossible_time(seed: int) -> None:
    shown = Picture(of_kind(shots_of(seed), "clock").data).exif.taken
    assert shown is not None
    assert shown.startswith("1999:") or shown > f"{TODAY:%Y:%m:%d}"


def test_a_season_of_no_nights_is_empty() -> None:
    assert not list(season(reserve(5, 2, TODAY).animals, CAMERAS, 0, np.random.default_rng(0), TODAY))


def test_unborn_animals_are_not_seen() -> None:
    animals = [aged(animal, 0.2) for animal in reserve(5, 2, TODAY).animals]
    shots = season(animals, CAMERAS, 60, np.random.default_rng(0), TODAY, size_px=32)
    assert min(shot.age_years for shot in shots) > 0.15
