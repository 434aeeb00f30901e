"""An hour's worth of pictures, one a second, while the broker is away: all told once and in order when it comes.

python -m tests.benchmarks.absence [PICTURES]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.station.absence import absence
from tests.tiny import tiny_bundle


def main(count: int = 3600) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        print(absence(folder, tiny_bundle(folder / "tiny"), count, limit_s=1800))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
