"""From manifests and an age bundle to a bundle that knows individuals: the whole of `training identity`.

The ages are taken over to the last bit; the embedding is made of what the age network's layers see already, so it
costs no second network.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

from station import bundles
from station.bundles import CARD, FOR_PEOPLE, GOLDEN, PROGRAM, BundleError, Card, Figure, Identity
from station.domain import Pixels
from training import embedding, export, faces, manifest, openset, retrieval, twins
from training.bench import Say
from training.bench import device as find_device
from training.crew import ALONE
from training.embedding import FaceProgram, Views, Whitening
from training.faces import Faces
from training.fit import data, libraries
from training.folds import Indices, Names, Numbers, Split, subject_exclusive
from training.manifest import Manifest, ManifestError, Row
from training.retrieval import Trial
from training.taps import Tapped, tapped

REPEATS, PARTS, INNER = 5, 4, 5
"""Five times a quarter of the individuals stays out to judge; within the rest, fifths choose and calibrate."""
LEAST_INDIVIDUALS = 8
_LEAST_FACES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The labelled faces, and what the network sees of them."""

    faces: Faces
    views: Views
    clip: Indices

    @property
    def individuals(self) -> Names:
        """Of each face, N."""
        return self.faces.individuals


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """An embedding and the decision that goes with it."""

    whitening: Whitening
    identity: Identity
    strength: float


@dataclass(frozen=True, slots=True)
class MadeIdentity:
    """A written bundle."""

    card: Card
    identity: Identity
    faces: int
    frozen: dict[str, Figure]
    gains: dict[str, Figure]


def identity(
    files: Sequence[Path], ages: Path, out: Path, device: str, seed: int, now: datetime, say: Say
) -> MadeIdentity:
    """Fits the identity part on manifests and writes it, with the ages of the bundle `ages`, as the bundle `out`.

    Raises `ManifestError`, and `BundleError` where `ages` has an identity part already or `out` exists.
    """
    card = bundles.read_card(ages)
    if card.identity:
        raise BundleError(f"{ages} has an identity part already: give the age bundle that it was made from")
    with bundles.writing(out) as folder:
        manifests = manifest.read(files)
        program = tapped(ages).to(find_device(device, ALONE))
        known = _known(manifests, card, program, find_device(device, ALONE), seed, say)
        judged, frozen = _judged(known, seed, say)
        learnt = _learnt(known.views, known.individuals, known.clip, seed)
        figures = retrieval.figures([trial for trial, _ in judged], seed)
        figures |= openset.figures([trial for trial, _ in judged], [one for _, one in judged], seed)
        whole = replace(
            learnt.identity,
            training=tuple(data(m) for m in manifests),
            individuals=tuple(np.unique(known.individuals).tolist()),
            metrics=figures | {f"frozen_{name}": figure for name, figure in retrieval.figures(frozen, seed).items()},
        )
        card = _write(folder, ages, card, program, learnt.whitening, whole, now)
    assert card.identity is not None
    gains = retrieval.gains([trial for trial, _ in judged], frozen, seed)
    return MadeIdentity(card, card.identity, len(known.individuals), retrieval.figures(frozen, seed), gains)


def _known(
    manifests: Sequence[Manifest], card: Card, program: Tapped, device: torch.device, seed: int, say: Say
) -> Known:
    rows = [row for each in manifests for row in each.rows]
    read = faces.load(_told_apart(rows), card.input_px, card.crop_margin, say)
    _told_apart(read.rows)
    seen = embedding.views(program, read.crops, device, seed)
    return Known(read, seen, _clips(read))


def _told_apart(rows: Sequence[Row]) -> Sequence[Row]:
    names, counts = np.unique([row.individual for row in rows], return_counts=True)
    enough = int((counts >= _LEAST_FACES).sum()) if len(names) else 0
    if enough < LEAST_INDIVIDUALS:
        raise ManifestError(
            f"the manifests show {enough} individuals on at least {_LEAST_FACES} pictures: at least "
            f"{LEAST_INDIVIDUALS} are needed, because an embedding is judged by individuals it was not fitted on"
        )
    return rows


def _clips(read: Faces) -> Indices:
    """Faces of one individual that look the same are of one clip: the number of its first."""
    looks = twins.looks(read.crops)
    group = np.arange(len(read.individuals))
    for name in np.unique(read.individuals):
        own = np.flatnonzero(read.individuals == name)
        of_it = twins.Looks(looks.hashes[own], looks.fine[own])
        group[own] = own[twins.groups(twins.pairs(of_it, alike=twins.ALIKE_OF_ONE), len(own))]
    return group


