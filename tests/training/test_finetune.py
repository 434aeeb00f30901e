from __future__ import annotations

import numpy as np
import torch

from training import networks
from training.augment import augment
from training.finetune import Schedule, finetune, soft_cross_entropy
from training.networks import Backbone

CPU = torch.device("cpu")


def trained(backbone: Backbone, seed: int = 0) -> torch.nn.Linear:
    chance = np.random.default_rng(0)
    crops = chance.integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
    return finetune(backbone, crops, np.eye(5, dtype=np.float32), Schedule(epochs=1, batch=2, seed=seed), CPU)


def test_training_changes_the_backbone_and_leaves_pretrained_statistics_as_they_are() -> None:
    backbone = networks.build("tf_efficientnet_lite0", input_px=64)
    before = {key: value.clone() for key, value in backbone.network.state_dict().items()}
    trained(backbone)
    after = backbone.network.state_dict()
    assert not torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    assert all(torch.equal(before[key], after[key]) for key in before if "running" in key)


def test_from_random_weights_the_statistics_are_learnt() -> None:
    backbone = networks.build("tf_efficientnet_lite0", networks.SCRATCH, input_px=64)
    trained(backbone)
    assert backbone.network.state_dict()["bn1.running_mean"].abs().max() > 0


def test_the_same_seed_trains_the_same_head() -> None:
    one, other = (trained(networks.build("tf_efficientnet_lite0")).weight for _ in range(2))
    assert torch.allclose(one, other, atol=1e-5)


def test_the_loss_is_least_where_the_model_says_what_the_label_says() -> None:
    labels = torch.tensor([[0.2, 0.8]])
    right, wrong = soft_cross_entropy(labels.log(), labels), soft_cross_entropy(labels.flip(1).log(), labels)
    assert right < wrong
    assert torch.isclose(right, -(labels * labels.log()).sum())


def test_augmented_pictures_differ_stay_in_range_and_follow_the_seed() -> None:
    pictures = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    one, same, other = (augment(pictures, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.min() >= 0 and one.max() <= 255


def test_what_comes_in_from_outside_is_grey_like_the_rest() -> None:
    grey = torch.full((16, 3, 32, 32), 127, dtype=torch.uint8)
    spread = augment(grey, torch.Generator().manual_seed(0)).flatten(1).std(dim=1)
    assert spread.max() < 1e-3
