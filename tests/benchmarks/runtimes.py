"""A bundle's model as the station runs it, against the runtimes as their own documentation says to use them.

python -m tests.benchmarks.runtimes BUNDLE [BUNDLE ...] [--json FILE]

Model only, batch 32.  PyTorch gets the network as its library gives it, eager and compiled; ONNX Runtime and OpenVINO
get the bundle's exported program.  Wants `pip install onnxruntime onnxscript`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

from station.ages import Ages
from station.bundles import PROGRAM
from station.domain import Pixels
from station.on_openvino import OpenVino
from tests.benchmarks.figures import in_turns, told
from tests.benchmarks.limit import CACHE
from training.networks import build

BATCH, TIMES = 32, 4


def rates(bundle: Path, rounds: int) -> dict[str, float | str]:
    """Images a second of each, in turns."""
    ages = Ages(bundle, "cpu", limit=BATCH)
    form = ages.prepare(CACHE).form
    crops = ages.golden.batch(BATCH)
    runs: dict[str, Callable[[], object]] = {"station": lambda: ages.run(crops)}
    network = build(ages.card.architecture, "none").network.eval()
    normalised = torch.from_numpy(crops).float() / 127.5 - 1
    runs["PyTorch eager float32"] = partial(network, normalised)
    runs["torch.compile float32"] = partial(torch.compile(network), normalised)
    low = torch.compile(build(ages.card.architecture, "none").network.eval().to(memory_format=torch.channels_last))
    last = normalised.contiguous(memory_format=torch.channels_last)

    def in_bfloat16() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            low(last)

    runs["torch.compile bfloat16"] = in_bfloat16
    queues: dict[str, Callable[[], int]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        program = torch.export.load(bundle / PROGRAM)
        torch.onnx.export(program, (torch.from_numpy(crops),), Path(scratch) / "m.onnx", dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(Path(scratch) / "m.onnx")
        runs["ONNX Runtime float32"] = lambda: session.run(None, {session.get_inputs()[0].name: crops})
        converted = OpenVino(program, ages.card.input_px, Path(scratch))
        for precision in ("f32", "bf16"):
            converted.maker(precision)()
            model = openvino.Core().compile_model(
                Path(scratch) / "openvino" / "program.xml", "CPU",
                {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"},
            )  # fmt: skip
            runs[f"OpenVINO {precision}"] = partial(model, [np.ascontiguousarray(crops)])
            queue = openvino.AsyncInferQueue(
                openvino.Core().compile_model(
                    Path(scratch) / "openvino" / "program.xml", "CPU",
                    {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"},
                )
            )  # fmt: skip
            queues[f"OpenVINO {precision}, a queue"] = partial(_queued, queue, np.ascontiguousarray(crops))
        with torch.inference_mode():
            found = in_turns({name: partial(_some, run) for name, run in runs.items()} | queues, rounds)
    best = max((name for name in found if name != "station"), key=lambda name: found[name])
    name = ages.card.architecture
    figures: dict[str, float | str] = {f"{name}: {which}, images/s": rate for which, rate in found.items()}
    return figures | {
        f"{name}: the station's form": form,
        f"{name}: the best of the others": best,
        f"{name}: station / best": found["station"] / found[best],
        f"{name}: station / eager float32": found["station"] / found["PyTorch eager float32"],
    }


def _queued(queue: openvino.AsyncInferQueue, crops: Pixels) -> int:
    for _ in range(TIMES):
        queue.start_async([crops])
    queue.wait_all()
    return BATCH * TIMES


def _some(run: Callable[[], object]) -> int:
    for _ in range(TIMES):
        run()
    return BATCH * TIMES


def main() -> None:
    """All bundles."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: dict[str, float | str] = {}
    for bundle in args.bundles:
        figures |= rates(bundle, args.rounds)
    told("against the runtimes, batch 32", figures, args.json)


if __name__ == "__main__":
    main()
