"""What a person asks of `training finder`, as a recipe."""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from typing import Any

from training.bench import Source
from training.finder.frames import Wanted
from training.finder.learn import Course
from training.finder.lesson import Plenty
from training.finder.make import Recipe
from training.finder.seeing import Eye


def recipe(args: argparse.Namespace) -> Recipe:
    """The arguments of the command; what is not given is as usual."""
    leave_out: dict[str, set[str]] = defaultdict(set)
    for column, value in args.leave_out:
        leave_out[column].add(value)
    eye = _given(Eye(), input_px=args.view_px, least_face_share=args.least_face)
    eye = replace(eye, looking=_given(eye.looking, least_face_px=args.least_face_px))
    plenty = _given(Plenty(seed=args.seed), scenes=args.scenes)
    plenty = replace(plenty, input_px=min(plenty.input_px, eye.input_px))
    return Recipe(
        species=args.species or "",
        network=Source(args.backbone, args.weights, plenty.input_px),
        wanted=Wanted(args.fold_column, {k: frozenset(v) for k, v in leave_out.items()}, args.folds, args.seed),
        plenty=plenty,
        course=_given(Course(seed=args.seed), epochs=args.epochs, unfrozen_epochs=args.unfrozen_epochs),
        eye=eye,
        device=args.device,
    )


def _given(usual: Any, **given: Any) -> Any:
    return replace(usual, **{name: value for name, value in given.items() if value is not None})
