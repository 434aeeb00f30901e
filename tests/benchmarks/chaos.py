"""The test of chaos at full size, with real photographs.

python -m tests.benchmarks.chaos [PICTURES [PICTURES A SECOND [SEED]]]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mosquitto import WRITES_OFTEN, running
from tests.photographs import photographs
from tests.station.chaos import chaos
from tests.tiny import tiny_bundle


def main(count: int = 2000, per_second: int = 10, seed: int = 1) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with running(folder / "mosquitto", WRITES_OFTEN) as broker:
            bundle = tiny_bundle(folder / "tiny")
            print(chaos(folder, bundle, broker, photographs(), count, count / per_second, seed))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
