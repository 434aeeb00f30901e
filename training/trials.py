"""From the parts of a study on disk to its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

from station import species
from station.bundles import Figure
from training import fit, parts
from training.bench import Source
from training.calibrate import Unseen, joined
from training.evaluation import judge
from training.folds import Numbers
from training.judged import Judged
from training.laid import Laid
from training.metrics import figures, per_image
from training.networks import Size
from training.parts import Answer, Course, Part
from training.plan import Plan
from training.results import Protocol, Speed, Study, Trial
from training.stages import stages_for
from training.throughput import PAPER, QUICK, Form, Precision, describe, measure


def collected(plan: Plan, folder: Path, laid: Mapping[str, Laid], sizes: Mapping[str, Size], now: datetime) -> Study:
    """All trials whose folds are complete."""
    courses = list(plan.courses())
    speeds: dict[str, Speed] = {}
    trials = []
    for course in courses:
        answers = [
            parts.read(Part(course, "fold", k).file(folder, "npz")) for k in range(len(laid[course.data].splits))
        ]
        complete = [answer for answer in answers if answer is not None]
        if len(complete) == len(answers):
            if course.network not in speeds:
                speeds[course.network] = _speed(plan.network(course.network), laid[course.data].bench.device)
            trials.append(_trial(plan, folder, laid[course.data], course, complete, sizes, speeds))
    return Study(
        protocol=_protocol(plan, laid, now),
        data=tuple(each.described for each in laid.values()),
        trials=tuple(trials),
        planned=len(courses),
        chosen=_chosen(trials, next(iter(laid))),
    )


def _trial(
    plan: Plan,
    folder: Path,
    laid: Laid,
    course: Course,
    answers: Sequence[Answer],
    sizes: Mapping[str, Size],
    speeds: Mapping[str, Speed],
) -> Trial:
    unseen, guesses = in_order(answers)
    stages = stages_for(species.find(plan.species), unseen.ages_years)
    judged = judge(unseen, laid.described.fold, guesses, laid.bench.bins, stages, plan.schedule.seed)
    random, same_faces = _at_random(plan, folder, laid, course, judged) or (None, None)
    return Trial(
        data=course.data,
        network=course.network,
        loss=course.loss,
        weights=plan.network(course.network).weights,
        judged=judged,
        figures=figures(judged, plan.schedule.seed),
        random_split_mae_years=random,
        same_faces_mae_years=same_faces,
        size=sizes[course.network],
        speed=speeds[course.network],
        fitting_s=sum(answer.fitting_s for answer in answers),
    )


def _at_random(plan: Plan, folder: Path, laid: Laid, course: Course, judged: Judged) -> tuple[Figure, Figure] | None:
    """The error where faces of one individual may stand on both sides, and the honest one (`judged`) of those faces."""
    numbers = range(len(laid.random))
    answers = [parts.read(Part(course, "random", k).file(folder, "npz")) for k in numbers]
    complete = [answer for answer in answers if answer is not None]
    if not complete or len(complete) < len(answers):
        return None
    unseen, guesses = in_order(complete)
    rows, seed = np.sort(np.concatenate([answer.rows for answer in complete])), plan.schedule.seed
    flattered = judge(unseen, None, guesses, laid.bench.bins, stages_for(None, unseen.ages_years), seed)
    honest = judged.take(rows)
    return (
        per_image(np.abs(flattered.errors_years), flattered.individuals, seed),
        per_image(np.abs(honest.errors_years), honest.individuals, seed),
    )


def _speed(source: Source, device: torch.device) -> Speed:
    on_card = device.type == "cuda"
    preset, precision = (PAPER, Precision.BF16) if on_card else (QUICK, Precision.FLOAT32)
    return measure(Form.of(source.build(), device), preset, precision)


def _chosen(trials: Sequence[Trial], data: str) -> Trial | None:
    """The least error per individual on the first data set: what ships is to serve animals, not pictures."""
    candidates = [trial for trial in trials if trial.data == data]
    return min(candidates, key=lambda t: t.figures["mae_by_individual_years"].value, default=None)


def _protocol(plan: Plan, laid: Mapping[str, Laid], now: datetime) -> Protocol:
    return Protocol(
        species=plan.species,
        folds=plan.folds,
        epochs=plan.schedule.epochs,
        batch=plan.schedule.batch,
        seed=plan.schedule.seed,
        input_px=next(iter(laid.values())).described.known.crops.shape[-1],
        device=describe(next(iter(laid.values())).bench.device),
        libraries=fit.libraries(),
        recipe=plan.schedule.in_words(),
        created_at=now.isoformat(timespec="seconds"),
    )


def in_order(answers: Sequence[Answer]) -> tuple[Unseen, Numbers]:
    """What the folds' networks said, and the guesses, in the order of the faces."""
    order = np.argsort(np.concatenate([answer.rows for answer in answers]))
    guesses = np.concatenate([answer.guesses_years for answer in answers])
    return joined([answer.unseen for answer in answers]).take(order), guesses[order]
