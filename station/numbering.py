"""The numbers of estimates: `seq` to subscribers, who have seen some that an older copy of the database never gave.

Where that may be so the numbers go on at the next million.  The place they go on from stands in SQLite's own table
of such places, beside the outbox's.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

STEP = 1_000_000
NEXT = """(SELECT max(coalesce(max(id), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'estimates'), 0)) + 1
FROM estimates)"""
"""The number of the estimate that is inserted, as SQL."""
ASIDE = "(SELECT min(coalesce(min(id), 0), 0) - 1 FROM estimates)"
"""The same for one that subscribers are not told of: below 0, so that their sequence has no gap."""
_GIVEN = (
    "SELECT (SELECT coalesce(max(id), 0) FROM estimates), (SELECT seq FROM sqlite_sequence WHERE name = 'estimates')"
)


def skip(file: Path, instead_of: Path | None = None) -> None:
    """In a database that was copied, or has lost rows, no number is given that the one it replaces may have given."""
    newest, begin = _given(file)
    floor = _above(max(newest, begin))
    if instead_of and instead_of.exists():
        newest, begin = _given(instead_of)
        floor = max(floor, begin if newest <= begin else _above(newest))
    with closing(sqlite3.connect(file)) as connection, connection:
        if _has_numbers(connection):
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'estimates'")
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('estimates', ?)", [floor])


def _above(number: int) -> int:
    return (number // STEP + 1) * STEP


def _has_numbers(connection: sqlite3.Connection) -> bool:
    """Not in a database from before there were subscribers."""
    wanted = "SELECT count(*) FROM sqlite_schema WHERE name IN ('estimates', 'sqlite_sequence')"
    return bool(connection.execute(wanted).fetchone()[0] == 2)


def _given(file: Path) -> tuple[int, int]:
    """The newest number, and where numbers were to go on; of a database that cannot be read, none."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if not _has_numbers(connection):
                return 0, 0
            newest, begin = connection.execute(_GIVEN).fetchone()
            return newest, begin or 0
    except sqlite3.Error:
        return 0, 0
