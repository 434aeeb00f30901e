"""A bundle's program run by torch: as it was exported, and in forms that compute nearly the same faster."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.fx import GraphModule

from station.bundles import BundleError
from station.domain import Floats, Pixels
from station.golden import Form, NoMemory


class OnTorch:
    """A program on a torch device; with `low`, convolutions and products are computed in that type.

    A batch travels as uint8 and is normalised on the device.
    """

    def __init__(
        self, module: Callable[..., tuple[torch.Tensor, ...] | torch.Tensor], device: torch.device,
        low: torch.dtype | None = None, channels_last: bool = False,
    ) -> None:  # fmt: skip
        self._module, self._device, self._low = module, device, low
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._alone = threading.Lock()
        """Torch gives one batch all cores: two would be in each other's way."""

    def __call__(self, pictures: Pixels, /) -> tuple[Floats, ...]:
        """As `Form` says."""
        try:
            low = torch.autocast(self._device.type, self._low, enabled=self._low is not None)
            with self._alone, torch.inference_mode(), low:
                given = self._module(self._on_device(pictures))
                outputs = (given,) if isinstance(given, torch.Tensor) else given
                return tuple(output.float().cpu().numpy() for output in outputs)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise NoMemory(str(error)) from error

    def _on_device(self, pictures: Pixels) -> torch.Tensor:
        as_they_lie = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))  # crops: no copy
        batch = torch.from_numpy(as_they_lie).permute(0, 3, 1, 2)
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        return batch.contiguous(memory_format=self._layout)


class Program:
    """A bundle's exported program on a device, and the forms that it can be given there."""

    def __init__(self, file: Path, device: str) -> None:
        """Loads it.  Raises `BundleError`, or `NoMemory` where the device has none left for it."""
        self.device = torch.device(_device(device))
        try:
            self.exported = torch.export.load(file)
            module = self.exported.module()
        except Exception as error:  # whatever the unpickling of a damaged file raises
            raise BundleError(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
        try:
            self._module = module.to(self.device)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise NoMemory(str(error)) from error

    def as_exported(self) -> Form:
        """The program as it is."""
        return OnTorch(self._module, self.device)

    def forms(self) -> dict[str, Callable[[], Form]]:
        """What else torch can make of it here, the quickest to make first."""
        bf16, fp16 = torch.bfloat16, torch.float16
        common: dict[str, Callable[[], Form]] = {
            "channels-last": lambda: OnTorch(self._channels_last(), self.device, None, True),
            "channels-last bf16": lambda: OnTorch(self._channels_last(), self.device, bf16, True),
        }
        if self.device.type != "cuda":
            return common
        return common | {
            "channels-last fp16": lambda: OnTorch(self._channels_last(), self.device, fp16, True),
            "compiled bf16": lambda: OnTorch(compiled(self._channels_last()), self.device, bf16, True),
        }

    def _channels_last(self) -> GraphModule:
        module = copy.deepcopy(self._module)
        for node in list(module.graph.nodes):  # they would hold every product to the type it was exported with
            if node.target is torch.ops.aten._assert_tensor_metadata.default:
                module.graph.erase_node(node)
        module.recompile()
        return module.to(memory_format=torch.channels_last)

    def memory_bytes(self) -> dict[str, int]:
        """Of the device: `allocated` and `reserved` by this program, `free` and `total`; nothing on a CPU."""
        if self.device.type != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info(self.device)
        allocated, reserved = torch.cuda.memory_allocated(self.device), torch.cuda.memory_reserved(self.device)
        return {"allocated": allocated, "reserved": reserved, "free": free, "total": total}


def versions(device: torch.device) -> tuple[str, ...]:
    """What the speed of a form depends on: torch, the device, its driver."""
    if device.type != "cuda":
        return (f"torch {torch.__version__}", f"{device.type}, {torch.get_num_threads()} threads")
    return (f"torch {torch.__version__}", f"CUDA {torch.version.cuda}", torch.cuda.get_device_name(device))


def compiled(module: GraphModule) -> Callable[..., tuple[torch.Tensor, ...] | torch.Tensor]:
    """Compiled when it is first called, which takes a minute or so; any batch size."""
    return torch.compile(module, dynamic=True)


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise BundleError(
            f"device = {wanted!r}, but torch sees no GPU: use device = 'auto' or 'cpu', or mend the driver"
        )
    return wanted
