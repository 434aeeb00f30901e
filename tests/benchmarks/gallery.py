"""How long a face takes to be found among a million: `python -m tests.benchmarks.gallery [FACES]`.

Vectors are drawn as the embedding gives them: animals lie around, faces of one animal lie around it.  All faces are in
the index, more than a station ever puts there (at most 20 of an individual).
"""

from __future__ import annotations

import resource
import sys
from time import perf_counter, process_time

import numpy as np

from station.domain import Floats
from station.exemplars import Exemplar, Shelf
from station.gallery import Gallery

FACES, SIZE, OF_ONE, ASKED = 1_000_000, 512, 20, 2_000
DIRECTIONS = 40
"""Animals differ most in so many directions, and ever less in the others, as in what an embedding gives."""


def drawn(faces: int, chance: np.random.Generator) -> Floats:
    """Unit vectors, `OF_ONE` of each animal in turn."""
    spread = (1 + np.arange(SIZE, dtype=np.float32) / DIRECTIONS) ** -1
    animals = spread * chance.standard_normal((faces // OF_ONE, SIZE), np.float32)
    vectors: Floats = np.repeat(animals, OF_ONE, axis=0).astype(np.float32)
    for begin in range(0, len(vectors), 50_000):
        shape = vectors[begin : begin + 50_000].shape
        vectors[begin : begin + 50_000] += 0.8 * spread * chance.standard_normal(shape, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def main() -> None:
    """Prints the time to load, the memory, the time a face, and how often the animal was found."""
    faces = int(sys.argv[1]) if len(sys.argv) > 1 else FACES
    chance = np.random.default_rng(0)
    vectors = drawn(faces, chance)
    gallery = Gallery(SIZE)
    began = perf_counter()
    shelves = {
        f"{animal}": Shelf(
            Exemplar(key, float(key), False, None) for key in range(animal * OF_ONE, (animal + 1) * OF_ONE)
        )
        for animal in range(faces // OF_ONE)
    }
    lacking = gallery.arrange(shelves)
    print(f"{len(lacking):,} faces arranged in {perf_counter() - began:.1f} s")
    began = perf_counter()
    for part in np.array_split(np.array(lacking), max(1, faces // 100_000)):
        gallery.complete({int(key): vectors[key] for key in part})
    del lacking
    print(f"indexed in {perf_counter() - began:.1f} s")
    asked = chance.integers(faces, size=ASKED)
    noise = 0.02 * chance.standard_normal((ASKED, SIZE), np.float32)
    began, of_processor = perf_counter(), process_time()
    found = [gallery.likenesses(vectors[face] + noise[n]) for n, face in enumerate(asked)]
    each_ms, processor_ms = (
        1000 * passed / ASKED for passed in (perf_counter() - began, process_time() - of_processor)
    )
    right = sum(
        max(one, key=lambda likeness: likeness.similarity).individual == f"{face // OF_ONE}"
        for one, face in zip(found, asked, strict=True)
    )
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{each_ms:.2f} ms a face, {processor_ms:.2f} computing; the right animal {right / ASKED:.1%}")
    print(f"peak memory {peak_gb:.2f} GB")


if __name__ == "__main__":
    main()
