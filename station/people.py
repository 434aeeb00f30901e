"""What people say, in the ledger: a word and all that follows from it, in one transaction of its caller's.

Who a face shows (`faces.individual`) and what is known of an individual (its row) follow from the words and from what
the machine said; whenever something is said, both are derived anew for all that it touches.  Of individuals that
change by it subscribers hear later: their names wait in `untold`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from station.times import iso
from station.words import FACTS, Names, Recognition, Said, Verb, Word, facts, resolve, standing, vouched

PATH = "path"
"""Who says what folders and topics say."""
CHUNK = 500
"""Numbers in one question."""
MANY = 20_000
"""Faces looked at together where all are."""


def words(db: Database) -> list[Word]:
    """All that was said, in its order."""
    rows = db.execute("SELECT id, said_at, verb, individual, face, value, who FROM words ORDER BY id")
    return [_word(row) for row in rows.fetchall()]


def _word(row: Sequence[Any]) -> Word:
    id, said_at, verb, individual, face, value, who = row
    said = json.loads(value) if value else {}
    return Word(id, datetime.fromisoformat(said_at), Verb(verb), individual, face, said, who)


TOLD = ("word", "said_at", "who", "verb", "individual", "face", "value", "what", "undone_at")


def told(db: Database, individual: str | None = None) -> Iterator[dict[str, Any]]:
    """What was said, in its order, in plain words; of one individual: with what was said of those merged into it."""
    said = words(db)
    names = _relatives(said, {individual}) if individual else set()
    about = {word.id for word in said if not individual or _named(word) & names}
    about |= {word.id for word in said if word.verb is Verb.UNDO and word.value["word"] in about}
    marked = dict(db.execute("SELECT id, undone_at FROM words").fetchall())
    for word in said:
        if word.id in about:
            yield {
                "word": word.id,
                "said_at": iso(word.said_at),
                "who": word.who,
                "verb": word.verb.value,
                "individual": word.individual,
                "face": word.face,
                "value": json.dumps(dict(word.value), ensure_ascii=False) if word.value else None,
                "what": _plainly(word),
                "undone_at": marked[word.id],
            }


def _plainly(word: Word) -> str:
    facts = ", ".join(f"{key.replace('_', ' ')} {value or 'unknown'}" for key, value in word.value.items())
    apart = f"faces {word.face} and {word.value.get('other')} are of two animals"
    return {
        Verb.NAME: f"{word.individual}: {facts}",
        Verb.SET: f"{word.individual}: {facts}",
        Verb.CONFIRM: f"face {word.face} is {word.individual}",
        Verb.DENY: f"face {word.face} is not {word.individual}" if word.individual else apart,
        Verb.MERGE: f"{word.individual} is {word.value.get('into')}",
        Verb.SPLIT: f"face {word.face} is another one, {word.individual}",
        Verb.UNDO: f"word {word.value.get('word')} is taken back",
    }[word.verb]


def newest(db: Database) -> int:
    """The number of the newest word: with another, what was derived from the words may be another."""
    return int(db.execute("SELECT coalesce(max(id), 0) FROM words").fetchone()[0])


def say(db: Database, word: Word) -> Word:
    """Notes a word, and gives it its number.  What follows from it is derived afterwards (`follow`)."""
    value = json.dumps(dict(word.value), ensure_ascii=False) if word.value else None
    row = [iso(word.said_at), word.who, word.verb.value, word.individual, word.face, value]
    done = db.conn.execute(
        "INSERT INTO words (said_at, who, verb, individual, face, value) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    return Word(int(done.lastrowid or 0), word.said_at, word.verb, word.individual, word.face, word.value, word.who)


def follow(db: Database, said: Sequence[Word], at: datetime) -> int:
    """Derives anew all that depends on these words, which are noted already; how many faces show another one."""
    everything = words(db)
    _mark_undone(db, everything, at)
    about = list(_about(said, {word.id: word for word in everything}))
    names = _relatives(everything, {name for word in about for name in _named(word)})
    faces = {word.face for word in about if word.face is not None}
    if any(word.verb is Verb.MERGE for word in about):
        faces |= set(faces_named(db, names))
    _describe(db, names, everything)
    return derive(db, faces, everything)


def derive(db: Database, faces: Iterable[int], said: Sequence[Word] | None = None) -> int:
    """Who these faces show, by all that was said; notes of whom that changes something.  How many it changes."""
    everything = words(db) if said is None else said
    wanted = sorted(_partners(everything, set(faces)))
    shown = resolve(recognitions(db, wanted), paths(db, wanted), _of_faces(everything, set(wanted)))
    before = chosen(db, "SELECT id, individual FROM faces WHERE id IN ({})", wanted)
    changed = [(shown.get(face), face, was) for face, was in before if shown.get(face) != was]
    db.conn.executemany("UPDATE faces SET individual = ? WHERE id = ?", [(now, face) for now, face, _ in changed])
    touched = {name for now, _, was in changed for name in (now, was) if name}
    db.conn.executemany("INSERT OR IGNORE INTO untold (individual) VALUES (?)", [(name,) for name in sorted(touched)])
    return len(changed)


def astray(db: Database) -> list[int]:
    """Faces that do not show whom they should by all that was said, as where rows were lost."""
    said = words(db)
    every = [face for (face,) in db.execute("SELECT id FROM faces ORDER BY id").fetchall()]
    found: list[int] = []
    for begin in range(0, len(every), MANY):
        some = every[begin : begin + MANY]
        shown = resolve(recognitions(db, some), paths(db, some), said)
        before = chosen(db, "SELECT id, individual FROM faces WHERE id IN ({})", some)
        found += [face for face, was in before if shown.get(face) != was]
    return found


def undescribed(db: Database) -> list[str]:
    """Individuals whose rows do not say what people said of them."""
    known = facts(words(db))
    columns = ", ".join(FACTS)
    rows = db.execute(f"SELECT id, {columns} FROM individuals ORDER BY id").fetchall()
    return [id for id, *row in rows if row != [known.get(id, {}).get(fact) for fact in FACTS]]


def mend(db: Database) -> None:
    """Derives all of that anew."""
    said = words(db)
    _describe(db, [id for (id,) in db.execute("SELECT id FROM individuals").fetchall()], said)
    derive(db, astray(db), said)


def now_called(db: Database, individual: str | None) -> str | None:
    """The one whom people have found this individual to be."""
    row = db.execute("SELECT merged_into FROM individuals WHERE id = ?", [individual]).fetchone()
    return row[0] if row and row[0] else individual


def merged(db: Database) -> dict[str, str]:
    """The names that are no longer used, each with the one that is."""
    return dict(db.execute("SELECT id, merged_into FROM individuals WHERE merged_into IS NOT NULL").fetchall())


def vouch(db: Database, individual: str) -> None:
    """A path names the individual: it is not the machine's alone."""
    db.conn.execute("UPDATE individuals SET provisional = 0 WHERE id = ? AND provisional = 1", [individual])


