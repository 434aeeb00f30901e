"""Counts of frames and estimates and a camera's arrivals, kept by triggers: the SQL of both, and making them anew."""

from __future__ import annotations

from sqlite_utils import Database

_COUNTED = ("camera", "lane", "outcome", "reason", "clock")


def _kind(row: str) -> str:
    """Which count a row of `frames` belongs to, as SQL, in the order of `_COUNTED`."""
    return f"""{row}.camera, {row}.lane, coalesce({row}.outcome, 'waiting'), coalesce({row}.reason, ''),
        CASE WHEN {row}.outcome IS NOT 'observed' THEN '' WHEN {row}.captured_impossible THEN 'impossible'
            WHEN {row}.captured_at IS NULL THEN 'unknown' ELSE 'believable' END"""


def _count(table: str, key: tuple[str, ...], kind: str, step: int) -> str:
    """One more or one less, as SQL for a trigger; an upsert there would obey an outer INSERT OR IGNORE."""
    columns = ", ".join(key)
    return f"""INSERT INTO {table} ({columns}, n) SELECT {kind}, 0
            WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE ({columns}) = ({kind}));
        UPDATE {table} SET n = n + {step} WHERE ({columns}) = ({kind});"""


def counted_frames(step: int, row: str) -> str:
    """SQL for a trigger on frames, whose `row` is OLD or NEW: `step` more of its kind."""
    return _count("frame_counts", _COUNTED, _kind(row), step)


def counted_estimates(step: int, row: str) -> str:
    """The same for estimates."""
    return _count("estimate_counts", ("model", "interval_known"), f"{row}.model, {row}.low_years IS NOT NULL", step)


def recount(db: Database) -> None:
    """Makes all counts anew from what they count, as after the repair of a damaged database."""
    for counts in ("frame_counts", "estimate_counts"):
        db.execute(f"DELETE FROM {counts}")
    db.execute(f"""INSERT INTO frame_counts ({", ".join(_COUNTED)}, n)
        SELECT {_kind("frames")}, count(*) FROM frames GROUP BY 1, 2, 3, 4, 5""")
    db.execute("""INSERT INTO estimate_counts (model, interval_known, n)
        SELECT model, low_years IS NOT NULL, count(*) FROM estimates GROUP BY 1, 2""")
    arrive_anew(db)


def arrive_anew(db: Database) -> None:
    """Makes the arrivals anew from the frames."""
    db.execute("DELETE FROM arrivals")
    db.execute("""INSERT INTO arrivals (camera, began_at, last_at)
        SELECT camera, min(at), max(at) FROM (
            SELECT camera, at, sum(apart) OVER (PARTITION BY camera ORDER BY at) AS number FROM (
                SELECT camera, at, julianday(at) - lag(julianday(at)) OVER (PARTITION BY camera ORDER BY at)
                    > 0.5 / 24 AS apart
                FROM (SELECT DISTINCT camera, admitted_at AS at FROM frames)))
        GROUP BY camera, coalesce(number, 0)""")
