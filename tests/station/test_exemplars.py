"""Which faces of an animal the gallery keeps."""

from __future__ import annotations

from itertools import pairwise

import pytest

from station.exemplars import Exemplar, Shelf
from station.individuals import Birth

DAY_S = 86_400.0


def exemplar(key: int, day: float | None, said: bool = False, birth: Birth | None = None) -> Exemplar:
    return Exemplar(key, None if day is None else day * DAY_S, said, birth)


def test_a_shelf_keeps_what_it_has_room_for() -> None:
    shelf = Shelf(most=3)
    assert [shelf.offer(exemplar(key, key)) for key in range(3)] == [None, None, None]
    assert shelf.keys == [0, 1, 2]
    assert shelf.full


def test_a_second_picture_of_a_burst_goes_first() -> None:
    shelf = Shelf((exemplar(0, 0), exemplar(1, 100), exemplar(2, 200)), most=3)
    assert shelf.offer(exemplar(3, 100.0001)) in (1, 3)
    assert [key for key in shelf.keys if key in (0, 2)] == [0, 2]


def test_what_a_person_named_stays_as_long_as_there_is_anything_else() -> None:
    shelf = Shelf((exemplar(0, 0, said=True), exemplar(1, 0.0001, said=True), exemplar(2, 50)), most=3)
    assert shelf.offer(exemplar(3, 100)) in (2, 3)
    assert {0, 1} <= set(shelf.keys)


def test_faces_end_up_spread_over_time_in_the_same_way_again() -> None:
    faces = [exemplar(key, key**2 % 397) for key in range(200)]
    shelf, again = Shelf(faces, most=10), Shelf(faces, most=10)
    assert shelf.keys == again.keys
    days = sorted(face.taken_s / DAY_S for face in faces if face.key in shelf.keys and face.taken_s is not None)
    assert days[0] < 20
    assert days[-1] > 375
    assert max(late - early for early, late in pairwise(days)) < 120


def test_the_birth_of_an_animal_is_that_of_its_faces() -> None:
    births = [Birth(50.0, 1.0), None, Birth(52.0, 3.0)]
    shelf = Shelf(exemplar(key, key, birth=birth) for key, birth in enumerate(births))
    assert shelf.birth == Birth(51.0, 2.0)
    assert Shelf([exemplar(0, 0)]).birth is None


@pytest.mark.parametrize("day", [None, 3.0])
def test_a_face_without_a_time_is_kept_too(day: float | None) -> None:
    assert Shelf([exemplar(7, day)]).keys == [7]
