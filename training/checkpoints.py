"""Where training stands, on disk: written whole or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from station.domain import StationError
from training.files import replacing


class CheckpointError(StationError):
    """A checkpoint cannot be used."""


def write(file: Path, state: dict[str, Any]) -> None:
    """Whole or not at all."""
    with replacing(file) as handle:
        torch.save(state, handle)


def read(file: Path) -> dict[str, Any] | None:
    """What was written last; None where nothing was.  Raises `CheckpointError`."""
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"the checkpoint {file} cannot be read ({error}): delete it to begin again") from error
    return state