def _judged(known: Known, seed: int, say: Say) -> tuple[list[tuple[Trial, Identity]], list[Trial]]:
    """For each repeat the unseen individuals in the embedding fitted on the others, and in frozen features."""
    judged, frozen = [], []
    for number, split in enumerate(_repeats(known.individuals, seed)):
        learnt = _learnt(known.views.take(split.train), known.individuals[split.train], known.clip[split.train], seed)
        trial = _trial(learnt.whitening, known, split.test)
        judged.append((trial, learnt.identity))
        frozen.append(replace(trial, vectors=_frozen(known.views.take(split.test))))
        unseen = len(np.unique(trial.individuals))
        say(f"repeat {number + 1} of {REPEATS}: judged by {len(split.test)} faces of {unseen} unseen individuals")
    return judged, frozen


def _repeats(individuals: Names, seed: int) -> Iterator[Split]:
    """Splits by individual, each with another part to judge by: all individuals judge before any does twice."""
    dealt: list[Split] = []
    while len(dealt) < REPEATS:
        dealt += _splits(individuals, PARTS, seed + len(dealt))
    yield from dealt[:REPEATS]


def _splits(individuals: Names, parts: int, seed: int) -> tuple[Split, ...]:
    return subject_exclusive(individuals, np.zeros(len(individuals)), parts, seed)


def _trial(whitening: Whitening, known: Known, rows: Indices) -> Trial:
    return Trial(whitening(known.views.features[0, rows]), known.individuals[rows], known.clip[rows])


def _frozen(views: Views) -> Numbers:
    """The program's own embedding as it was, of unit length."""
    last = views.features[0][:, -views.widths[-1] :].astype(np.float64)
    return np.asarray(last / np.maximum(np.linalg.norm(last, axis=1, keepdims=True), 1e-12), np.float64)


def _learnt(views: Views, individuals: Names, clip: Indices, seed: int) -> Learnt:
    """Fitted on all of these; an inner split by individual chooses its strength and calibrates its decision."""
    trials: list[list[Trial]] = []
    for split in _splits(individuals, INNER, seed):
        fitted = embedding.fit(views.take(split.train), individuals[split.train], embedding.STRENGTHS)
        seen = views.features[0, split.test]
        trials.append([Trial(one(seen), individuals[split.test], clip[split.test]) for one in fitted])
    by_strength = list(zip(*trials, strict=True))
    scores = [float(np.nanmean(np.concatenate([retrieval.ranked(t)["map"] for t in each]))) for each in by_strength]
    best = int(np.argmax(scores))
    [whitening] = embedding.fit(views, individuals, [embedding.STRENGTHS[best]])
    blank = Identity("", len(whitening.weight), 0.0, 0.0, 1.0, 1.0, (), (), {})
    return Learnt(whitening, openset.calibrated(by_strength[best], blank), embedding.STRENGTHS[best])


def _write(
    folder: Path, ages: Path, card: Card, program: Tapped, whitening: Whitening, fitted: Identity, now: datetime
) -> Card:
    """All files of the new bundle; its ages are checked to be those of the old one, bit for bit."""
    for file in ages.iterdir():
        if file.name not in (PROGRAM, CARD, GOLDEN):
            shutil.copy2(file, folder / file.name)
    with np.load(ages / GOLDEN) as golden:
        inputs = golden["inputs"]
    whole = FaceProgram(program.cpu(), whitening)
    export.write_golden(whole, inputs, folder / GOLDEN)
    export.save_program(whole, folder / PROGRAM, card.input_px, program.most)
    export.check(folder)
    _check_ages(ages, folder, inputs)
    digest = hashlib.sha256(whitening.weight.tobytes() + whitening.bias.tobytes()).hexdigest()
    fitted = replace(fitted, version=f"{card.version}/{digest[:8]}")
    made = replace(
        card,
        version=f"{card.version}-i{digest[:8]}",
        identity=fitted,
        created_at=now.isoformat(timespec="seconds"),
        libraries=card.libraries | libraries(),
    )
    (folder / CARD).write_text(made.to_json(), encoding="utf-8")
    with (folder / FOR_PEOPLE).open("a", encoding="utf-8") as told:
        told.write(_for_people(fitted))
    return made


def _for_people(part: Identity) -> str:
    """The section of the model card, Markdown."""
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {figure.value:.3f} | "
        f"{'–' if figure.low is None else f'{figure.low:.3f} to {figure.high:.3f}'} |"
        for name, figure in part.metrics.items()
    )
    return f"""
## Telling individuals apart

The embedding ({part.size} numbers) was fitted on {len(part.individuals)} individuals and judged {REPEATS} times by a
part of them that it had not seen then; what ships was fitted on all. It must not be judged on any of these, who are
listed in `card.json`. A face is named from a probability of {part.known_at:.2f} on, and called new from
{part.new_at:.2f} on; in between it is unsure, and a person's to say.

| figure | value | 95% interval over individuals |
|---|---|---|
{rows}
"""


def _check_ages(before: Path, after: Path, inputs: Pixels) -> None:
    pictures = torch.from_numpy(inputs)
    with torch.inference_mode():
        was, now = (torch.export.load(folder / PROGRAM).module()(pictures)[0] for folder in (before, after))
    if not torch.equal(was, now):
        raise BundleError("the new program gives other ages than the bundle it was made from: it is not written")
