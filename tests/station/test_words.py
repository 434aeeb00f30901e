"""Whatever is said in whatever order: people outrank the machine, the newest word wins, and undoing undoes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from station.words import Names, Recognition, Said, Verb, Word, facts, resolve, standing, vouched

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
FACES = range(6)
ANIMALS = "abcd"


def at(minute: int) -> datetime:
    return BEGIN + timedelta(minutes=minute)


class Talk:
    """Words in the order in which they are said, a minute each."""

    def __init__(self) -> None:
        self.words: list[Word] = []

    def say(self, verb: Verb, individual: str | None = None, face: int | None = None, **value: object) -> Word:
        number = len(self.words) + 1
        self.words.append(Word(number, at(number), verb, individual, face, value, "wei"))
        return self.words[-1]

    def undo(self, word: Word) -> Word:
        return self.say(Verb.UNDO, word=word.id)


MACHINE = [
    Recognition(0, "known", "a", 0.9, BEGIN),
    Recognition(1, "known", "b", 0.8, BEGIN),
    Recognition(2, "new", "c", 0.3, BEGIN),
    Recognition(3, "unsure", "a", 0.5, BEGIN),
]
PATHS = [Said(4, "d", BEGIN)]
UNTOUCHED = {0: "a", 1: "b", 2: "c", 4: "d"}


def shown(talk: Talk, moment: datetime | None = None) -> dict[int, str]:
    return resolve(MACHINE, PATHS, talk.words, moment)


@st.composite
def talks(draw: st.DrawFn, most: int = 12) -> Talk:
    talk = Talk()
    for _ in range(draw(st.integers(0, most))):
        animal, face = draw(st.sampled_from(ANIMALS)), draw(st.sampled_from(FACES))
        match draw(st.sampled_from(["confirm", "deny", "differ", "merge", "split", "undo", "set"])):
            case "confirm":
                talk.say(Verb.CONFIRM, animal, face)
            case "deny":
                talk.say(Verb.DENY, animal, face)
            case "differ":
                talk.say(Verb.DENY, None, face, other=draw(st.sampled_from(FACES)))
            case "merge":
                talk.say(Verb.MERGE, animal, into=draw(st.sampled_from(ANIMALS)))
            case "split":
                first = talk.say(Verb.SPLIT, animal, face)
                talk.say(Verb.SPLIT, animal, draw(st.sampled_from(FACES)), **{"with": first.id})
            case "set":
                talk.say(Verb.SET, animal, born_on=f"20{face:02}-01-01")
            case "undo" if talk.words:
                talk.undo(draw(st.sampled_from(talk.words)))
    return talk


def test_without_words_the_path_and_the_machine_speak() -> None:
    assert shown(Talk()) == UNTOUCHED


def test_a_path_outranks_the_machine() -> None:
    assert resolve([Recognition(4, "known", "a", 0.99, at(9))], PATHS, []) == {4: "d"}


def test_the_newest_version_of_the_machine_speaks_for_it() -> None:
    newer = Recognition(0, "unsure", "b", 0.4, at(1))
    assert resolve([newer, *MACHINE], PATHS, []) == {1: "b", 2: "c", 4: "d"}


@given(talks(), st.sampled_from(FACES), st.sampled_from(ANIMALS))
def test_the_newest_word_on_a_face_is_who_it_is(talk: Talk, face: int, animal: str) -> None:
    talk.say(Verb.CONFIRM, animal, face)
    assert shown(talk)[face] == Names(standing(talk.words)).now(animal)


@given(talks(), st.sampled_from(FACES), st.sampled_from(ANIMALS))
def test_whom_a_face_is_not_it_is_not(talk: Talk, face: int, animal: str) -> None:
    talk.say(Verb.DENY, animal, face)
    assert shown(talk).get(face) != Names(standing(talk.words)).now(animal)


@given(talks(), st.sampled_from(FACES), st.sampled_from(FACES))
def test_two_faces_that_differ_have_not_one_name(talk: Talk, one: int, other: int) -> None:
    talk.say(Verb.DENY, None, one, other=other)
    names = shown(talk)
    assert one == other or names.get(one) is None or names.get(one) != names.get(other)


@given(talks(), talks(3))
def test_undoing_all_that_was_said_since_restores_exactly(talk: Talk, more: Talk) -> None:
    before, known = shown(talk), facts(talk.words)
    now_standing = {word.id for word in standing(talk.words)}
    new = []
    for word in more.words:
        if word.verb is not Verb.UNDO:
            new.append(talk.say(word.verb, word.individual, word.face, **{k: v for k, v in word.value.items()
                                                                          if k != "with"}))  # fmt: skip
    for word in reversed(new):
        talk.undo(word)
    assert shown(talk) == before
    assert facts(talk.words) == known
    assert {word.id for word in standing(talk.words)} == now_standing


@given(talks(), st.data())
def test_an_undo_can_be_undone(talk: Talk, data: st.DataObject) -> None:
    talk.say(Verb.CONFIRM, "a", 0)
    before = shown(talk)
    talk.undo(talk.undo(data.draw(st.sampled_from(standing(talk.words)))))
    assert shown(talk) == before


@given(talks())
def test_what_was_known_then_is_what_it_was_then(talk: Talk) -> None:
    for minute in range(len(talk.words) + 1):
        then = Talk()
        then.words = talk.words[:minute]
        assert shown(talk, at(minute)) == shown(then)
        assert facts(talk.words, at(minute)) == facts(then.words)


@given(talks(), st.randoms(use_true_random=False))
def test_the_order_in_which_rows_are_read_does_not_matter(talk: Talk, chance: Random) -> None:
    shuffled = list(talk.words)
    chance.shuffle(shuffled)
    assert resolve(MACHINE[::-1], PATHS, shuffled) == shown(talk)


@given(talks())
def test_every_name_that_is_shown_is_one_that_is_still_used(talk: Talk) -> None:
    assert not set(shown(talk).values()) & Names(standing(talk.words)).merged().keys()


@given(talks())
def test_what_the_machine_says_of_a_face_changes_nothing_where_a_person_named_it(talk: Talk) -> None:
    talk.say(Verb.CONFIRM, "b", 0)
    others = [replace(one, individual="c", verdict="known") if one.face == 0 else one for one in MACHINE]
    assert resolve(others, PATHS, talk.words)[0] == shown(talk)[0]


def test_a_merge_moves_all_faces_and_its_undoing_moves_them_back() -> None:
    talk = Talk()
    merge = talk.say(Verb.MERGE, "c", into="a")
    assert shown(talk) == UNTOUCHED | {2: "a"}
    talk.undo(merge)
    assert shown(talk) == UNTOUCHED


def test_a_split_is_undone_as_one() -> None:
    talk = Talk()
    first = talk.say(Verb.SPLIT, "e", 0)
    talk.say(Verb.SPLIT, "e", 1, **{"with": first.id})
    assert shown(talk) == UNTOUCHED | {0: "e", 1: "e"}
    talk.undo(first)
    assert shown(talk) == UNTOUCHED


def test_a_denied_name_gives_way_to_the_one_before_it_and_then_to_none() -> None:
    talk = Talk()
    talk.say(Verb.CONFIRM, "b", 0)
    talk.say(Verb.DENY, "b", 0)
    assert shown(talk)[0] == "a"
    talk.say(Verb.DENY, "a", 0)
    assert 0 not in shown(talk)


def test_a_denial_follows_the_name_into_a_merge() -> None:
    talk = Talk()
    talk.say(Verb.DENY, "a", 0)
    talk.say(Verb.MERGE, "a", into="b")
    assert 0 not in shown(talk)


def test_whether_one_is_merged_into_the_other_or_the_other_way_a_newer_merge_outranks_a_denial() -> None:
    for one, other in (("c", "a"), ("a", "c")):
        talk = Talk()
        talk.say(Verb.DENY, "a", 2)  # the machine says c
        talk.say(Verb.MERGE, one, into=other)
        assert shown(talk)[2] == other


def test_of_two_faces_that_differ_the_weaker_name_goes() -> None:
    talk = Talk()
    talk.say(Verb.MERGE, "b", into="a")
    talk.say(Verb.DENY, None, 0, other=1)
    assert shown(talk) == {0: "a", 2: "c", 4: "d"}  # the machine was less sure of face 1
    talk.say(Verb.CONFIRM, "a", 1)
    assert shown(talk) == {1: "a", 2: "c", 4: "d"}


def test_facts_are_the_newest_and_a_merged_individual_leaves_its_own_where_there_are_none() -> None:
    talk = Talk()
    talk.say(Verb.SET, "c", born_on="2019-08-21", sex="f")
    talk.say(Verb.NAME, "a", name="Bao")
    first = talk.say(Verb.SET, "a", sex="m")
    talk.say(Verb.MERGE, "c", into="a")
    assert facts(talk.words) == {"a": {"name": "Bao", "sex": "m", "born_on": "2019-08-21"}}
    talk.undo(first)
    assert facts(talk.words)["a"]["sex"] == "f"


def test_who_was_only_denied_is_not_vouched_for() -> None:
    talk = Talk()
    talk.say(Verb.DENY, "a", 0)
    word = talk.say(Verb.CONFIRM, "c", 2)
    assert vouched(talk.words) == {"c"}
    talk.undo(word)
    assert vouched(talk.words) == set()
