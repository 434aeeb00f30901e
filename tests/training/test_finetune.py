from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from station.domain import Pixels
from tests.training.drawn import face
from training import checkpoints, features, networks
from training.finetune import AgeNetwork, Lesson, finetune
from training.head import Head
from training.labels import Bins
from training.networks import Backbone
from training.schedule import Schedule

CPU = torch.device("cpu")
SHORT = Schedule(epochs=2, frozen=0.0, batch=4, averaging=0.9, augmentation="camera_trap", by_individual=0.5)


def lesson(count: int = 10) -> Lesson:
    chance = np.random.default_rng(0)
    ages = np.linspace(1, 20, count)
    crops: Pixels = np.stack([face(age, chance).transpose(2, 0, 1) for age in ages])
    return Lesson(crops, ages, np.array([f"animal-{k % 5}" for k in range(count)]))


BINS = Bins.for_ages(lesson().ages_years)


def small(weights: str = networks.PRETRAINED) -> Backbone:
    return networks.build("tf_efficientnet_lite0", weights, input_px=64)


def weights_of(backbone: Backbone) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in backbone.network.state_dict().items()}


def says(backbone: Backbone, head: Head) -> Tensor:
    faces = lesson()
    seen = features.extract(backbone.served(), faces.crops, CPU)
    return torch.from_numpy(head.says(seen, faces.ages_years, faces.individuals).logits)


def test_training_changes_the_backbone() -> None:
    backbone = small()
    before = weights_of(backbone)
    finetune(backbone, lesson(), BINS, SHORT, CPU)
    assert not torch.equal(before["conv_stem.weight"], backbone.network.state_dict()["conv_stem.weight"])


def test_from_random_weights_the_statistics_are_learnt() -> None:
    backbone = small(networks.SCRATCH)
    finetune(backbone, lesson(), BINS, SHORT, CPU)
    assert backbone.network.state_dict()["bn1.running_mean"].abs().max() > 0


def test_what_was_trained_is_what_the_backbone_then_does() -> None:
    backbone = small()
    kept: list[AgeNetwork] = []
    head = finetune(backbone, lesson(), BINS, replace(SHORT, averaging=0.0), CPU, watch=kept.append)
    with torch.inference_mode():
        trained = kept[-1].eval()(torch.from_numpy(lesson().crops))
    assert torch.allclose(says(backbone, head).float(), trained, atol=1e-3)


def test_frozen_stages_stay_as_they_are() -> None:
    backbone = small()
    pictures = torch.rand(2, 3, 64, 64)
    before = backbone.eval().network.conv_stem(pictures)  # type: ignore[operator]
    first = backbone.network.blocks[0]  # type: ignore[index]
    seen = first(backbone.network.bn1(before))  # type: ignore[operator]
    finetune(backbone, lesson(), BINS, replace(SHORT, frozen=0.25), CPU)
    after = first(backbone.network.bn1(backbone.network.conv_stem(pictures)))  # type: ignore[operator]
    assert torch.allclose(seen, after, atol=1e-3)


def test_the_head_alone_learns_first() -> None:
    backbone = small()
    before = weights_of(backbone)
    states: list[Tensor] = []

    def watch(network: AgeNetwork) -> None:
        states.append(next(iter(network.backbone.network.parameters())).detach().clone())

    finetune(backbone, lesson(), BINS, replace(SHORT, head_first_epochs=1, averaging=0.0), CPU, watch=watch)
    assert not torch.equal(states[0], states[1])
    assert before


def test_the_same_seed_trains_the_same_network_and_another_seed_another() -> None:
    answers = []
    for seed in (0, 0, 1):
        backbone = small()
        answers.append(says(backbone, finetune(backbone, lesson(), BINS, replace(SHORT, seed=seed), CPU)))
    assert torch.allclose(answers[0], answers[1], atol=1e-5)
    assert not torch.allclose(answers[0], answers[2], atol=1e-2)


class Cut(Exception):
    pass


@pytest.mark.parametrize("patience", [None, 5])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path, patience: int | None) -> None:
    schedule = replace(SHORT, epochs=3, patience=patience)
    whole = small()
    expected = says(whole, finetune(whole, lesson(), BINS, schedule, CPU))

    def cut(_: AgeNetwork) -> None:
        raise Cut

    with pytest.raises(Cut):
        finetune(small(), lesson(), BINS, schedule, CPU, tmp_path / "run.pt", watch=cut)
    state = checkpoints.read(tmp_path / "run.pt")
    assert state is not None and state["epoch"] == 1
    resumed = small()
    got = says(resumed, finetune(resumed, lesson(), BINS, schedule, CPU, tmp_path / "run.pt"))
    assert torch.allclose(got, expected, atol=1e-5)


def test_a_checkpoint_of_another_schedule_is_not_taken_up(tmp_path: Path) -> None:
    finetune(small(), lesson(), BINS, SHORT, CPU, tmp_path / "run.pt")
    epochs: list[int] = []
    other = replace(SHORT, seed=3)
    finetune(small(), lesson(), BINS, other, CPU, tmp_path / "run.pt", watch=lambda _: epochs.append(1))
    assert len(epochs) == other.epochs


def test_a_checkpoint_of_other_individuals_is_not_taken_up(tmp_path: Path) -> None:
    """It knows animals that may have to judge this run."""
    finetune(small(), lesson(), BINS, SHORT, CPU, tmp_path / "run.pt")
    others = replace(lesson(), individuals=np.array([f"stranger-{k % 5}" for k in range(10)]))
    epochs: list[int] = []
    finetune(small(), others, BINS, SHORT, CPU, tmp_path / "run.pt", watch=lambda _: epochs.append(1))
    assert len(epochs) == SHORT.epochs


def test_training_stops_when_nothing_is_gained() -> None:
    epochs: list[int] = []
    still = replace(SHORT, epochs=9, patience=1, backbone_rate=1e-12, head_rate=1e-12, averaging=0.0)
    finetune(small(), lesson(), BINS, still, CPU, watch=lambda _: epochs.append(1))
    assert len(epochs) < still.epochs


@pytest.mark.parametrize("loss", ["cross-entropy", "corn"])
def test_ages_that_can_be_seen_are_learnt_from_pictures(loss: str) -> None:
    backbone = small()
    schedule = Schedule(loss=loss, epochs=12, batch=5, augmentation="none", frozen=0.0)
    head = finetune(backbone, lesson(20), BINS, schedule, CPU)
    faces = lesson(20)
    seen = features.extract(backbone.served(), faces.crops, CPU)
    logits = head.says(seen, faces.ages_years, faces.individuals).logits
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    estimates = (p / p.sum(axis=1, keepdims=True)) @ BINS.years
    guessing = np.abs(faces.ages_years - np.median(faces.ages_years)).mean()
    assert np.abs(estimates - faces.ages_years).mean() < 0.5 * guessing
