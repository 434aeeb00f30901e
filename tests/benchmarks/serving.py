"""The same bundle behind LitServe with dynamic batching on loopback, against the station: same pictures, same machine.

python -m tests.benchmarks.serving BUNDLE [--pictures 640] [--json FILE]

Wants `pip install litserve python-multipart`.

LitServe gets the station's own decoding; once the bundle's program as it was exported, which is what the folder gives
to anyone, and once the station's fastest form of it, where only the serving differs.
"""

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import litserve
import numpy as np
from fastapi import Response, UploadFile

from station.ages import Ages
from station.bundles import read_card
from station.domain import WHOLE, Pixels
from station.pictures import Picture
from tests.benchmarks.figures import in_turns, told
from tests.benchmarks.limit import CACHE, Scans
from tests.benchmarks.pictures import face_files
from tests.station.test_mosquitto import free_port

CLIENTS, ALONE = 32, 40
EXPORTED, FASTEST = "LitServe, as exported", "LitServe, the station's form"
_FORM = {"Content-Type": "multipart/form-data; boundary=face"}
_HEAD = b'--face\r\nContent-Disposition: form-data; name="request"; filename="face.jpg"\r\n\r\n'
_TAIL = b"\r\n--face--\r\n"


class Served(litserve.LitAPI):  # type: ignore[misc]
    """JPEG bytes in, an age out."""

    def __init__(self, bundle: Path, fastest: bool) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.01)
        self._bundle, self._fastest = bundle, fastest

    def setup(self, device: str) -> None:
        self._ages = Ages(self._bundle, "auto", limit=32)
        if self._fastest:
            self._ages.prepare(CACHE)

    def decode_request(self, request: UploadFile) -> Pixels:
        card = self._ages.card
        crops: Pixels = Picture(request.file.read()).crops([WHOLE], card.input_px, card.crop_margin)
        first: Pixels = crops[0]
        return first

    def predict(self, crops: Any) -> Any:
        probabilities, _ = self._ages.run(np.stack(list(crops)))
        return [self._ages.estimate(p).age_years for p in probabilities]

    def encode_response(self, output: float) -> Response:
        return Response(str(output))


def serve(bundle: Path, port: int, fastest: bool) -> None:
    """Until it is killed."""
    litserve.LitServer(Served(bundle, fastest), accelerator="auto", workers_per_device=1).run(
        host="127.0.0.1", port=port, generate_client_file=False, log_level="error"
    )


def ask(port: int, pictures: list[bytes]) -> list[float]:
    """Seconds of each answer, one after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times = []
    for picture in pictures:
        began = time.perf_counter()
        connection.request("POST", "/predict", _HEAD + picture + _TAIL, _FORM)
        answer = connection.getresponse()
        float(answer.read())
        times.append(time.perf_counter() - began)
    return times


def wait_for(port: int) -> None:
    """Until the server answers; a minute or two."""
    for _ in range(240):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Throughput in turns; latency of one picture at a time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pictures", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fastest", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.bundle, args.serve, args.fastest)
        return
    ports = {EXPORTED: free_port(), FASTEST: free_port()}
    servers = [_server(args.bundle, port, name == FASTEST) for name, port in ports.items()]
    try:
        for port in ports.values():
            wait_for(port)
        figures = compared(args.bundle, args.pictures, args.rounds, ports)
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGKILL)
    told(f"against serving: {read_card(args.bundle).architecture}", figures, args.json)


def _server(bundle: Path, port: int, fastest: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.benchmarks.serving", str(bundle), "--serve", str(port)]
    command += ["--fastest"] if fastest else []
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def compared(bundle: Path, count: int, rounds: int, ports: dict[str, int]) -> dict[str, float]:
    """Rates in turns, then one picture at a time."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        files = face_files(scratch / "pictures", count)
        pictures = [file.read_bytes() for file in files]
        ages = Ages(bundle, limit=32)
        ages.prepare(CACHE)
        scans = Scans(files[0].parent, bundle, scratch, 2)
        runs = {name: partial(_all, port, pictures) for name, port in ports.items()}
        rates = in_turns(runs | {"station scan": scans}, rounds) | {"station scan": scans.rate()}
        figures = {f"{name}, images/s": rate for name, rate in rates.items()}
        figures |= {f"station / {name}": rates["station scan"] / rates[name] for name in ports}
        for name, port in ports.items():
            ask(port, pictures[:10])
            figures[f"one picture at a time, {name}, median ms"] = 1000 * median(ask(port, pictures[:ALONE]))
        own = median(_alone(ages, picture) for picture in pictures[:ALONE])
        return figures | {"one picture at a time, bytes to estimate in the station, median ms": 1000 * own}


def _all(port: int, pictures: list[bytes]) -> int:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda k: ask(port, pictures[k::CLIENTS]), range(CLIENTS))
        return sum(len(times) for times in answers)


def _alone(ages: Ages, picture: bytes) -> float:
    began = time.perf_counter()
    crop = Picture(picture).crops([WHOLE], ages.card.input_px, ages.card.crop_margin)
    ages.estimate(ages.run(crop)[0][0])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
