"""Drawn animals whose age can be seen: the older, the larger the pale face on the dark ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from station.pictures import save_jpeg

SIZE_PX = 64


def drawn_manifest(folder: Path, animals: int = 14, pictures: int = 3, seed: int = 0) -> Path:
    """Writes pictures and a manifest; ages rise evenly from 1 to 20 years."""
    chance = np.random.default_rng(seed)
    lines = ["path,individual,age_years"]
    ages = np.linspace(1, 20, animals * pictures)
    for k, age in enumerate(chance.permutation(ages.reshape(animals, pictures)).ravel()):
        name = f"{k}.jpg"
        (folder / name).write_bytes(save_jpeg(face(age, chance)))
        lines.append(f"{name},animal-{k // pictures},{age:.2f}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def face(age_years: float, chance: np.random.Generator) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """uint8 S x S x 3."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX / 2
    disc = np.hypot(x, y) < 4 + 1.2 * age_years
    ground = np.where(disc, 210, 40)[..., None] + chance.integers(-10, 11, (SIZE_PX, SIZE_PX, 3))
    return ground.astype(np.uint8)
