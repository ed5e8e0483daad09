"""Deletion and insertion: hide the most important pixels first, or show them first, and watch f.

Petsiuk, Das, Saenko: "RISE", BMVC 2018, with a plausible infill in place of grey (Chang et al., ICLR 2019), so that f
is not asked about pictures that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.infills.infill import Infill, fill

SHARES = tuple(round(0.05 * k, 2) for k in range(21))


@dataclass(frozen=True)
class Curves:
    """N pictures, K shares of the picture hidden (deletion) or shown (insertion).

    deletion, insertion: [N, K] probability of the explained answer. A good map's deletion falls fast and its
    insertion rises fast.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_area(self) -> np.ndarray:
        """[N] area under the deletion curve, in [0, 1]; lower is better."""
        return np.trapezoid(self.deletion, self.shares, axis=1)

    @property
    def insertion_area(self) -> np.ndarray:
        """[N] area under the insertion curve, in [0, 1]; higher is better."""
        return np.trapezoid(self.insertion, self.shares, axis=1)

    @property
    def flip(self) -> np.ndarray:
        """[N] the smallest share whose hiding takes the answer below one half; NaN where none does."""
        below = self.deletion < 0.5
        return np.where(below.any(1), self.shares[below.argmax(1)], np.nan)


def ranks(maps: Tensor, generator: torch.Generator) -> Tensor:
    """[N, 1, S, S] importance, greater is more -> [N, 1, S, S] places in that order, 0 the most important; ties at
    random.
    """
    n, _, height, width = maps.shape
    noise = torch.rand(n, height * width, device=maps.device, generator=generator)
    order = torch.argsort(noise, 1)
    ranked = torch.argsort(maps.flatten(1).gather(1, order), dim=1, descending=True, stable=True)
    places = torch.arange(height * width, device=maps.device).expand(n, -1)
    return torch.empty_like(ranked).scatter_(1, order.gather(1, ranked), places).view(n, 1, height, width)


@torch.no_grad()
def run_curves(
    f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, maps: Tensor, *, seed: int = 0,
    shares: tuple[float, ...] = SHARES,
) -> Curves:  # fmt: skip
    """x: [N, C, S, S] in [0, 1]; sign: [N], the explained answer; maps: [N, 1, S, S], greater is more important.

    Ties are broken at random but the same way for every share, so regions grow.
    """
    height, width = x.shape[2:]
    generator = torch.Generator(x.device).manual_seed(seed)
    rank = ranks(maps, generator)
    falls: list[Tensor] = []
    rises: list[Tensor] = []
    for share in shares:
        top = (rank < round(share * height * width)).to(x)
        for hole, kept in ((top, falls), (1 - top, rises)):
            shown = fill(infill, x, hole, 1, generator)[:, 0]
            kept.append(torch.sigmoid(sign * f.logit(shown)).cpu())
    return Curves(np.asarray(shares), torch.stack(falls, 1).numpy(), torch.stack(rises, 1).numpy())
