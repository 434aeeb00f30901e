from __future__ import annotations

import pytest
import torch

from tests.training.lively import SIZE_PX, difference, features, pictures
from training import networks
from training.networks import STUDY_NETWORKS, NetworkError

LITE0 = "tf_efficientnet_lite0"
SMALL = "mobilenetv3_small_050"
WIDTHS = {
    "vgg11_bn": 512 * 7 * 7, "vgg16_bn": 512 * 7 * 7, "resnet18": 512, "resnet50": 2048, "googlenet": 1024,
    "mnasnet1_0": 1280, "repvgg_a0": 1280, LITE0: 1280, SMALL: 1024,
}  # fmt: skip
PUBLISHED = {
    "vgg11_bn": (9.2, 7.609 - 0.124), "vgg16_bn": (14.7, 15.470 - 0.124), "resnet18": (11.2, 1.814),
    "resnet50": (23.5, 4.089), "googlenet": (5.6, 1.498), "mnasnet1_0": (3.1, 0.314), "repvgg_a0": (7.0, 1.36),
    LITE0: (3.4, 0.385),
}  # fmt: skip
"""Millions of parameters without the classifier and 10^9 multiply-adds, as torchvision and the papers have them; the
three fully connected layers of VGG are taken off."""


@pytest.mark.parametrize("name", WIDTHS)
def test_a_network_turns_pictures_into_features(name: str) -> None:
    backbone = networks.build(name, networks.SCRATCH, input_px=SIZE_PX).eval()
    assert features(backbone, pictures(2)).shape == (2, WIDTHS[name])
    assert backbone.width() == WIDTHS[name]


def test_all_networks_of_the_study_are_known_to_the_tests() -> None:
    assert set(STUDY_NETWORKS) == set(PUBLISHED) <= set(WIDTHS)


@pytest.mark.parametrize("name", STUDY_NETWORKS)
def test_its_size_is_as_published(name: str) -> None:
    counted = networks.size(networks.build(name, networks.SCRATCH))
    millions, billions = PUBLISHED[name]
    assert counted.parameters / 1e6 == pytest.approx(millions, abs=0.05)
    assert counted.macs / 1e9 == pytest.approx(billions, rel=0.01)


def test_counting_leaves_the_network_as_it_was() -> None:
    backbone = networks.build(LITE0, networks.SCRATCH, input_px=SIZE_PX)
    networks.size(backbone)
    assert features(backbone, pictures(1)).shape == (1, 1280)
    assert backbone.training and all(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize("name", ["googlenet", "mnasnet1_0"])
def test_features_have_no_dropout(name: str) -> None:
    """Their own classifiers drop a fifth; what networks of one study differ in shall be the networks."""
    backbone = networks.build(name, networks.SCRATCH)
    assert not any(isinstance(module, torch.nn.Dropout) for module in backbone.modules())


@pytest.mark.parametrize(("name", "ends"), [(LITE0, (-1, 1)), ("googlenet", (-1, 1)), ("resnet18", (-2.118, 2.249))])
def test_pictures_are_normalised_as_the_network_was_trained(name: str, ends: tuple[float, float]) -> None:
    backbone = networks.build(name, networks.SCRATCH)
    seen = backbone.normalised(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    assert seen[:, 0, 0, 0].tolist() == pytest.approx(ends, abs=1e-3)


def test_networks_of_both_libraries_can_be_told_apart() -> None:
    theirs = {library: networks.build(f"{library}:resnet18", networks.SCRATCH) for library in ("timm", "torchvision")}
    assert [type(b.network).__module__.partition(".")[0] for b in theirs.values()] == ["timm", "torchvision"]
    assert theirs["timm"].name == "timm:resnet18"


def test_a_network_that_only_torchvision_has_needs_no_prefix() -> None:
    assert networks.build("shufflenet_v2_x0_5", networks.SCRATCH, input_px=SIZE_PX).width() == 1024


@pytest.mark.parametrize("name", ["squeezenet1_1", "torchvision:convnext_tiny", "torchvision:densenet121", "swin_t"])
def test_networks_of_other_builds_lose_their_classifier_too(name: str) -> None:
    backbone = networks.build(name, networks.SCRATCH, input_px=SIZE_PX).eval()
    assert features(backbone, pictures(2)).ndim == 2
    assert not any(isinstance(m, torch.nn.Linear) and m.out_features == 1000 for m in backbone.modules())


def test_an_unknown_network_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(NetworkError, match=r"perhaps .*tf_efficientnet_lite0"):
        networks.build("tf_eficientnet_lite0")
    with pytest.raises(NetworkError, match=r"perhaps .*mnasnet1_0"):
        networks.build("mnasnet10")


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(NetworkError, match="come from timm and torchvision, not from keras"):
        networks.build("keras:resnet50")


def test_a_network_made_for_one_size_refuses_another() -> None:
    backbone = networks.build("vit_tiny_patch16_224", networks.SCRATCH, input_px=100)
    with pytest.raises(NetworkError, match="does not take pictures of 100 pixels"):
        backbone.width()


@pytest.mark.parametrize("name", ["resnet18", LITE0])
def test_training_from_scratch_changes_every_parameter(name: str) -> None:
    """A loss on its features reaches everything that it has."""
    backbone = networks.build(name, networks.SCRATCH, input_px=SIZE_PX).train()
    assert not backbone.pretrained
    backbone(backbone.normalised(pictures(4))).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in backbone.parameters())


def test_the_same_network_gives_the_same_features_twice() -> None:
    backbone = networks.build("googlenet", networks.SCRATCH, input_px=SIZE_PX).eval()
    assert difference(features(backbone, pictures(2)), features(backbone, pictures(2))) == 0
