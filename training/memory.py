"""How much memory a device was asked for at most, and whether it had none left."""

from __future__ import annotations

from pathlib import Path

import torch

_FORGET_PEAK = "5"
"""proc(5), clear_refs: the peak of the resident memory becomes what it is now."""


def forget_peak(device: torch.device) -> None:
    """What was used before no longer counts, where the system can forget it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)
    except OSError:
        return


def peak_mb(device: torch.device) -> float | None:
    """The most that torch had allocated on a card, or that this process had in memory; None: nobody can tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024 / 1e6


def is_short(error: BaseException) -> bool:
    """Whether it says that there is no memory; the processor's allocator has no error of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def give_back() -> None:
    """What torch holds on a card without using it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
