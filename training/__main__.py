"""The command `training`: labelled faces in; bundles, studies, speeds and lighter manifests out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from station.domain import StationError
from training.arguments import OFF, parser

if TYPE_CHECKING:
    import argparse

    from training.bench import Source
    from training.schedule import Schedule


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0 done, 2 something to put right, 130 interrupted."""
    args = parser(_COMMANDS).parse_args(argv)
    try:
        args.run(args)
    except (StationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted: {args.interrupted}\n")
        return 130
    return 0


# The commands import what they need when they run: torch and timm take seconds, and --help must not.


def _fit(args: argparse.Namespace) -> None:
    from training.crew import gathered  # noqa: PLC0415
    from training.fit import Recipe, assist, fit  # noqa: PLC0415
    from training.summary import summary  # noqa: PLC0415

    recipe = Recipe(
        species=args.species, source=_source(args), freeze=args.freeze, schedule=_schedule(args), folds=args.folds,
        device=args.device, checkpoint=args.checkpoint,
    )  # fmt: skip
    with gathered() as crew:
        if not crew.leads:
            return assist(args.manifests, recipe, crew)
        made = fit(args.manifests, args.out, recipe, _now(), _say, crew)
    sys.stdout.write(summary(made, args.out))
    return None


def _study(args: argparse.Namespace) -> None:
    from training.networks import STUDY_NETWORKS  # noqa: PLC0415
    from training.plan import Plan  # noqa: PLC0415
    from training.study import study  # noqa: PLC0415
    from training.summary import study_summary  # noqa: PLC0415

    plan = Plan(
        data=_data_sets(args), networks=STUDY_NETWORKS if args.backbones == ["all"] else args.backbones,
        losses=args.losses, weights=dict(args.weights_of), source=_source(args), schedule=_schedule(args),
        species=args.species, folds=args.folds, random_folds=args.random_folds, device=args.device,
        budget_min=args.budget,
    )  # fmt: skip
    sys.stdout.write(study_summary(study(plan, args.out, args.resume, _now(), _say), args.out))


def _identity(args: argparse.Namespace) -> None:
    from training.identity import identity  # noqa: PLC0415
    from training.summary import identity_summary  # noqa: PLC0415

    made = identity(args.manifests, args.bundle, args.out, args.device, args.seed, _now(), _say)
    sys.stdout.write(identity_summary(made, args.out))


def _evaluate(args: argparse.Namespace) -> None:
    from training.audit import audit  # noqa: PLC0415
    from training.summary import audit_summary  # noqa: PLC0415

    found = audit(args.bundle, args.manifests, args.device, args.even_if_known, _say)
    sys.stdout.write(audit_summary(found))


def _retrain(args: argparse.Namespace) -> None:
    from training.retraining.retrain import retrain  # noqa: PLC0415

    sys.stdout.write(retrain(args.config, args.dry_run, _now(), _say) + "\n")


def _subset(args: argparse.Namespace) -> None:
    from training.subset import Rules, cut, summary  # noqa: PLC0415

    given = {name: getattr(args, name) for name in Rules.__dataclass_fields__ if getattr(args, name) is not None}
    rules = Rules(**{name: None if value == OFF else value for name, value in given.items()})
    sys.stdout.write(summary(cut(args.manifest, args.out, rules, _say), args.out))


def _qps(args: argparse.Namespace) -> None:
    from training.networks import STUDY_NETWORKS  # noqa: PLC0415
    from training.qps import Wish, qps, redrawn  # noqa: PLC0415
    from training.report.speeds import draw, table  # noqa: PLC0415

    if args.redraw and not args.out:
        raise StationError("what is to be drawn again? name the folder of what was measured with --out")
    wish = Wish(
        networks=STUDY_NETWORKS if args.backbones == ["all"] else args.backbones, device=args.device,
        preset=args.preset, jpeg=args.input == "jpeg", manifest=args.manifest, study=args.study,
        input_px=args.input_px, out=args.out,
    )  # fmt: skip
    found = redrawn(args.out, args.study) if args.redraw else qps(wish, _now(), _say)
    sys.stdout.write(table(found, args.out))
    if args.out:
        draw(found, args.out)


def _finder(args: argparse.Namespace) -> None:
    from training.finder.asked import recipe  # noqa: PLC0415
    from training.finder.make import make  # noqa: PLC0415
    from training.finder.modelcard import summary  # noqa: PLC0415

    made = make(args.manifests, args.without, args.crops, args.out, recipe(args), _now(), _say)
    sys.stdout.write(summary(made.card, args.out))


def _boxes(args: argparse.Namespace) -> None:
    from training.boxes import formats, marked  # noqa: PLC0415

    frames, boxes = marked.write(formats.read(args.source, args.images), args.out, frozenset(args.category))
    sys.stdout.write(f"{args.out}: {boxes:,} boxes in {frames:,} frames\n")


_COMMANDS = {
    "fit": _fit, "study": _study, "identity": _identity, "evaluate": _evaluate, "retrain": _retrain, "qps": _qps,
    "subset": _subset, "finder": _finder, "boxes": _boxes,
}  # fmt: skip


def _source(args: argparse.Namespace) -> Source:
    from training.bench import Source  # noqa: PLC0415

    backbone = getattr(args, "backbone", Source().backbone)
    return Source(backbone, args.weights, args.input_px, args.crop_margin)


def _schedule(args: argparse.Namespace) -> Schedule:
    from training.schedule import Schedule  # noqa: PLC0415

    usual = Schedule()
    given = {name: getattr(args, name, None) for name in usual.__dataclass_fields__}
    return Schedule(**{name: value for name, value in given.items() if value is not None})


def _data_sets(args: argparse.Namespace) -> dict[str, list[Path]]:
    """Manifests by data set: those with a name, and the others together under the name of the first one's folder."""
    named: dict[str, list[Path]] = {}
    if args.manifests:
        named[args.manifests[0].resolve().parent.name] = args.manifests
    for name, file in args.data:
        named.setdefault(name, []).append(file)
    if not named:
        raise StationError("no manifest was named: give MANIFEST, or --data NAME=MANIFEST")
    return named


def _now() -> datetime:
    return datetime.now(UTC)


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
