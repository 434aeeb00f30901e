"""What the command `training` understands."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_MANIFESTS = """
A manifest is a CSV file with one face a row:
  path,individual,age_years,x,y,width,height
  images/a.jpg,ling,3.5,120,80,200,210
path is relative to the manifest; instead of age_years there may be born_on and captured_at;
the box is in pixels, and a row without one is a face as a whole.
"""
_FIT = """\
example:
  training fit faces/manifest.csv --species giant_panda --freeze --out models/pandas-1
  torchrun --nproc-per-node 2 -m training fit faces/manifest.csv --out models/pandas-2

--freeze fits only the head, in about a minute; without it the whole network is trained.
"""
_STUDY = """\
example:
  training study faces/manifest.csv --species giant_panda --backbones resnet18,tf_efficientnet_lite0 --out study
  training study --data full=all.csv --data lite=lite.csv --backbones all --out study --budget 600
  training study --data full=all.csv --data lite=lite.csv --backbones all --out study --resume

Writes report.html, results.csv, results.json, folds.csv, out_of_fold.csv and the bundle of the chosen network.
"""
_IDENTITY = """\
example:
  training identity known/manifest.csv --bundle models/pandas-1 --out models/pandas-1-id

Takes over the ages of BUNDLE as they are, and adds an embedding that tells individuals apart.  Needs no ages, but at
least 8 individuals with several pictures each, of different days.  Judged by individuals it was not fitted on.
"""
_EVALUATE = """\
example:
  training evaluate models/pandas-1 others/manifest.csv

The same figures as after fitting, on faces of animals that the bundle was not fitted on.
"""
_SUBSET = """\
example:
  training subset all.csv --out lite.csv --smallest-px 80 --burst-s 60 --most-a-year 20
"""
_QPS = """\
example:
  training qps
  training qps --preset paper --device cuda --study study --input jpeg --out speeds
  training qps --redraw --study study --out speeds

Speed does not depend on weights: networks are measured with random ones, in the form that they are served in.
quick ends within a minute on two cores; paper takes minutes on a large GPU and days on a small processor.
"""

_FINDER = """\
example:
  training finder frames.csv --species giant_panda --without camera_traps --crops faces.csv --out models/finder-1

A manifest of frames has one row a face (path,x,y,width,height, in pixels), and one row without a box for a frame that
shows none.  Cross-validated over --fold-column, else over folds that keep frames of one `camera` (a column) together.
"""
_BOXES = """\
example:
  training boxes annotations.json --images photos --category head --out frames.csv
  training boxes yolo/labels --out frames.csv
  training boxes camtrap-dp-package --category 'Ailuropoda melanoleuca' --out frames.csv

Reads COCO (.json), YOLO (a folder of .txt labels) or a Camtrap DP package, whichever it is.
"""

OFF = "off"

Run = Callable[[argparse.Namespace], None]


def parser(commands: Mapping[str, Run]) -> argparse.ArgumentParser:
    """All commands; the namespace's `run` is the one that was named."""
    whole = argparse.ArgumentParser(
        prog="training", description="Fits and studies age models on labelled faces.", formatter_class=_Formatter
    )
    under = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, says, example, add, interrupted in _COMMANDS:
        one = under.add_parser(
            name, help=says, description=f"{says[0].upper()}{says[1:]}.", epilog=example, formatter_class=_Formatter
        )
        add(one)
        one.set_defaults(run=commands[name], interrupted=interrupted)
    return whole


def _add_fit(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST", help="CSV files of labelled faces")
    fit.add_argument("--out", required=True, type=Path, metavar="BUNDLE", help="the folder to write; must not exist")
    fit.add_argument("--freeze", action="store_true", help="leave the backbone as it is and fit only the head")
    fit.add_argument(
        "--backbone", default="tf_efficientnet_lite0", metavar="NAME", help="or any torchvision or timm model"
    )
    fit.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="keep here where training stands, and go on from it"
    )
    _add_source(fit)
    _add_schedule(fit)
    fit.add_argument("--loss", metavar="NAME", help="one of training.losses (default: dldl-v2)")


