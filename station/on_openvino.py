"""A bundle's program run by OpenVINO, where that is installed: the fastest way on a processor.

The program is converted once and kept beside the choice of it.  OpenVINO's own `convert_model` is gone around: it
reports each use over the internet.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from station.domain import Floats, Pixels
from station.golden import Form

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_FILE = "program.xml"
_AT_ONCE = 2


def installed() -> str | None:
    """Which version is there; None: none is."""
    try:
        return f"openvino {version('openvino')}"
    except PackageNotFoundError:
        return None


class OpenVino:
    """A program in OpenVINO's own form, converted when it is first wanted and kept in `folder`; None: in none."""

    def __init__(self, program: ExportedProgram, input_px: int, folder: Path | None) -> None:
        self._program, self._input_px, self._folder = program, input_px, folder

    def maker(self, precision: str) -> Callable[[], Form]:
        """Makes the form that computes in `precision`, f32 or bf16.

        It raises what OpenVINO raises, RuntimeError mostly, and OSError.
        """
        return lambda: self._form(precision)

    def _form(self, precision: str) -> Form:
        if self._folder is not None:
            kept = self._folder / "openvino" / _FILE
            if not kept.exists():
                self._keep(kept.parent)
            return _Streams(kept, precision)
        with tempfile.TemporaryDirectory() as scratch:
            return _Streams(self._converted(Path(scratch)), precision)

    def _keep(self, folder: Path) -> None:
        """Converts into a folder that is there when it is complete."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            whole = Path(scratch) / folder.name
            whole.mkdir()
            self._converted(whole)
            if not folder.exists():
                whole.rename(folder)

    def _converted(self, folder: Path) -> Path:
        import openvino  # noqa: PLC0415
        from openvino.frontend import FrontEndManager  # noqa: PLC0415
        from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder  # noqa: PLC0415

        root = logging.getLogger()
        root.addFilter(_matters)
        try:
            decoder = TorchFXPythonDecoder.from_exported_program(self._program)
        finally:
            root.removeFilter(_matters)
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
        model.reshape([-1, 3, self._input_px, self._input_px])
        openvino.save_model(model, folder / _FILE, compress_to_fp16=False)
        return folder / _FILE


class _Streams:
    """A batch in parts, run side by side, each on a core of its own.

    Threads that share one picture wait for each other at every layer, and for long where a decoder holds one of their
    cores.  Twice as many parts as cores, so that a core that is held up leaves work to the others; and two batches at
    a time, so that a core that is done begins with the next one.
    """

    def __init__(self, file: Path, precision: str) -> None:
        import openvino  # noqa: PLC0415
        from openvino.preprocess import PrePostProcessor  # noqa: PLC0415

        core = openvino.Core()
        taking = PrePostProcessor(core.read_model(file))  # pictures as they lie in memory: a colour beside the other
        taking.input().tensor().set_layout(openvino.Layout("NHWC"))
        taking.input().model().set_layout(openvino.Layout("NCHW"))
        how = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        program: Any = core.compile_model(taking.build(), "CPU", how)
        count = 2 * int(program.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._outputs = range(len(program.outputs))
        self._free: SimpleQueue[list[Any]] = SimpleQueue()
        for _ in range(_AT_ONCE):
            self._free.put([program.create_infer_request() for _ in range(count)])

    def __call__(self, pictures: Pixels, /) -> tuple[Floats, ...]:
        """As `Form` says."""
        requests = self._free.get()
        try:
            return self._read(pictures, requests)
        finally:
            self._free.put(requests)

    def _read(self, pictures: Pixels, requests: list[Any]) -> tuple[Floats, ...]:
        # stays until all is read: the requests share its memory
        whole = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
        parts = np.array_split(whole, min(len(whole), len(requests)))
        busy = requests[: len(parts)]
        for request, part in zip(busy, parts, strict=True):
            request.start_async([part], share_inputs=True)
        for request in busy:
            request.wait()
        return tuple(
            np.concatenate([np.asarray(request.get_output_tensor(i).data, np.float32) for request in busy])
            for i in self._outputs
        )


def _matters(record: logging.LogRecord) -> bool:
    """OpenVINO warns of operations that this torch no longer takes apart; the conversion says what it lacks."""
    return "not found in decomp table" not in str(record.msg)
