"""The form for inference says what the form for training says.

Folding changes the order of sums: 1e-5 of the largest feature is allowed, some thirty times what was seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.lively import SIZE_PX, difference, features, lively, pictures
from training import networks
from training.export import save_program
from training.networks import STUDY_NETWORKS, Backbone

TOLERANCE = 1e-5


class Features(nn.Module):
    """uint8 B x 3 x S x S -> features B x E."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, seen: Tensor) -> Tensor:
        found: Tensor = self.backbone(self.backbone.normalised(seen))
        return found


def count(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


@pytest.mark.parametrize("name", STUDY_NETWORKS)
def test_both_forms_agree_and_the_exported_one_does_for_any_batch(name: str, tmp_path: Path) -> None:
    backbone = lively(name)
    form = backbone.served()
    assert difference(features(backbone, pictures(2)), features(form, pictures(2))) < TOLERANCE
    save_program(Features(form), tmp_path / "program.pt2", SIZE_PX)
    exported = torch.export.load(tmp_path / "program.pt2").module()
    for batch in (1, 3):
        with torch.inference_mode():
            assert difference(features(backbone, pictures(batch)), exported(pictures(batch))) < TOLERANCE


@pytest.mark.parametrize("name", STUDY_NETWORKS)
def test_no_batch_normalisation_is_left_to_compute(name: str) -> None:
    assert count(lively(name).served(), nn.modules.batchnorm._BatchNorm) == 0


@pytest.mark.parametrize("name", STUDY_NETWORKS)
def test_the_form_for_training_with_frozen_statistics_agrees_and_gives_its_weights_back(name: str) -> None:
    backbone, other = lively(name), networks.build(name, networks.SCRATCH, input_px=SIZE_PX).eval()
    backbone.pretrained = True
    trained = backbone.folded()
    assert count(trained.form, nn.modules.batchnorm._BatchNorm) <= count(backbone, nn.modules.batchnorm._BatchNorm) / 2
    assert difference(features(backbone, pictures(2)), features(trained.form.eval(), pictures(2))) < TOLERANCE
    assert all(p.requires_grad for p in trained.form.parameters())
    other.take(trained)
    assert difference(features(backbone, pictures(2)), features(other, pictures(2))) < TOLERANCE


def test_repvgg_is_one_convolution_a_block() -> None:
    backbone = lively("repvgg_a0")
    assert count(backbone, nn.Conv2d) == 2 * 22
    assert count(backbone.served(), nn.Conv2d) == 22


def test_the_form_for_training_stays_as_it_is() -> None:
    backbone = lively("repvgg_a0").train()
    before = {key: tensor.clone() for key, tensor in backbone.network.state_dict().items()}
    backbone.served()
    after = backbone.network.state_dict()
    assert backbone.training and all(p.requires_grad for p in backbone.parameters())
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def test_the_form_for_inference_is_not_for_training() -> None:
    form = lively("resnet18").served()
    assert not form.training and not any(p.requires_grad for p in form.parameters())


@pytest.mark.parametrize("name", ["torchvision:densenet121", "mobileone_s0", "ghostnet_050", "resnetv2_50"])
def test_what_cannot_be_folded_is_left(name: str) -> None:
    """Normalisation before a convolution, other branches, other norms: networks beyond the study's."""
    backbone = lively(name)
    assert difference(features(backbone, pictures(2)), features(backbone.served(), pictures(2))) < TOLERANCE


def test_a_convolution_that_others_read_too_is_not_folded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, seen: Tensor) -> Tensor:
            found = self.convolution(seen)
            both: Tensor = (found + self.norm(found)).mean(dim=(2, 3))
            return both

    form = Backbone("twice", Twice(), (0.5,) * 3, (0.5,) * 3, SIZE_PX).served()
    assert count(form, nn.BatchNorm2d) == 1
