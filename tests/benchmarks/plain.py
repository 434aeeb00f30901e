"""`station scan` against the loop that most people write: Pillow, torchvision transforms, an eager float32 network.

python -m tests.benchmarks.plain BUNDLE [--pictures 640] [--json FILE]

Once a picture at a time, once through a DataLoader in batches of 32; each estimate is inserted and committed by itself.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from station.ages import Ages
from station.bundles import Card
from tests.benchmarks.figures import in_turns, told
from tests.benchmarks.limit import CACHE, Scans
from tests.benchmarks.pictures import face_files
from training.networks import build

Network = Callable[[torch.Tensor], torch.Tensor]


class Crops(Dataset[torch.Tensor]):
    """Files as normalised tensors, as tutorials do it."""

    def __init__(self, files: list[Path], size_px: int) -> None:
        self._files = files
        self._transform = transforms.Compose(
            [
                transforms.Resize((size_px, size_px)),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> torch.Tensor:
        tensor: torch.Tensor = self._transform(Image.open(self._files[index]).convert("RGB"))
        return tensor


def loop(crops: Crops, network: Network, database: Path, batch: int | None) -> int:
    """All files, one by one or in batches; a row and a commit each."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    database.unlink(missing_ok=True)
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE ages (file INTEGER, age REAL)")
    parts = DataLoader(crops, batch, num_workers=2) if batch else (crops[n][None] for n in range(len(crops)))
    done = 0
    with torch.inference_mode():
        for part in parts:
            for age in network(part.to(device)).tolist():
                db.execute("INSERT INTO ages VALUES (?, ?)", (done, age))
                db.commit()
                done += 1
    db.close()
    return done


def plain(card: Card) -> Network:
    """The bundle's architecture as its library gives it, with an age head."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    body = build(card.architecture, "none").network.eval().to(device)
    bins = torch.tensor(card.bins_years, device=device)
    head = torch.nn.Linear(body(torch.zeros(1, 3, card.input_px, card.input_px, device=device)).shape[1], len(bins))
    head.to(device)
    return lambda pictures: torch.softmax(head(body(pictures)), dim=1) @ bins


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pictures", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        files = face_files(scratch / "pictures", args.pictures)
        ages = Ages(args.bundle, limit=32)
        form = ages.prepare(CACHE).form
        crops, network = Crops(files, ages.card.input_px), plain(ages.card)
        scans = Scans(files[0].parent, args.bundle, scratch, 2)
        spent = itertools.count()
        rates = in_turns(
            {
                "one by one": lambda: loop(crops, network, scratch / f"{next(spent)}.sqlite", None),
                "DataLoader, 32": lambda: loop(crops, network, scratch / f"{next(spent)}.sqlite", 32),
                "station scan": scans,
            },
            args.rounds,
        )
    scan = rates["station scan"] = scans.rate()
    figures: dict[str, float | str] = {f"{name}, images/s": rate for name, rate in rates.items()}
    figures |= {"scan / one by one": scan / rates["one by one"]}
    figures |= {"scan / DataLoader": scan / rates["DataLoader, 32"]}
    told(f"against the plain way: {ages.card.architecture}, {form}", figures, args.json)


if __name__ == "__main__":
    main()
