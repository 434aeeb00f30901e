"""What the years and power cuts did to a station's files: found, told, and mended where that loses nothing.

Before anything is changed the database is copied to `….before-doctor`.  Nothing of a person's is thrown away:
files that are none of the spool's are put beside it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from station import numbering, people
from station.check import Finding, Level
from station.copies import CopyError, beside, copy_database, problems, settle
from station.detections import RESULTS
from station.salvage import salvage
from station.schema import StoreError, lock, recounted, transaction
from station.settings import Settings
from station.spool import is_own

BEFORE, STRANGE = ".before-doctor", "-strange"
ROUNDS = 3
NOW = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"
NAMED = {
    "cameras": "INSERT OR IGNORE INTO cameras (id, first_seen_at)",
    "individuals": "INSERT OR IGNORE INTO individuals (id, first_seen_at)",
    "models": "INSERT OR IGNORE INTO models (version, card, first_used_at)",
}
"""Tables of names: what others call them by is all that they need."""
WAL_MB = 64
"""SQLite keeps its journal below some MB; more says that it was never brought in."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """Something that is wrong, and what mends it; None: only a person can, or time does."""

    what: str
    mend: Callable[[], str] | None
    in_database: bool = True


def doctor(settings: Settings, fix: bool) -> Iterator[Finding]:
    """Looks at database, spool, outbox and leftovers, and with `fix` mends.  Raises `StoreError` where it cannot look.

    To mend, the station must stand still.
    """
    database = settings.station.database
    if not database.is_file():
        raise StoreError(f"there is no database {database}; `station scan` and `station run` make one")
    if not fix:
        yield from (Finding(Level.WRONG, ailment.what) for ailment in _ailments(settings, _stands_still(database)))
        return
    told: set[str] = set()
    with closing(lock(database)):
        for _ in range(ROUNDS):
            mended = yield from _mend(settings, told)
            if not mended:
                break


def _mend(settings: Settings, told: set[str]) -> Generator[Finding, None, int]:
    """One round: what is mended may show what hangs on it."""
    mended = 0
    for ailment in _ailments(settings, True):
        if ailment.what not in told:
            yield Finding(Level.WRONG, ailment.what)
        if ailment.mend is not None:
            if ailment.in_database and not told & {BEFORE}:
                yield Finding(Level.GOOD, f"copied to {_copy(settings.station.database)}")
                told.add(BEFORE)
            yield Finding(Level.GOOD, ailment.mend())
            mended += 1
        told.add(ailment.what)
    return mended


def _stands_still(database: Path) -> bool:
    try:
        lock(database).close()
    except StoreError:
        return False
    return True


def _ailments(settings: Settings, still: bool) -> Iterator[Ailment]:
    """In the order in which they are to be mended; each part is looked at after those before it are well."""
    database, spool = settings.station.database, settings.mqtt.spool.absolute()
    yield from _damage(database)
    if problems(database):
        return  # nothing in it can be believed
    yield from _references(database)
    yield from _individuals(database)
    yield from _outbox(database)
    yield from _spool(database, spool)
    if still:
        yield from _leftovers(settings, spool)
        yield from _journal(database)


def _copy(database: Path) -> Path:
    target = database.with_name(database.name + BEFORE)
    try:
        copy_database(database, target)
    except CopyError:  # it is damaged: byte for byte, with what lies beside it
        for file, copy in zip((database, *beside(database)), (target, *beside(target)), strict=True):
            copy.unlink(missing_ok=True)
            if file.exists():
                shutil.copy2(file, copy)
    return target


def _reading(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection


def _change(database: Path, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for sql, rows in statements:
            connection.executemany(sql, rows)


def _damage(database: Path) -> Iterator[Ailment]:
    found = problems(database)
    if not found:
        return
    told = f"the database {database} is damaged: {found[0]}" + (f", and {len(found) - 1} more" if found[1:] else "")

    def mend() -> str:
        try:
            mended = salvage(database)
        except sqlite3.Error as error:
            raise StoreError(f"nothing of {database} can be read ({error}): `station restore` a backup") from error
        recounted(database)
        numbering.skip(database)
        return mended

    yield Ailment(told, mend)


def _references(database: Path) -> Iterator[Ailment]:
    found: list[Ailment] = []
    with closing(_reading(database)) as db:
        broken = [tuple(row) for row in db.execute("PRAGMA foreign_key_check") if row["rowid"] is not None]
        for table, parent, number in sorted({(table, parent, number) for table, _, parent, number in broken}):
            keys = db.execute(f"PRAGMA foreign_key_list({table})").fetchall()
            column = next(key["from"] for key in keys if key["id"] == number)
            columns = db.execute(f"PRAGMA table_info({table})").fetchall()
            needed = any(c["name"] == column and c["notnull"] for c in columns)
            ids = [(row[1],) for row in broken if (row[0], row[2], row[3]) == (table, parent, number)]
            told = f"{len(ids)} rows of {table} name a row of {parent} that is not there (column {column})"
            found.append(Ailment(told, _reference_mender(database, table, parent, column, needed, ids)))
    yield from found


def _reference_mender(
    database: Path, table: str, parent: str, column: str, needed: bool, ids: Sequence[tuple[object, ...]]
) -> Callable[[], str]:
    """Names come back as rows, what may be unknown becomes unknown, and what hangs in the air goes."""

    def mend() -> str:
        if parent in NAMED:
            card = "'{}'," if parent == "models" else ""
            _change(database, (f"{NAMED[parent]} SELECT {column}, {card} {NOW} FROM {table} WHERE rowid = ?", ids))
            return f"added to {parent}"
        if not needed:
            _change(database, (f"UPDATE {table} SET {column} = NULL WHERE rowid = ?", ids))
            return f"{column} of {len(ids)} rows of {table} set to unknown"
        _change(database, (f"DELETE FROM {table} WHERE rowid = ?", ids))
        return f"{len(ids)} rows deleted from {table}; the copy has them"

    return mend


def _individuals(database: Path) -> Iterator[Ailment]:
    """What follows from words must be what stands in the rows; a database of before the words is left alone."""
    with closing(_reading(database)) as connection:
        connection.row_factory = None
        db = Database(connection)
        if "words" not in db.table_names():
            return
        faces, animals = len(people.astray(db)), len(people.undescribed(db))

    def mend() -> str:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            db = Database(connection)
            with transaction(db):
                people.mend(db)
        return "derived anew from what was said"

    if faces or animals:
        told = f"{faces} faces and {animals} individuals are not what was said of them"
        yield Ailment(told, mend)


def _outbox(database: Path) -> Iterator[Ailment]:
    with closing(_reading(database)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'outbox'").fetchone():
            return
        bad, twice, seen = [], [], set()
        for row in db.execute("SELECT id, topic, payload, retained FROM outbox ORDER BY id"):
            forgets = row["retained"] and not row["payload"]
            if not forgets and not _is_object(row["payload"]):
                bad.append((row["id"],))
            elif (key := (row["topic"], row["payload"])) in seen:
                twice.append((row["id"],))
            else:
                seen.add(key)
    for ids, what in ((bad, "are not JSON objects"), (twice, "stand there twice")):
        if ids:
            yield Ailment(f"{len(ids)} messages of the outbox {what}", _deleter(database, ids))


def _is_object(payload: object) -> bool:
    try:
        return isinstance(json.loads(str(payload)), dict)
    except ValueError:
        return False


def _deleter(database: Path, ids: Sequence[tuple[object, ...]]) -> Callable[[], str]:
    def mend() -> str:
        _change(database, ("DELETE FROM outbox WHERE id = ?", ids))
        return f"{len(ids)} messages deleted; the copy has them"

    return mend


def _spool(database: Path, spool: Path) -> Iterator[Ailment]:
    with closing(_reading(database)) as db:
        rows = db.execute("SELECT id, path, outcome, unspooled_at FROM frames WHERE topic IS NOT NULL").fetchall()
    known = {row["path"] for row in rows}
    there = {str(file) for file in spool.rglob("*") if file.is_file() and not _is_half(file)}
    if strange := sorted(file for file in there - known if not _belongs(Path(file))):
        yield Ailment(f"{len(strange)} files in the spool are none of the station's, such as {strange[0]}",
                      _shelver(spool, strange), in_database=False)  # fmt: skip
    mine = [row for row in rows if Path(row["path"]).is_relative_to(spool)]  # another spool's are not gone
    gone = [row for row in mine if row["path"] not in there and row["unspooled_at"] is None]
    if waiting := [row for row in gone if row["outcome"] is None]:
        yield Ailment(f"{len(waiting)} pictures of the spool are gone before their turn, such as {waiting[0]['path']}: "
                      "the Line will record them as vanished", None)  # fmt: skip
    if done := [(row["id"],) for row in gone if row["outcome"] is not None]:
        yield Ailment(f"{len(done)} pictures are no longer in the spool, and the database does not know it",
                      _unspooler(database, done))  # fmt: skip


def _belongs(file: Path) -> bool:
    """A picture without a row does: the station takes it up by itself."""
    return is_own(file.name) or file.name == RESULTS


def _shelver(spool: Path, strange: list[str]) -> Callable[[], str]:
    shelf = spool.with_name(spool.name + STRANGE)

    def mend() -> str:
        for file in strange:
            target = shelf / Path(file).relative_to(spool)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)
        return f"put into {shelf}: look at them, watch the folder as a camera's, or delete them"

    return mend


def _unspooler(database: Path, ids: Sequence[tuple[object, ...]]) -> Callable[[], str]:
    def mend() -> str:
        _change(database, (f"UPDATE frames SET unspooled_at = {NOW} WHERE id = ?", ids))
        return f"noted for {len(ids)} pictures"

    return mend


def _is_leftover(file: Path) -> bool:
    """Of this program: outside the spool its scratch names begin with a dot, somebody's upload does not."""
    own = file.name.startswith(".") and file.name.endswith((".part", ".restoring"))
    return own or file.name.startswith((".station-backup-", ".station-salvage-"))


def _is_half(file: Path) -> bool:
    """A picture that was being written into the spool."""
    return file.suffix == ".part" or _is_leftover(file)


def _leftovers(settings: Settings, spool: Path) -> Iterator[Ailment]:
    """What was being written when the power went; nothing writes now."""
    database, bundle = settings.station.database.absolute(), settings.station.bundle.absolute()
    left = [f for f in (*database.parent.glob("*"), *bundle.parent.glob("*")) if _is_leftover(f)]
    left += [f for f in spool.rglob("*") if _is_half(f)]
    if not left:
        return

    def mend() -> str:
        for file in left:
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
        return f"{len(left)} deleted"

    yield Ailment(f"{len(left)} half-written files were left, such as {left[0]}", mend, in_database=False)


def _journal(database: Path) -> Iterator[Ailment]:
    wal = beside(database)[0]
    size = wal.stat().st_size if wal.exists() else 0
    if size <= WAL_MB * 1e6:
        return

    def mend() -> str:
        return "brought into the database" if settle(database) else "somebody reads the database: try again later"

    yield Ailment(f"{size / 1e6:.0f} MB of changes wait in {wal}", mend, in_database=False)
