"""Regions known without masks: the mouth, from where the alignment puts it."""

from __future__ import annotations

import numpy as np

# The mouth with a margin in the CelebA frame's centre square, as fractions (left, top, right, bottom): the official
# alignment puts its corners at (.39, .78) and (.61, .78).
MOUTH = (0.32, 0.68, 0.68, 0.88)


def mouth(size: int) -> np.ndarray:
    """[size, size] bool."""
    left, top, right, bottom = (round(v * size) for v in MOUTH)
    region = np.zeros((size, size), dtype=bool)
    region[top:bottom, left:right] = True
    return region
