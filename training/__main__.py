"""The command `training`: labelled faces in, a bundle out."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from station.domain import StationError

_EXAMPLE = """\
example:
  training fit faces/manifest.csv --species giant_panda --freeze --out models/pandas-1

  A manifest is a CSV file with one face a row:
    path,individual,age_years,x,y,width,height
    images/a.jpg,ling,3.5,120,80,200,210
  path is relative to the manifest; instead of age_years there may be born_on and captured_at;
  the box is in pixels, and a row without one is a face as a whole.

  --freeze fits only the head, in about a minute; without it the whole network is trained.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0 done, 2 something to put right, 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        _fit(args)
    except (StationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted: no bundle was written\n")
        return 130
    return 0


def _fit(args: argparse.Namespace) -> None:
    from training.fit import Recipe, fit  # noqa: PLC0415 (torch and timm take seconds; --help must not)
    from training.summary import summary  # noqa: PLC0415

    recipe = Recipe(
        species=args.species, backbone=args.backbone, weights=args.weights, freeze=args.freeze,
        epochs=args.epochs, batch=args.batch, folds=args.folds, seed=args.seed,
        crop_margin=args.crop_margin, input_px=args.input_px, device=args.device,
    )  # fmt: skip
    made = fit(args.manifests, args.out, recipe, datetime.now(UTC), _say)
    sys.stdout.write(summary(made, args.out))


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="training", description=__doc__, epilog=_EXAMPLE, formatter_class=_Formatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser(
        "fit", help="fit an age model on manifests", description="Fits an age model on manifests and writes a bundle.",
        epilog=_EXAMPLE, formatter_class=_Formatter,
    )  # fmt: skip
    fit.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST", help="CSV files of labelled faces")
    fit.add_argument("--out", required=True, type=Path, metavar="BUNDLE", help="the folder to write; must not exist")
    fit.add_argument("--species", default="unknown", type=_name, metavar="NAME", help="as its species file is called")
    fit.add_argument("--freeze", action="store_true", help="leave the backbone as it is and fit only the head")
    fit.add_argument("--backbone", default="tf_efficientnet_lite0", metavar="NAME", help="or any timm model")
    fit.add_argument("--weights", default="auto", metavar="auto|none|FILE", help="pretrained, random, or from a file")
    fit.add_argument("--epochs", type=_count, default=16, metavar="N", help="passes over the faces, without --freeze")
    fit.add_argument("--batch", type=_count, default=16, metavar="N", help="faces a step, without --freeze")
    fit.add_argument("--folds", type=_folds, default=5, metavar="N", help="test parts, split by individual")
    fit.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same splits")
    fit.add_argument("--crop-margin", type=_margin, metavar="F", help="around boxes (default: 0.15; no boxes: 0)")
    fit.add_argument("--input-px", type=_count, metavar="N", help="side of the crops (default: the network's own)")
    fit.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1")
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, argparse.SUPPRESS)
        return super()._get_help_string(action) if shown else action.help


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: small letters, digits and _ only, such as giant_panda")
    return text


def _count(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from {least} up is needed")
    return int(text)


def _folds(text: str) -> int:
    return _count(text, least=2)


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = -1.0
    if not 0 <= margin <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a fraction from 0 to 1 is needed")
    return margin


if __name__ == "__main__":
    sys.exit(main())
