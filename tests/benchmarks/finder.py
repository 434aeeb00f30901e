"""A panda face finder judged on frames it was not fitted on, and what each kind of help gives.

python -m tests.benchmarks.finder SHARED_DATA out.json [VARIANT ...] [--scenes N] [--epochs N] [--least-face-px N]

Frames of pandas with marked heads stand in the folds of their table, plush toys left out; camera-trap frames without a
panda, people's portraits and chimpanzees are dealt over the same folds by camera, station or person.  Every frame is
judged by a finder that was fitted on the other folds, at a threshold that the other folds chose.  Variants: all (as
shipped); without the species gate, which would hide the difference: no-gate and, beside it, plain (no looks of camera
traps), no-crops, no-empty (no pictures without pandas), no-people, one-scale, unfrozen.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from station.views import Looking
from training.finder import frames, judge, make
from training.finder.frames import Frames, Wanted
from training.finder.judge import Judged
from training.finder.learn import Course
from training.finder.lesson import Plenty
from training.finder.looks import NO_LOOKS
from training.finder.make import Recipe
from training.finder.seeing import Eye

_WANTED = Wanted("fold", {"quality": frozenset({"toy"})})
_STATIONS = ("raw_images", "sample_images_species_tag", "full_size_for_ocr")
_PEOPLE = ("fgnet", "chimpanzees")
VARIANTS = ("all", "plain", "no-crops", "no-empty", "no-people", "one-scale", "no-gate", "unfrozen")


def main(args: argparse.Namespace) -> None:
    known = read(args.data)
    answers: dict[str, object] = {}
    for variant in args.variants or ["all"]:
        begun = time.monotonic()
        answers[variant] = of_variant(known, args, variant) | {"minutes": round((time.monotonic() - begun) / 60, 1)}
        args.out.write_text(json.dumps(answers, indent=2) + "\n", encoding="utf-8")
        print(variant, json.dumps(answers[variant], indent=2), flush=True)


def read(data: Path) -> Frames:
    """All frames; those of no panda by camera: one folder of frames, one station of a card, one person."""
    with tempfile.TemporaryDirectory() as folder:
        traps, people = Path(folder) / "traps.csv", Path(folder) / "people.csv"
        pictures = sorted(file for file in (data / "camera_traps").rglob("*") if file.suffix.lower() == ".jpg")
        _write(traps, [(file, _camera(file, data / "camera_traps")) for file in pictures])
        rows = [
            (folder_, row)
            for folder_, each in (("fgnet", 5), ("chimpanzees", 4))
            for row in _rows(data / folder_)[::each]
        ]
        _write(people, [(data / folder_ / row["path"], row["individual"]) for folder_, row in rows])
        return frames.read([data / "panda_frames" / "heads.csv", traps, people], [], _WANTED)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _camera(file: Path, root: Path) -> str:
    """Station A of two folders is one camera; of the field pictures each name's beginning is one."""
    first, *others = file.relative_to(root).parts
    if first in _STATIONS:
        return others[0]
    return f"{others[0]} {file.name.split()[0]}" if first == "field" and others[0] != "BUOW" else f"{first} {others[0]}"


def _write(file: Path, rows: Sequence[tuple[Path, str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("path", "camera"), *rows])


def of_variant(known: Frames, args: argparse.Namespace, variant: str) -> dict[str, object]:
    """Its figures; the frames that judge are the same for all."""
    eye = Eye(looking=Looking(args.least_face_px))
    recipe = Recipe(
        "giant_panda",
        plenty=Plenty(scenes=args.scenes),
        course=Course(epochs=args.epochs),
        eye=eye,
        gated=variant == "all",
    )
    crops = [args.data / "panda_faces" / row["path"] for row in _rows(args.data / "panda_faces")]
    fitted_on = known
    if variant == "plain":
        recipe = replace(recipe, plenty=replace(recipe.plenty, looks=NO_LOOKS))
    if variant == "no-crops":
        crops = []
    if variant == "one-scale":
        recipe = replace(recipe, levels=1)
    if variant == "unfrozen":
        recipe = replace(recipe, course=replace(recipe.course, unfrozen_epochs=1))
    if variant in ("no-empty", "no-people"):
        fitted_on = _without(known, *_PEOPLE, *(["camera_traps"] if variant == "no-empty" else []))
    judging = known if variant == "all" else _without(known, *_PEOPLE)  # the variants are there for the difference
    return report(make.crossed(fitted_on, judging, crops, recipe, torch.device("cpu"), _say), known.folds)


def _without(known: Frames, *folders: str) -> Frames:
    return replace(known, all=tuple(f for f in known.all if not any(name in f.path.parts for name in folders)))


def report(judged: Sequence[tuple[Path, Judged]], folds: int) -> dict[str, object]:
    """Of the panda frames, of all frames, and what was seen in those without a panda."""
    everything = [one for _, one in judged]
    pandas = [one for path, one in judged if "panda_frames" in path.parts]
    thresholds = judge.nested_thresholds(everything, folds)
    found: dict[str, object] = {"thresholds": [round(each, 3) for each in thresholds]}
    figures = {"ap50": judge.average_precision(pandas, 0.5), "ap75": judge.average_precision(pandas, 0.75)}
    figures |= {"ap50_among_all_frames": judge.average_precision(everything, 0.5)}
    figures |= {"recall_at_0_1": judge.recall_at_false(everything)} | judge.at_thresholds(everything, thresholds)
    found |= {name: [f if f is None else round(f, 3) for f in (v.value, v.low, v.high)] for name, v in figures.items()}
    for kind in ("panda_frames", "camera_traps", "full_frames", "fgnet", "chimpanzees"):
        empty = [(path, one) for path, one in judged if kind in path.parts and one.empty]
        false = [path.name for path, one in empty if len(one.scores) and one.scores[0] >= thresholds[one.fold]]
        surest = max((float(one.scores[0]) for _, one in empty if len(one.scores)), default=0.0)
        found[f"empty {kind}"] = {"frames": len(empty), "with_false_face": false, "surest": round(surest, 3)}
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("variants", nargs="*", choices=[*VARIANTS, []])
    arguments.add_argument("--scenes", type=int, default=2000)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--least-face-px", type=float, default=Eye().looking.least_face_px)
    main(arguments.parse_args())