def named_by_copy(db: Database, face: int, individual: str, at: str) -> None:
    """A picture that people have sorted by animal names the face, if no word of theirs does.

    There may be as many as there are pictures: nothing here looks at all words.
    """
    of_face = db.execute("SELECT 1 FROM words WHERE face = ? AND undone_at IS NULL", [face])
    if of_face.fetchone():
        return
    say(db, Word(0, datetime.fromisoformat(at), Verb.CONFIRM, individual, face, who=PATH))
    vouch(db, individual)
    whom = now_called(db, individual)
    was = db.execute("SELECT individual FROM faces WHERE id = ?", [face]).fetchone()[0]
    db.conn.execute("UPDATE faces SET individual = ? WHERE id = ?", [whom, face])
    if was and was != whom:
        db.conn.executemany("INSERT OR IGNORE INTO untold (individual) VALUES (?)", [(was,), (whom,)])


def recognitions(db: Database, faces: Sequence[int]) -> Iterator[Recognition]:
    """What the machine said of these faces."""
    sql = """SELECT face, verdict, individual, similarity, recognised_at FROM recognitions WHERE face IN ({})"""
    for face, verdict, individual, similarity, at in chosen(db, sql, faces):
        yield Recognition(face, verdict, individual, similarity, datetime.fromisoformat(at))


def paths(db: Database, faces: Sequence[int]) -> Iterator[Said]:
    """Whom their paths or topics name; of two faces in one picture a path names neither."""
    sql = """SELECT faces.id, frames.individual, coalesce(done_at, admitted_at)
        FROM faces JOIN frames ON frames.id = faces.frame WHERE faces.id IN ({}) AND frames.individual IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM faces AS other WHERE other.frame = frames.id AND other.id <> faces.id)"""
    for face, individual, at in chosen(db, sql, faces):
        yield Said(face, individual, datetime.fromisoformat(at))


