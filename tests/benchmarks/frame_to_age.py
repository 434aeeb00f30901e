"""From frame to age: what a found box costs the age, against the box that was marked by hand.

python -m tests.benchmarks.frame_to_age MANIFEST out.json

Five folds by individual, the same for both: a finder and an age head are fitted on the other folds' frames and marked
boxes, and neither has seen the person of the frame that it is asked of.  Ages are then told on the marked boxes and on
the surest found box of each frame.  For people (FG-NET) only because their ages are known: the station is not for them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from station.domain import Box, Pixels
from station.pictures import Picture
from station.views import overlaps
from training import features, folds, head, manifest, networks
from training.calibrate import Unseen, joined, moments, temperature
from training.faces import BOXED_MARGIN, Faces, load
from training.finder import judge, make
from training.finder.frames import Frames, LabelledFrame
from training.finder.judge import Judged
from training.finder.learn import Course
from training.finder.lesson import Plenty
from training.finder.make import Recipe
from training.finder.seeing import Eye
from training.folds import Numbers, Split
from training.head import Examples
from training.labels import Bins
from training.networks import Backbone

_DRAWS = 2000
_CPU = torch.device("cpu")
_RECIPE = Recipe(plenty=Plenty(scenes=1200), course=Course(epochs=3), eye=Eye(least_face_share=0.2), gated=False)
"""Portraits: no face is small, so the whole picture is the only view."""


def main(file: Path, out: Path) -> None:
    rows = manifest.aged(manifest.read([file]))
    backbone = networks.build("tf_efficientnet_lite0")
    known = load(rows, backbone.input_px, BOXED_MARGIN, _say)
    splits = folds.subject_exclusive(known.individuals, known.ages_years)
    found = _found(known, splits)
    ages = _ages(known, splits, backbone, found)
    text = json.dumps(_report(known, found, *ages), indent=2)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


def _found(known: Faces, splits: Sequence[Split]) -> list[Judged]:
    """What a finder that does not know the person finds in each face's frame, in the faces' order."""
    fold = folds.numbered(splits, len(known.rows)).tolist()
    frames = tuple(
        LabelledFrame(row.path, (row.box,) if row.box else (), number, str(row.path))
        for row, number in zip(known.rows, fold, strict=True)
    )
    known_frames = Frames(frames, len(splits), (), 0)
    by_path = dict(make.crossed(known_frames, known_frames, [], _RECIPE, _CPU, _say))
    return [by_path[row.path] for row in known.rows]


def _ages(
    known: Faces, splits: Sequence[Split], backbone: Backbone, found: Sequence[Judged]
) -> tuple[Numbers, Numbers]:
    """Estimates out of fold on marked and on found boxes, in years; where nothing was found, on the marked one."""
    bins = Bins.for_ages(known.ages_years)
    marked = features.extract(backbone, known.crops, _CPU)
    mirrored = features.extract(backbone, known.crops, _CPU, mirrored=True)
    seen = features.extract(backbone, _crops(known, found, backbone.input_px), _CPU)
    examples = Examples((marked + mirrored) / 2, marked, known.ages_years, known.individuals)
    said: list[tuple[Unseen, Unseen]] = []
    for split in splits:
        own, _ = head.fit(examples.take(split.train), bins, 0, lambda _=None: None)
        test = examples.take(split.test)
        on_found = own.says(seen[torch.from_numpy(split.test)], test.ages_years, test.individuals)
        said.append((own.says(test.served, test.ages_years, test.individuals), on_found))
    order = np.argsort(np.concatenate([split.test for split in splits]))
    by_hand, by_finder = (joined(part).take(order) for part in zip(*said, strict=True))
    warmth = temperature(by_hand, bins)
    return moments(by_hand, warmth, bins)[0], moments(by_finder, warmth, bins)[0]


def _crops(known: Faces, found: Sequence[Judged], input_px: int) -> Pixels:
    cut = []
    for row, one, marked in zip(known.rows, found, known.crops, strict=True):
        boxes = [Box(*one.boxes[0].tolist())] if len(one.boxes) else []
        crops = Picture(row.path.read_bytes()).crops(boxes, input_px, BOXED_MARGIN)
        cut.append(crops[0] if boxes else marked)
    return np.stack(cut)


def _report(known: Faces, found: Sequence[Judged], by_hand: Numbers, by_finder: Numbers) -> dict[str, object]:
    thresholds = judge.nested_thresholds(found, 1 + max(one.fold for one in found))
    there = np.array([bool(len(one.scores) and one.scores[0] >= thresholds[one.fold]) for one in found])
    hand, finder = (np.abs(each - known.ages_years)[there] for each in (by_hand, by_finder))
    chance = np.random.default_rng(0)
    names, owner = np.unique(known.individuals[there], return_inverse=True)
    draws = chance.multinomial(len(names), np.full(len(names), 1 / len(names)), _DRAWS)[:, owner]
    ratios = (draws @ finder) / (draws @ hand)
    low, high = np.quantile(ratios, [0.025, 0.975])
    fit = [
        float(overlaps(one.boxes[:1], one.truth).max()) for one, is_there in zip(found, there, strict=True) if is_there
    ]
    ap = judge.average_precision(found, 0.5)
    return {
        "frames": len(found),
        "people": len(set(known.individuals.tolist())),
        "found": int(there.sum()),
        "found_share": round(float(there.mean()), 4),
        "average_precision_50": [round(v, 3) for v in (ap.value, ap.low or 0.0, ap.high or 0.0)],
        "overlap_mean": round(float(np.mean(fit)), 3),
        "mae_marked_years": round(float(hand.mean()), 3),
        "mae_found_years": round(float(finder.mean()), 3),
        "ratio": round(float(finder.mean() / hand.mean()), 4),
        "ratio_interval_over_people": [round(float(low), 4), round(float(high), 4)],
        "mae_all_marked_years": round(float(np.abs(by_hand - known.ages_years).mean()), 3),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