def _add_study(study: argparse.ArgumentParser) -> None:
    study.add_argument("manifests", nargs="*", type=Path, metavar="MANIFEST", help="one data set: CSV files of faces")
    study.add_argument(
        "--data",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=MANIFEST",
        help="a data set by name; may be repeated",
    )
    study.add_argument("--out", required=True, type=Path, metavar="DIR", help="the study's folder")
    study.add_argument(
        "--backbones",
        type=_names,
        default="tf_efficientnet_lite0",
        metavar="all|NAME,...",
        help="networks to compare",
    )
    study.add_argument(
        "--losses", type=_names, default=[], metavar="NAME,...", help="losses to compare (default: dldl-v2)"
    )
    study.add_argument(
        "--weights-of",
        action="append",
        default=[],
        type=_named,
        metavar="NETWORK=auto|none|FILE",
        help="for one network; may be repeated",
    )
    study.add_argument(
        "--random-folds",
        type=_whole,
        default=1,
        metavar="N",
        help="folds of a random split, to show what identity leaks",
    )
    study.add_argument("--budget", type=_positive, metavar="MINUTES", help="begin nothing that would end later")
    study.add_argument("--resume", action="store_true", help="go on with the study in DIR")
    _add_source(study)
    _add_schedule(study)


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--species", default="unknown", type=_name, metavar="NAME", help="as its species file is called"
    )
    command.add_argument(
        "--weights", default="auto", metavar="auto|none|FILE", help="pretrained, random, or from a file"
    )
    command.add_argument("--input-px", type=_count, metavar="N", help="side of the crops (default: the network's own)")
    command.add_argument("--crop-margin", type=_fraction, metavar="F", help="around boxes (default: 0.15; no boxes: 0)")
    command.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")
    command.add_argument("--folds", type=_folds, default=5, metavar="N", help="test parts, split by individual")


def _add_schedule(command: argparse.ArgumentParser) -> None:
    """Defaults are those of `training.schedule`, where each is explained."""
    recipe = command.add_argument_group("the recipe of fine-tuning (training/schedule.py says what each is for)")
    recipe.add_argument("--epochs", type=_count, metavar="N")
    recipe.add_argument("--batch", type=_count, metavar="N")
    recipe.add_argument("--seed", type=_whole, metavar="N", help="the same seed gives the same splits and weights")
    recipe.add_argument("--backbone-rate", type=_positive, metavar="F")
    recipe.add_argument("--head-rate", type=_positive, metavar="F")
    recipe.add_argument("--shape", metavar="one-cycle|cosine")
    recipe.add_argument("--frozen", type=_fraction, metavar="F")
    recipe.add_argument("--head-first-epochs", type=_whole, metavar="N")
    recipe.add_argument("--averaging", type=_fraction, metavar="F")
    recipe.add_argument("--augmentation", metavar="plain|camera_trap|none")
    recipe.add_argument("--by-age", type=_fraction, metavar="F")
    recipe.add_argument("--by-individual", type=_fraction, metavar="F")
    recipe.add_argument("--patience", type=_count, metavar="N")
    recipe.add_argument("--flip", action="store_true", default=None)


def _add_identity(identity: argparse.ArgumentParser) -> None:
    identity.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST", help="CSV files of labelled faces")
    identity.add_argument(
        "--bundle", required=True, type=Path, metavar="BUNDLE", help="the bundle whose ages are taken over"
    )
    identity.add_argument(
        "--out", required=True, type=Path, metavar="BUNDLE", help="the folder to write; must not exist"
    )
    identity.add_argument("--seed", type=_whole, default=0, metavar="N", help="the same seed gives the same splits")
    identity.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder")
    evaluate.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST", help="CSV files of labelled faces")
    evaluate.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")
    evaluate.add_argument(
        "--even-if-known", action="store_true", help="measure although the bundle was fitted on some of these animals"
    )


def _add_subset(subset: argparse.ArgumentParser) -> None:
    subset.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file of labelled faces")
    subset.add_argument("--out", required=True, type=Path, metavar="FILE", help="the manifest to write; must not exist")
    rules = subset.add_argument_group("rules; `off` switches one off")
    for name, metavar, says in (
        ("smallest-px", "N", "shorter side of a face, in pixels (default: 64)"),
        ("least-sharpness", "F", "variance of the Laplacian over that of the luminance (default: 0.02)"),
        ("darkest", "F", "mean luminance, of 255 (default: 20)"),
        ("most-blown", "F", "share of the face that is nothing but white (default: 0.5)"),
        ("burst-s", "S", "one picture of an animal and camera in so many seconds, the sharpest (default: 60)"),
        ("most-a-year", "N", "pictures of one animal in one year of its age, the sharpest (default: 10)"),
    ):
        rules.add_argument(f"--{name}", type=_rule, metavar=metavar, help=says)


