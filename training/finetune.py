"""Fine-tuning: the backbone and a new softmax age head, trained together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from station.domain import Pixels
from training import checkpoints, folds, losses, sampling
from training.augment import PRESETS, augment
from training.calibrate import animal_weights
from training.crew import ALONE, Crew
from training.folds import Indices, Names, Numbers
from training.head import Head, log_prior
from training.labels import Bins
from training.losses import Scale
from training.networks import Backbone, Folded
from training.schedule import Schedule

_KEPT_ASIDE = 8
"""With early stopping, the animals of one of so many parts of the training set say when to stop."""
_ON_DEVICE = 0.5
"""Crops are kept on the device where they fit into this share of its free memory."""
_SHOWN_EVERY = 10
_SMALL_HEAD = 0.1
"""The first head's weights, of what is usual: the backbone is not to be shaken by what it does not know yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """N labelled faces to train on: crops uint8 N x 3 x S x S."""

    crops: Pixels
    ages_years: Numbers
    individuals: Names

    def take(self, rows: Indices) -> Lesson:
        """Some of them."""
        return Lesson(self.crops[rows], self.ages_years[rows], self.individuals[rows])


class AgeNetwork(nn.Module):
    """Pictures float B x 3 x S x S in 0..255 -> what the head gives, B x W."""

    def __init__(self, backbone: Backbone, outputs: int, frozen_stages: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width(), outputs)
        with torch.no_grad():
            self.head.weight.mul_(_SMALL_HEAD)
        backbone.freeze_first(frozen_stages)
        self.frozen_stages = frozen_stages

    def forward(self, pictures: Tensor) -> Tensor:
        """Of pictures as the augmentation gives them."""
        seen = self.backbone.normalised(pictures).contiguous(memory_format=torch.channels_last)
        outputs: Tensor = self.head(self.backbone(seen))
        return outputs

    def learns(self) -> None:
        """Training mode; statistics of pretrained batch normalisation stay as they are, for batches are small."""
        self.train()
        for number, stage in enumerate(self.backbone.stages()):
            for module in (inner for part in stage for inner in part.modules()):
                statistics = isinstance(module, nn.modules.batchnorm._BatchNorm)
                if number < self.frozen_stages or (statistics and self.backbone.pretrained):
                    module.eval()


Watch = Callable[[AgeNetwork], object]
"""Shown the network after each epoch."""


def finetune(
    backbone: Backbone,
    lesson: Lesson,
    bins: Bins,
    schedule: Schedule,
    device: torch.device,
    checkpoint: Path | None = None,
    crew: Crew = ALONE,
    watch: Watch | None = None,
) -> Head:
    """Trains `backbone` in place on `lesson`; returns its head, on the CPU.

    Deterministic by the schedule's seed on one device.  Where `checkpoint` holds an unfinished run of the same
    schedule, network and faces, it goes on from there and ends as if it had never stopped; the file is left to the
    caller.  Of other faces nothing is taken up: the network would know individuals that are to judge it.
    """
    run = _Run(backbone, lesson, bins, schedule, device, crew)
    run.resume(checkpoint)
    with tqdm(
        total=run.steps, initial=run.step, desc="training", unit="batch", disable=None if run.crew.leads else True
    ) as bar:
        while run.epoch < schedule.epochs and not run.stale:
            run.one_epoch(bar)
            if checkpoint and run.crew.leads:
                checkpoints.write(checkpoint, run.state())
            if watch:
                watch(run.network)
    return run.result()


