"""A small reserve in a real ledger: what cameras took, what the machine and people said, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlite_utils import Database

from station.schema import open_database
from station.times import iso
from tests.tiny import card

AT = datetime(2026, 6, 1, tzinfo=UTC)


class Reserve:
    """Rows as the station writes them; `at` is when a picture was taken, `done` when it was looked at."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db, self.folder = db, folder
        self._number = count(1)
        self.model("tiny-1")

    def model(self, version: str, at: datetime = AT) -> None:
        self.db.execute("INSERT INTO models VALUES (?, ?, ?)", [version, card(version=version).to_json(), iso(at)])

    def individual(self, id: str, **columns: object) -> None:
        self.db.table("individuals").insert({"id": id, "first_seen_at": iso(AT), **columns}, replace=True)

    def camera(self, id: str) -> None:
        self.db.table("cameras").insert({"id": id, "first_seen_at": iso(AT)}, ignore=True)

    def frame(self, at: datetime | None, camera: str = "ridge", done: datetime | None = None, **columns: object) -> int:
        number = next(self._number)
        self.camera(camera)
        row: dict[str, object] = {
            "id": number, "camera": camera, "path": str(self.folder / f"{number}.jpg"), "size_bytes": 1,
            "modified_ns": number, "lane": 1, "admitted_at": iso(AT), "outcome": "observed",
            "done_at": iso(done or at or AT), "captured_at": iso(at) if at else None, "captured_impossible": 0,
            "people": 0, "digest": f"d{number}", "width_px": 240, "height_px": 240,
        }  # fmt: skip
        self.db.table("frames").insert(row | columns)
        return number

    def face(self, frame: int, individual: str | None = None, number: int = 0, **columns: object) -> int:
        if individual:
            self.db.table("individuals").insert({"id": individual, "first_seen_at": iso(AT)}, ignore=True)
        row = {"frame": frame, "number": number, "x": 0, "y": 0, "width": 1, "height": 1, "individual": individual}
        return int(self.db.table("faces").insert(row | columns).last_pk or 0)

    def estimate(self, face: int, age_years: float, at: datetime, model: str = "tiny-1") -> None:
        row = {"face": face, "model": model, "age_years": age_years, "sd_years": 1.0, "estimated_at": iso(at)}
        self.db.table("estimates").insert(row)

    def seen(self, individual: str | None, at: datetime, age_years: float = 8.0, camera: str = "ridge") -> int:
        """One face, named by its path, with its age."""
        face = self.face(self.frame(at, camera, individual=self._known(individual)), individual)
        self.estimate(face, age_years, at)
        return face

    def _known(self, individual: str | None) -> str | None:
        if individual:
            self.db.table("individuals").insert({"id": individual, "first_seen_at": iso(AT)}, ignore=True)
        return individual

    def often(self, individual: str, until: datetime, times: int, every_days: float = 7, age: float = 8.0) -> None:
        for number in range(times):
            self.seen(individual, until - timedelta(days=every_days * number), age - every_days * number / 365)


@contextmanager
def reserve(file: Path) -> Iterator[Reserve]:
    db = open_database(file)
    with db.atomic():
        yield Reserve(db, file.parent / "pictures")
    db.close()
