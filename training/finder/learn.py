"""The training loop of a finder: first the neck on what the frozen backbone sees, then, if asked, both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from training.finder.lesson import Lesson
from training.finder.losses import targets, wrongness
from training.finder.network import STRIDE, Detector
from training.folds import Indices


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast."""

    epochs: int = 6
    """Passes over the scenes with the backbone frozen."""
    unfrozen_epochs: int = 0
    """Passes over them afterwards, in which the later stages of the backbone learn too."""
    thawed: int = 3
    """How many of the backbone's last stages."""
    batch: int = 16
    rate: float = 2e-3
    unfrozen_rate: float = 2e-4
    decay: float = 1e-2
    averaging: float = 0.1
    """The weights are a running mean over this share of the steps."""
    seed: int = 0


class Step:
    """Called around each batch: a place to make room for others on a shared machine."""

    def __call__(self) -> AbstractContextManager[object]:
        """Nothing to wait for."""
        return nullcontext()


def learnt(
    detector: Detector,
    lesson: Lesson,
    rows: Indices,
    course: Course,
    device: torch.device,
    step: Step = Step(),  # noqa: B008
) -> Detector:
    """The detector after the course on some scenes, in place; its backbone learns only in the unfrozen epochs."""
    torch.manual_seed(course.seed)
    detector.to(device).to(memory_format=torch.channels_last)
    detector.backbone.requires_grad_(False)
    detector.backbone.eval()
    _pass(detector, lesson, rows, course, device, step, frozen=True)
    if course.unfrozen_epochs:
        _pass(detector, lesson, rows, course, device, step, frozen=False)
    return detector.eval()


def _pass(
    detector: Detector,
    lesson: Lesson,
    of: Indices,
    course: Course,
    device: torch.device,
    step: Step,
    frozen: bool,
) -> None:
    epochs = course.epochs if frozen else course.unfrozen_epochs
    learning: nn.Module = detector.neck if frozen else detector
    if not frozen:
        _thaw(detector, course.thawed)
    own = [] if frozen else [p for p in detector.backbone.parameters() if p.requires_grad]
    neck = list(detector.neck.parameters())
    rates = [course.rate if frozen else course.rate / 4, course.unfrozen_rate]
    groups = [{"params": part, "lr": rate} for part, rate in zip((neck, own), rates, strict=True) if part]
    optimizer = torch.optim.AdamW(groups, weight_decay=course.decay)
    steps = max(2, epochs * (len(of) // course.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates[: len(groups)], total_steps=steps, pct_start=0.15)
    averaging = get_ema_multi_avg_fn(1 - 1 / max(1.0, course.averaging * steps))  # type: ignore[no-untyped-call]
    mean = AveragedModel(learning, multi_avg_fn=averaging, use_buffers=True)
    detector.neck.train()
    name = "fitting the neck" if frozen else "fitting all"
    with tqdm(total=steps, desc=name, unit="step", disable=None) as progress:
        for rows in _shuffled(torch.from_numpy(of), course.batch, epochs, course.seed):
            with step():
                loss = _loss(detector, lesson, rows, device, frozen)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_([*neck, *own], 10.0)
                optimizer.step()
                schedule.step()
                mean.update_parameters(learning)
            progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            progress.update()
    learning.load_state_dict(mean.module.state_dict())


def _thaw(detector: Detector, last: int) -> None:
    """The statistics of the batch norms stay as they were learnt on ImageNet."""
    stages = len(detector.backbone.stages())
    detector.backbone.freeze_first(max(0, stages - last))
    detector.backbone.eval()


def _loss(detector: Detector, lesson: Lesson, rows: Tensor, device: torch.device, frozen: bool) -> Tensor:
    wanted = targets(
        [lesson.boxes[row] for row in rows.tolist()],
        [lesson.unsure[row] for row in rows.tolist()],
        lesson.pixels.shape[-1] // STRIDE,
    )
    wanted = type(wanted)(*(part.to(device) for part in (wanted.peaks, wanted.told, wanted.sides, wanted.weight)))
    if frozen and lesson.maps is not None:
        maps = [level[rows].to(device, torch.float32, memory_format=torch.channels_last) for level in lesson.maps]
        cells = detector.judged(maps)
    else:
        cells = detector(torch.from_numpy(lesson.pixels[rows.numpy()]).to(device))
    return wrongness(cells, wanted)


def _shuffled(rows: Tensor, batch: int, epochs: int, seed: int) -> Iterator[Tensor]:
    chance = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = rows[torch.randperm(len(rows), generator=chance)]
        yield from torch.split(order[: len(rows) // batch * batch], batch)