def _add_finder(finder: argparse.ArgumentParser) -> None:
    """Defaults are those of `training.finder`, where each is explained."""
    finder.add_argument(
        "manifests", nargs="+", type=Path, metavar="MANIFEST", help="CSV files of frames with face boxes"
    )
    finder.add_argument("--out", required=True, type=Path, metavar="BUNDLE", help="the folder to write; must not exist")
    finder.add_argument("--species", type=_name, metavar="NAME", help="as its species file is called")
    finder.add_argument(
        "--without", action="append", default=[], type=Path, metavar="DIR", help="pictures that show no such face"
    )
    finder.add_argument(
        "--crops", action="append", default=[], type=Path, metavar="MANIFEST", help="faces as whole pictures, to paste"
    )
    finder.add_argument("--fold-column", metavar="NAME", help="the column that says in which fold a frame is judged")
    finder.add_argument("--folds", type=_folds, default=5, metavar="N", help="without such a column")
    finder.add_argument(
        "--leave-out", action="append", default=[], type=_named, metavar="COLUMN=VALUE", help="frames with such a row"
    )
    finder.add_argument("--backbone", default="tf_efficientnet_lite0", metavar="NAME", help="a timm model")
    finder.add_argument(
        "--weights", default="auto", metavar="auto|none|FILE", help="pretrained, random, or from a file"
    )
    finder.add_argument("--view-px", type=_count, metavar="N", help="side of what the finder looks at (default: 416)")
    finder.add_argument("--least-face", type=_fraction, metavar="F", help="of the frame's width (default: 0.03)")
    finder.add_argument(
        "--least-face-px", type=_positive, metavar="N", help="frames are tiled until it is that wide (default: 20)"
    )
    finder.add_argument("--scenes", type=_count, metavar="N", help="training pictures to make (default: 2000)")
    finder.add_argument("--epochs", type=_count, metavar="N", help="with the backbone frozen (default: 6)")
    finder.add_argument("--unfrozen-epochs", type=_whole, metavar="N", help="afterwards, with its end learning too")
    finder.add_argument("--seed", type=_whole, default=0, metavar="N", help="the same seed gives the same scenes")
    finder.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")


def _add_boxes(boxes: argparse.ArgumentParser) -> None:
    boxes.add_argument("source", type=Path, metavar="SOURCE", help="a COCO file, a YOLO folder or a Camtrap DP package")
    boxes.add_argument("--out", required=True, type=Path, metavar="FILE", help="the manifest to write; must not exist")
    boxes.add_argument("--images", type=Path, metavar="DIR", help="where the pictures are, if not beside SOURCE")
    boxes.add_argument(
        "--category", action="append", default=[], metavar="NAME", help="take only these boxes; may be repeated"
    )


def _add_qps(qps: argparse.ArgumentParser) -> None:
    qps.add_argument(
        "--backbones", type=_names, metavar="all|NAME,...", help="networks (default: those of the study, else all)"
    )
    qps.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")
    qps.add_argument("--preset", choices=("paper", "quick"), default="quick", help="how long is measured")
    qps.add_argument(
        "--input", choices=("tensor", "jpeg"), default="tensor", help="jpeg: measure from JPEG bytes too, beside it"
    )
    qps.add_argument(
        "--manifest", type=Path, metavar="FILE", help="whose pictures are fed as JPEG (default: drawn ones)"
    )
    qps.add_argument("--study", type=Path, metavar="DIR", help="a study's folder, for the errors of its networks")
    qps.add_argument(
        "--input-px", type=_count, metavar="N", help="side of the crops (default: the study's, else the network's own)"
    )
    qps.add_argument("--out", type=Path, metavar="DIR", help="write qps.csv, qps.json and the plot qps.svg here")
    qps.add_argument(
        "--redraw", action="store_true", help="measure nothing: draw what lies in --out, with --study anew"
    )


_COMMANDS = (
    ("fit", "fit an age model on manifests and write a bundle", _FIT + _MANIFESTS, _add_fit, "no bundle was written"),
    (
        "study",
        "cross-validate networks under one protocol, with a report",
        _STUDY + _MANIFESTS,
        _add_study,
        "what is complete is kept: go on with --resume",
    ),
    (
        "identity",
        "add to a bundle what tells individuals apart",
        _IDENTITY + _MANIFESTS,
        _add_identity,
        "no bundle was written",
    ),
    ("evaluate", "measure a bundle on a manifest", _EVALUATE, _add_evaluate, "nothing was measured"),
    ("qps", "measure how fast networks are on this machine", _QPS, _add_qps, "what was measured is in the tables"),
    ("subset", "cut a lighter manifest by rules", _SUBSET, _add_subset, "no manifest was written"),
    ("finder", "fit a face finder on frames with face boxes", _FINDER, _add_finder, "no bundle was written"),
    ("boxes", "make a manifest of boxes from COCO, YOLO or Camtrap DP", _BOXES, _add_boxes, "no manifest was written"),
)


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, argparse.SUPPRESS, [])
        return super()._get_help_string(action) if shown else action.help


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: small letters, digits and _ only, such as giant_panda")
    return text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r}: write it like name=value")
    return name, value


def _named_file(text: str) -> tuple[str, Path]:
    name, value = _named(text)
    return _name(name), Path(value)


def _count(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from {least} up is needed")
    return int(text)


def _whole(text: str) -> int:
    return _count(text, least=0)


def _folds(text: str) -> int:
    return _count(text, least=2)


def _number(text: str, fits: Callable[[float], Any], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r}: {wanted} is needed")
    return value


def _fraction(text: str) -> float:
    return _number(text, lambda value: 0 <= value <= 1, "a fraction from 0 to 1")


def _rule(text: str) -> float | str:
    if text == OFF:
        return OFF
    value = _number(text, lambda given: 0 <= given < float("inf"), "a number from 0 up, or off,")
    return int(value) if value == int(value) else value


def _positive(text: str) -> float:
    return _number(text, lambda value: 0 < value < float("inf"), "a number above 0")
