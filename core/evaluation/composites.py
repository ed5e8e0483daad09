"""Inverse localisation: an object that has nothing to do with the question is put into the picture.

A map of "why o and not t" should leave it alone. Measured is the share of the map's mass inside the object's box,
against the box's share of the picture: 1 where the map does not care, above 1 where it is drawn to the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Composites:
    """pictures: [N, C, H, W] in [0, 1] with an object in each; boxes: [N, H, W] bool, where it is."""

    pictures: Tensor
    boxes: Tensor


def with_object(x: Tensor, seed: int = 0, share: float = 0.18) -> Composites:
    """A bright ring in a random corner of every picture; share: its box's side against the picture's."""
    rng = np.random.default_rng(seed)
    n, channels, height, width = x.shape
    side = max(4, round(share * height))
    grid = (np.mgrid[0:side, 0:side] + 0.5) / side - 0.5
    radius = np.hypot(*grid)
    ring = torch.from_numpy(np.clip(1 - np.abs(radius - 0.32) * side / 1.2, 0, 1).astype(np.float32))
    pictures, boxes = x.to("cpu", copy=True), torch.zeros(n, height, width, dtype=torch.bool)
    for i in range(n):
        top = 1 if rng.random() < 0.5 else height - side - 1
        left = 1 if rng.random() < 0.5 else width - side - 1
        area = (slice(top, top + side), slice(left, left + side))
        colour = torch.ones(channels) if channels == 1 else torch.from_numpy(rng.random(channels).astype(np.float32))
        under = pictures[i][(slice(None), *area)]
        pictures[i][(slice(None), *area)] = torch.lerp(under, colour[:, None, None].expand_as(under), ring)
        boxes[i][area] = True
    return Composites(pictures.to(x.device), boxes.to(x.device))


def attraction(maps: Tensor, boxes: Tensor) -> Tensor:
    """[N] share of |map| inside the box over the box's share of the picture; 0 for a map that is 0 everywhere."""
    mass = maps.abs()
    inside = (mass * boxes).sum((1, 2)) / mass.sum((1, 2)).clamp_min(1e-12)
    return inside / boxes.float().mean((1, 2))
