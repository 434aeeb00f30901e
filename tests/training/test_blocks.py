from __future__ import annotations

import pytest
import torch

from training import networks
from training.networks import STUDY_NETWORKS, Backbone, NetworkError

COUNTS = {
    "vgg11_bn": 5, "vgg16_bn": 5, "resnet18": 5, "resnet50": 5, "googlenet": 5, "mnasnet1_0": 8, "repvgg_a0": 5,
    "tf_efficientnet_lite0": 9,
}  # fmt: skip
OTHERS = {"vit_tiny_patch16_224": 14, "convnext_atto": 6, "torchvision:densenet121": 9, "shufflenet_v2_x0_5": 5}


def built(name: str) -> Backbone:
    return networks.build(name, networks.SCRATCH)


def learning(backbone: Backbone) -> set[str]:
    return {name for name, parameter in backbone.network.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", [*STUDY_NETWORKS, *OTHERS])
def test_every_parameter_is_in_one_stage(name: str) -> None:
    backbone = built(name)
    held = [id(p) for stage in backbone.stages() for module in stage for p in module.parameters()]
    loose = [id(p) for p in backbone.network.parameters(recurse=False)]
    assert sorted(held + loose) == sorted(id(p) for p in backbone.parameters())
    assert len(backbone.stages()) == {**COUNTS, **OTHERS}[name]


@pytest.mark.parametrize("name", STUDY_NETWORKS)
def test_stages_come_in_the_order_in_which_pictures_pass(name: str) -> None:
    backbone = built(name).eval()
    passed: list[int] = []
    for number, stage in enumerate(backbone.stages()):
        for module in stage:
            module.register_forward_pre_hook(lambda *_, number=number: passed.append(number))
    with torch.inference_mode():
        backbone(torch.zeros(1, 3, 64, 64))
    assert passed == sorted(passed)
    assert set(passed) == set(range(len(backbone.stages())))


def test_the_stem_and_the_first_blocks_are_frozen() -> None:
    backbone = built("tf_efficientnet_lite0")
    backbone.freeze_first(3)
    begins = ("conv_stem.", "bn1.", "blocks.0.", "blocks.1.")
    assert learning(backbone) == {
        name for name, _ in backbone.network.named_parameters() if not name.startswith(begins)
    }


def test_all_learn_again_when_none_is_frozen() -> None:
    backbone = built("resnet18")
    backbone.freeze_first(5)
    assert not learning(backbone)
    backbone.freeze_first(0)
    assert len(learning(backbone)) == len(list(backbone.network.parameters()))


def test_what_belongs_to_no_module_is_frozen_with_the_stem() -> None:
    backbone = built("vit_tiny_patch16_224")
    backbone.freeze_first(1)
    assert not {"cls_token", "pos_embed", "patch_embed.proj.weight"} & learning(backbone)
    assert "blocks.0.attn.qkv.weight" in learning(backbone)


@pytest.mark.parametrize("count", [-1, 6])
def test_stages_that_are_not_there_cannot_be_frozen(count: int) -> None:
    with pytest.raises(NetworkError, match="resnet18 has 5 stages"):
        built("resnet18").freeze_first(count)
