"""The law of the holes an infill is trained on: what mask explainers make, and what makes in-painters robust.

FIDO thresholds an upsampled grid of independent draws, so half of all holes are made like that; the published
in-painters never saw one (Chang et al., ICLR 2019, trained on per-pixel noise and rectangles).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("grid", "rectangle", "strokes")
SHARES = (0.5, 0.25, 0.25)


def random_holes(n: int, size: int, rng: np.random.Generator) -> Tensor:
    """[n, 1, size, size] float32 of 0 and 1, 1 where hidden; each with at least one hidden and one visible pixel."""
    kinds = rng.choice(len(KINDS), size=n, p=SHARES)
    makers = (_grid, _rectangle, _strokes)
    holes = np.stack([makers[kind](size, rng) for kind in kinds])[:, None]
    for hole in holes:
        if hole.all() or not hole.any():
            hole[:] = 0
            hole[:, : size // 2] = 1
    return torch.from_numpy(holes.astype(np.float32))


def random_holes_of(n: int, size: int, rng: np.random.Generator, low: float, high: float) -> Tensor:
    """The same law, but only holes that hide a share of the picture within [low, high]."""
    kept: list[Tensor] = []
    while sum(len(part) for part in kept) < n:
        holes = random_holes(4 * n, size, rng)
        share = holes.mean((1, 2, 3))
        kept.append(holes[(share >= low) & (share <= high)])
    return torch.cat(kept)[:n]


def _grid(size: int, rng: np.random.Generator) -> np.ndarray:
    """Bernoulli draws on a coarse grid, smoothly varying in probability, upsampled and rounded."""
    side = int(rng.choice([size // 8, size // 4, size // 4]))
    chance = rng.random((1, 1, 4, 4)) ** rng.choice([0.3, 1.0, 3.0]) if rng.random() < 0.7 else rng.random((1, 1, 1, 1))
    p = F.interpolate(torch.from_numpy(chance), (side, side), mode="bilinear", align_corners=False)
    drawn = (torch.from_numpy(rng.random((1, 1, side, side))) < p).double()
    up = F.interpolate(drawn, (size, size), mode="bilinear", align_corners=False)
    return (up > 0.5)[0, 0].numpy()


def _rectangle(size: int, rng: np.random.Generator) -> np.ndarray:
    """One to three rectangles with sides of an eighth to five eighths; sometimes all but one rectangle."""
    hole = np.zeros((size, size), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        height, width = rng.integers(size // 8, 5 * size // 8 + 1, size=2)
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        hole[top : top + height, left : left + width] = True
    return ~hole if rng.random() < 0.3 else hole


def _strokes(size: int, rng: np.random.Generator) -> np.ndarray:
    """A few thick wandering lines."""
    y, x = np.mgrid[0:size, 0:size]
    hole = np.zeros((size, size), dtype=bool)
    for _ in range(rng.integers(1, 5)):
        at, angle = rng.random(2) * size, rng.random() * 2 * np.pi
        radius = rng.uniform(size / 32, size / 10)
        for _ in range(rng.integers(4, 16)):
            hole |= (y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2
            angle += rng.normal(0, 0.6)
            at = np.clip(at + radius * np.array([np.sin(angle), np.cos(angle)]), 0, size)
    return hole
