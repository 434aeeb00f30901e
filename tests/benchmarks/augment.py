"""How fast pictures are augmented: `python -m tests.benchmarks.augment [--device cuda] [--batch 256]`."""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from training.augment import PRESETS, Augmentation, augment

SIDE_PX, ROUNDS = 224, 30


def images_per_s(pictures: torch.Tensor, how: Augmentation, chance: torch.Generator) -> float:
    """The median of the rounds, on the CPU by the processor's time: other programs may share it."""
    on_cpu = pictures.device.type == "cpu"
    clock, times = time.process_time if on_cpu else time.perf_counter, []
    for _ in range(ROUNDS):
        start = clock()
        augment(pictures, chance, how)
        if not on_cpu:
            torch.cuda.synchronize()
        times.append(clock() - start)
    return len(pictures) / statistics.median(times[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(0)
    shape = (args.batch, 3, SIDE_PX, SIDE_PX)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance).to(args.device)
    for name, how in PRESETS.items():
        print(f"{name:12} {images_per_s(pictures, how, chance):10,.0f} images/s")


if __name__ == "__main__":
    main()