def faces_named(db: Database, names: Iterable[str]) -> list[int]:
    """The faces of which anybody ever said one of these names."""
    sql = """SELECT face FROM recognitions WHERE individual IN ({0})
        UNION SELECT face FROM words WHERE face IS NOT NULL AND individual IN ({0})
        UNION SELECT faces.id FROM faces JOIN frames ON frames.id = faces.frame WHERE frames.individual IN ({0})
        UNION SELECT id FROM faces WHERE individual IN ({0})"""
    wanted = sorted(names)
    marks = ", ".join("?" * len(wanted))
    return [face for (face,) in db.execute(sql.format(marks), wanted * 4).fetchall()]


def _about(said: Iterable[Word], every: dict[int, Word]) -> Iterator[Word]:
    """The words themselves, and what they undo: of a split, all its words."""
    for word in said:
        yield word
        if word.verb is Verb.UNDO:
            target = every[word.value["word"]]
            yield from _about([target], every)
            yield from (one for one in every.values() if one.value.get("with") == target.id)


def _named(word: Word) -> set[str]:
    return {name for name in (word.individual, word.value.get("into")) if name}


def _relatives(said: Iterable[Word], names: set[str]) -> set[str]:
    """With all whom merges, standing or not, have ever joined to them."""
    pairs = [(word.individual, word.value["into"]) for word in said if word.verb is Verb.MERGE and word.individual]
    while more := {name for pair in pairs if names & set(pair) for name in pair} - names:
        names = names | more
    return names


def _partners(said: Iterable[Word], faces: set[int]) -> set[int]:
    """With all that people told apart from them."""
    pairs = [{word.face, int(word.value["other"])} for word in said if word.face and "other" in word.value]
    while more := {face for pair in pairs if pair & faces for face in pair if face} - faces:
        faces = faces | more
    return faces


def _of_faces(said: Iterable[Word], faces: set[int]) -> list[Word]:
    """Merges and undoings, and what was said of these faces."""
    return [word for word in said if word.face is None or word.face in faces]


def _mark_undone(db: Database, said: Sequence[Word], at: datetime) -> None:
    """For those who read the table."""
    stand = {word.id for word in standing(said)}
    marked = {id for (id,) in db.execute("SELECT id FROM words WHERE undone_at IS NOT NULL").fetchall()}
    undone = {word.id for word in said if word.verb is not Verb.UNDO} - stand
    db.conn.executemany("UPDATE words SET undone_at = ? WHERE id = ?", [(iso(at), id) for id in undone - marked])
    db.conn.executemany("UPDATE words SET undone_at = NULL WHERE id = ?", [(id,) for id in marked - undone])


def _describe(db: Database, individuals: Iterable[str], said: Sequence[Word]) -> None:
    """Their rows, by all that was said."""
    known, into, good = facts(said), Names(standing(said)).merged(), vouched(said)
    for individual in sorted(individuals):
        its = known.get(individual, {})
        row: list[Any] = [its.get(fact) for fact in FACTS]
        columns = ", ".join(f"{fact} = ?" for fact in FACTS)
        provisional = individual not in good and _made_by_machine(db, individual)
        _tell_renamed(db, individual, its.get("name"))
        db.conn.execute(
            f"UPDATE individuals SET {columns}, merged_into = ?, provisional = ? WHERE id = ?",
            [*row, into.get(individual), int(provisional), individual],
        )


def _tell_renamed(db: Database, individual: str, name: str | None) -> None:
    """Notes that subscribers are to hear of it, where a picture shows it and its name is another one than before."""
    db.conn.execute(
        """INSERT OR IGNORE INTO untold (individual) SELECT id FROM individuals WHERE id = ? AND name IS NOT ?
        AND EXISTS (SELECT 1 FROM faces WHERE faces.individual = individuals.id)""",
        [individual, name],
    )


def _made_by_machine(db: Database, individual: str) -> bool:
    """It was new to the machine, and no path names it."""
    asked = """SELECT EXISTS (SELECT 1 FROM recognitions WHERE individual = :name AND verdict = 'new')
        AND NOT EXISTS (SELECT 1 FROM frames WHERE individual = :name)"""
    return bool(db.execute(asked, {"name": individual}).fetchone()[0])


def chosen(db: Database, sql: str, ids: Sequence[int]) -> Iterator[Sequence[Any]]:
    """The rows of a question with `IN ({})`, for as many numbers as there are."""
    for begin in range(0, len(ids), CHUNK):
        chosen = ids[begin : begin + CHUNK]
        yield from db.execute(sql.format(", ".join(map(str, chosen))), []).fetchall()