class _Run:
    """Where one training stands."""

    def __init__(
        self, backbone: Backbone, lesson: Lesson, bins: Bins, schedule: Schedule, device: torch.device, crew: Crew
    ) -> None:
        torch.manual_seed(schedule.seed)
        self.schedule, self.device, self.crew = schedule, device, crew
        self.loss = losses.find(schedule.loss)
        self.scale = Scale.of(bins, device)
        self.lesson, self.aside = _divided(lesson, schedule)
        self.source, self.folded = backbone, backbone.folded()
        frozen = round(schedule.frozen * len(backbone.stages())) if backbone.pretrained else 0
        network = AgeNetwork(self.folded.form, len(bins.years) - self.loss.outputs_less, frozen)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.crops = _near(torch.from_numpy(self.lesson.crops), device)
        self.ages = torch.from_numpy(self.lesson.ages_years).float().to(device)
        self.weights = sampling.weights(
            self.lesson.ages_years, self.lesson.individuals, schedule.by_age, schedule.by_individual
        )
        self.prior = log_prior(self._labels(bins))
        self.identity = _identity(backbone, lesson, bins, schedule)
        self.steps = schedule.epochs * -(-len(self.crops) // schedule.batch)
        self.step = self.epoch = 0
        self.optimizer = self._optimizer()
        self.joined = crew.joined(self.network, device)
        self.average = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(schedule.averaging), use_buffers=True)  # type: ignore[no-untyped-call]
            if schedule.averaging
            else None
        )
        self.order = torch.Generator().manual_seed(schedule.seed)
        self.chance = torch.Generator().manual_seed(schedule.seed * 1000 + crew.rank)
        self.best_years, self.best_epoch = float("inf"), 0
        self.best: dict[str, Tensor] = {}

    def _labels(self, bins: Bins) -> Tensor:
        """Soft labels N x K of what is trained on, as often as it is shown."""
        labels = torch.from_numpy(bins.labels(self.lesson.ages_years))
        if self.weights is None:
            return labels
        return labels * torch.from_numpy(self.weights * len(labels)).float()[:, None]

    def _optimizer(self) -> torch.optim.Optimizer:
        groups = [
            {"params": [p for p in self.network.backbone.parameters() if p.requires_grad]},
            {"params": list(self.network.head.parameters())},
        ]
        return torch.optim.AdamW(groups, weight_decay=self.schedule.weight_decay, fused=True)

    def _set_rates(self) -> None:
        share = self.schedule.rate(self.step, self.steps)
        head_alone = self.epoch < self.schedule.head_first_epochs
        body, head = self.optimizer.param_groups
        body["lr"] = 0.0 if head_alone else share * self.schedule.backbone_rate
        head["lr"] = share * self.schedule.head_rate

    def one_epoch(self, bar: Any) -> None:
        """All faces once, in a new order, or as many drawn by weight."""
        self.network.learns()
        rows = sampling.order(self.weights, len(self.crops), self.schedule.batch, self.order)
        for batch in rows.split(self.schedule.batch):  # type: ignore[no-untyped-call]
            loss = self._learn(batch)
            self.step += 1
            bar.update()
            if self.step % _SHOWN_EVERY == 0:
                bar.set_postfix(epoch=self.epoch + 1, loss=f"{loss.item():.3f}", refresh=False)
        self.epoch += 1
        self._judge()

    def _learn(self, batch: Tensor) -> Tensor:
        rows, weights = self.crew.share(batch)
        here = rows.to(self.crops.device)
        pictures = self.crops[here].to(self.device, non_blocking=True)
        pictures = augment(pictures, self.chance, PRESETS[self.schedule.augmentation])
        with _precision(self.device):
            outputs = self.joined(pictures)
        each = self.loss.each(outputs.float(), self.ages[rows.to(self.device)], self.scale)
        loss = (each * weights.to(self.device)).sum()
        self._set_rates()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss.detach()

    @property
    def kept(self) -> AgeNetwork:
        """What is to be used: the average of the weights, or the weights."""
        if self.average is None:
            return self.network
        assert isinstance(self.average.module, AgeNetwork)
        return self.average.module

    @property
    def stale(self) -> bool:
        """Nothing was gained for as long as the schedule has patience."""
        patience = self.schedule.patience
        return patience is not None and self.epoch - self.best_epoch >= patience

    def _judge(self) -> None:
        """Keeps the weights with the least error per individual on those kept aside from training."""
        if self.aside is None:
            return
        said = outputs(self.kept, self.aside.crops, self.device)
        mean = self.scale.mean(self.loss.decode(said).to(self.device)).cpu().numpy()
        errors = np.abs(mean - self.aside.ages_years)
        years = float(np.average(errors, weights=animal_weights(self.aside.individuals)))
        if years < self.best_years:
            self.best_years, self.best_epoch = years, self.epoch
            self.best = {key: value.detach().cpu().clone() for key, value in self.kept.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "identity": self.identity, "epoch": self.epoch, "step": self.step,
            "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
            "order": self.order.get_state(), "chance": self.chance.get_state(), "torch": torch.get_rng_state(),
            "best": (self.best_years, self.best_epoch, self.best),
        }  # fmt: skip

    def resume(self, checkpoint: Path | None) -> None:
        """Goes on where the same run was interrupted."""
        state = checkpoints.read(checkpoint) if checkpoint else None
        if state is None or state["identity"] != self.identity:
            return
        self.epoch, self.step = state["epoch"], state["step"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.order.set_state(state["order"])
        self.chance.set_state(state["chance"] if self.crew.leads else self.chance.get_state())
        torch.set_rng_state(state["torch"])
        self.best_years, self.best_epoch, self.best = state["best"]

    def result(self) -> Head:
        """Puts the trained weights into the backbone that was given; its head."""
        kept = self.kept
        if self.best:
            kept.load_state_dict(self.best)
        kept.cpu().eval()
        self.source.take(Folded(kept.backbone, self.folded.pairs))
        return Head(kept.head.weight.detach(), kept.head.bias.detach(), self.prior, self.loss.decode)


def _identity(backbone: Backbone, lesson: Lesson, bins: Bins, schedule: Schedule) -> str:
    """SHA-256 of all that makes a run the same: recipe, network, and whose faces of which ages, in order."""
    parts = [repr(schedule), backbone.name, str(backbone.pretrained), repr((bins.sigma_years, bins.years.tolist()))]
    parts += [repr(lesson.crops.shape), repr(lesson.ages_years.tolist()), repr(lesson.individuals.tolist())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def outputs(network: AgeNetwork, crops: Pixels, device: torch.device, batch: int = 64) -> Tensor:
    """What the head gives for crops uint8 N x 3 x S x S, as they are: float32 N x W, on the CPU."""
    network.eval()
    with torch.inference_mode(), _precision(device):
        parts = [
            network(torch.from_numpy(np.ascontiguousarray(crops[i : i + batch])).to(device)).float().cpu()
            for i in range(0, len(crops), batch)
        ]
    return torch.cat(parts)


def _divided(lesson: Lesson, schedule: Schedule) -> tuple[Lesson, Lesson | None]:
    """What to train on and, with early stopping, animals that training never sees."""
    if schedule.patience is None:
        return lesson, None
    split = folds.subject_exclusive(lesson.individuals, lesson.ages_years, _KEPT_ASIDE, schedule.seed)[0]
    return lesson.take(split.train), lesson.take(split.test)


def _near(crops: Tensor, device: torch.device) -> Tensor:
    """The crops on the device, where there is room, so that training waits for nothing."""
    if device.type != "cuda":
        return crops
    free, _ = torch.cuda.mem_get_info(device)
    return crops.to(device) if crops.numel() < _ON_DEVICE * free else crops.pin_memory()


def _precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where the device has it in hardware that gains by it: GPUs.  On two cores with AMX it was slower."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
