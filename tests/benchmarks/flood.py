"""Ten thousand messages a second for ten seconds, pictures and nonsense: each has its outcome, memory is bounded.

python -m tests.benchmarks.flood [MESSAGES [A SECOND]]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.box import Box
from tests.mosquitto import running
from tests.station.flood import flood
from tests.tiny import tiny_bundle


def main(count: int = 100_000, per_second: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with running(folder / "mosquitto") as broker, Box(folder, tiny_bundle(folder / "tiny"), broker.port) as box:
            box.start()
            assert box.is_up(), box.log
            print(flood(box, count, per_second, limit_s=3600))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
