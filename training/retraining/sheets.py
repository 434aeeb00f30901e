"""The station's labels as manifests, which is what fitting reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from training.files import replacing
from training.manifest import BOX, PixelBox
from training.retraining.labels import Label

_COLUMNS = ("path", "individual", "born_on", "captured_at", *BOX, "face", "digest")


def text(labels: Iterable[Label]) -> str:
    """CSV, a face a line; the same labels give the same bytes."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS)
    for label in labels:
        moment = label.captured.isoformat(timespec="seconds")
        table.writerow(
            [label.path, label.individual, label.born_on, moment, *_cells(label.box), label.face, label.digest]
        )
    return out.getvalue()


def write(file: Path, labels: Iterable[Label]) -> None:
    """Whole or not at all."""
    with replacing(file) as handle:
        handle.write(text(labels).encode())


def _cells(box: PixelBox | None) -> list[str]:
    return [""] * 4 if box is None else [f"{value:.2f}" for value in (box.x, box.y, box.width, box.height)]
