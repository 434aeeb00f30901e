"""Who a face shows, as rules."""

from __future__ import annotations

import numpy as np
import pytest

from station.bundles import Identity
from station.domain import Verdict
from station.individuals import Birth, Likeness, alike, assigned, combined, contradicts, decide, provisional, similarity

IDENTITY = Identity("v", 4, 20.0, -10.0, 0.7, 0.6, (), (), {})


def likenesses(**similarities: float) -> list[Likeness]:
    return [Likeness(name, value) for name, value in similarities.items()]


@pytest.mark.parametrize(
    ("similarities", "verdict", "best"),
    [
        ({}, Verdict.NEW, None),
        ({"bao": 0.9, "lian": 0.2}, Verdict.KNOWN, "bao"),
        ({"bao": 0.9, "lian": 0.9}, Verdict.UNSURE, "bao"),
        ({"bao": 0.2, "lian": 0.1}, Verdict.NEW, "bao"),
        ({"bao": 0.5, "lian": 0.1}, Verdict.UNSURE, "bao"),
    ],
    ids=["nobody is known", "like one", "like two", "like nobody", "a little like one"],
)
def test_a_face_is_known_new_or_unsure(similarities: dict[str, float], verdict: Verdict, best: str | None) -> None:
    decision = decide(likenesses(**similarities), len(similarities), IDENTITY)
    assert decision.verdict is verdict
    assert (decision.best.individual if decision.best else None) == best


def test_the_more_are_known_the_more_it_takes_to_be_one_of_them() -> None:
    like_bao = likenesses(bao=0.62)
    assert decide(like_bao, 1, IDENTITY).verdict is Verdict.KNOWN
    assert decide(like_bao, 1000, IDENTITY).verdict is not Verdict.KNOWN


def test_two_faces_in_one_picture_are_two_animals() -> None:
    both = {0: likenesses(bao=0.85, lian=0.8), 1: likenesses(bao=0.95, lian=0.1)}
    decisions = assigned(both, 2, IDENTITY)
    assert decisions[1].best == Likeness("bao", 0.95)
    assert decisions[0].best == Likeness("lian", 0.8)
    assert {one.verdict for one in decisions.values()} == {Verdict.KNOWN}


def test_of_two_faces_like_the_only_one_known_the_other_is_new() -> None:
    decisions = assigned({0: likenesses(bao=0.9), 1: likenesses(bao=0.95)}, 1, IDENTITY)
    assert (decisions[0].verdict, decisions[1].verdict) == (Verdict.NEW, Verdict.KNOWN)


@pytest.mark.parametrize(
    ("face", "individual", "contradiction"),
    [
        (Birth(56.0, 1.0), Birth(45.0, 1.0), True),
        (Birth(56.0, 1.0), Birth(53.0, 1.0), False),
        (Birth(56.0, 6.0), Birth(45.0, 6.0), False),
        (Birth(56.0, 0.1), Birth(55.2, 0.1), False),
    ],
    ids=["an adult is not last year's cub", "a little older", "nobody can tell", "both are sure, within a year"],
)
def test_age_is_a_veto_only_where_it_is_sure(face: Birth, individual: Birth, contradiction: bool) -> None:
    assert contradicts(face, individual) is contradiction


def test_one_wrong_age_among_many_does_not_move_an_animals_birth() -> None:
    births = [Birth(50.0, 1.0), Birth(50.5, 1.0), Birth(20.0, 1.0)]
    assert combined(births) == Birth(50.0, 1.0)


def test_similarity_is_of_the_faces_most_alike() -> None:
    assert similarity(np.array([0.9, 0.8, 0.7, -0.5, 0.1, 0.2, 0.3, 0.0])) == pytest.approx(0.8)
    assert similarity(np.array([0.4])) == pytest.approx(0.4)


def test_an_animal_seen_from_two_sides_is_like_either() -> None:
    assert similarity(np.array([1.0, -0.5])) == 1.0


def test_faces_of_a_burst_belong_together_where_that_is_likelier_than_not() -> None:
    assert alike(0.6, IDENTITY)
    assert not alike(0.4, IDENTITY)


def test_a_new_animal_is_named_after_its_first_face() -> None:
    assert provisional("giant_panda", "7f3a9b", set()) == "giant-panda-7f3a"
    assert provisional("giant_panda", "7f3a9b", {"giant-panda-7f3a"}) == "giant-panda-7f3a9"
