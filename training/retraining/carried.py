"""A new age model goes on telling individuals apart as the one before it did.

The identity part rests on the features of the network, not on its ages.  Where only the head was fitted anew on the
same network, its layers see what they saw, and the old embedding fits as it is: vectors stay comparable, and nobody
has to be met again.  Whether that is so is measured on the golden inputs of the bundle before it, not believed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from station.bundles import CARD, FOR_PEOPLE, GOLDEN, PROGRAM, Card
from station.golden import LEAST_SIMILARITY
from training import export
from training.embedding import FaceProgram, Whitening
from training.taps import tapped

_WEIGHT, _BIAS = "embed.weight", "embed.bias"


def carried(folder: Path, card: Card, before: Path, of: Card) -> tuple[Card, str]:
    """Gives the bundle in `folder` the identity part of the bundle `before`; its card, and why it cannot be.

    Where the reason is not empty the bundle is left as it was.
    """
    if of.identity is None:
        return card, ""
    kept = torch.export.load(before / PROGRAM).state_dict
    if _WEIGHT not in kept or _BIAS not in kept:
        return card, "the identity part of the model in service has no weights of its own: `training identity` fits one"
    program = tapped(folder)
    whitening = Whitening(*(kept[name].detach().double().numpy() for name in (_WEIGHT, _BIAS)))
    if program_width(folder, program) != whitening.weight.shape[1]:
        return card, _OTHER
    whole = FaceProgram(program.cpu(), whitening)
    with np.load(before / GOLDEN) as golden, torch.inference_mode():
        seen = whole(torch.from_numpy(golden["inputs"]))[1].numpy()
        alike = float((seen * golden["embedding"]).sum(axis=1).min())
    if not alike >= LEAST_SIMILARITY:
        return card, _OTHER
    with np.load(folder / GOLDEN) as golden:
        inputs = golden["inputs"]
    export.write_golden(whole, inputs, folder / GOLDEN)
    export.save_program(whole, folder / PROGRAM, card.input_px, program.most)
    export.check(folder)
    digest = hashlib.sha256((folder / PROGRAM).read_bytes()).hexdigest()
    made = replace(card, version=f"{card.version}-i{digest[:8]}", identity=of.identity)
    (folder / CARD).write_text(made.to_json(), encoding="utf-8")
    with (folder / FOR_PEOPLE).open("a", encoding="utf-8") as told:
        told.write(_FOR_PEOPLE.format(version=of.version, identity=of.identity.version))
    return made, ""


_OTHER = (
    "its network sees faces otherwise than the one in service, whose embedding does not fit it: "
    "`training identity` makes a bundle of it that tells individuals apart"
)


_FOR_PEOPLE = """
## Telling individuals apart

The embedding {identity} is that of {version}, taken over as it is: the network sees faces as it did.  Its figures stand
in the model card of that bundle.
"""


def program_width(folder: Path, program: torch.nn.Module) -> int:
    """How many features the layers in view give."""
    with np.load(folder / GOLDEN) as golden, torch.inference_mode():
        _, features = program(torch.from_numpy(golden["inputs"][:1]))
    return int(features.shape[1])
