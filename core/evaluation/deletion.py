"""Deletion with noise: replace the most important pixels first and watch f's answer.

Singla et al., "Explanation by Progressive Exaggeration", ICLR 2020, section 4.3 and Figure 4c: the top k % of the
pixels become uniform noise over the picture's range, and the accuracy of f is drawn against k. `curves` does the same
with a plausible infill; noise is what the paper took.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.evaluation.curves import ranks

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True)
class Deletion:
    """N pictures, K shares of the picture replaced; every value is a mean over the draws of noise.

    probability: [N, K] of the answer f gave to the whole picture; decision: [N, K] share of the draws in which f still
    gives it; present: [N, K] share of the draws in which f sees the finding.
    """

    shares: np.ndarray
    probability: np.ndarray
    decision: np.ndarray
    present: np.ndarray

    def accuracy(self, labels: np.ndarray) -> np.ndarray:
        """[N, K] share of the draws in which f is right. labels: [N] of 0 and 1."""
        return np.where(labels[:, None] > 0.5, self.present, 1 - self.present)

    def area(self, values: np.ndarray) -> np.ndarray:
        """[N] mean height of the curves values [N, K] over the shares, by the trapezoid rule; low is a good map."""
        return np.trapezoid(values, self.shares, axis=1) / (self.shares[-1] - self.shares[0])


def uniform_noise(x: Tensor, draws: int, seed: int = 0) -> Tensor:
    """[N, C, S, S] -> [draws, N, C, S, S], uniform between each picture's least and greatest value."""
    generator = torch.Generator(x.device).manual_seed(seed)
    low, high = (edge(dim=(1, 2, 3), keepdim=True) for edge in (x.amin, x.amax))
    return low + (high - low) * torch.rand(draws, *x.shape, device=x.device, generator=generator)


@torch.no_grad()
def delete(
    f: BlackBox, x: Tensor, maps: Tensor, noise: Tensor, *, shares: tuple[float, ...] = SHARES, seed: int = 0
) -> Deletion:
    """x: [N, C, S, S] in [0, 1]; maps: [N, 1, S, S], greater is more important; noise: [D, N, C, S, S], what pixels
    become, so that all maps can meet the same; shares: increasing, of [0, 1].

    All channels of a pixel go together. Ties are broken at random but the same way for every share, so regions grow.
    """
    draws, n = noise.shape[:2]
    rank = ranks(maps, torch.Generator(x.device).manual_seed(seed))
    given = f.posterior(x) >= 0.5
    kept = []
    for share in shares:
        holes = rank < round(share * rank[0].numel())
        kept.append(f.posterior(torch.where(holes, noise, x).flatten(0, 1)).view(draws, n))
    p = torch.stack(kept, 2)  # [D, N, K]
    says = p >= 0.5
    probability = torch.where(given[:, None], p, 1 - p)
    found = (probability, says == given[:, None], says)
    return Deletion(np.asarray(shares), *(v.double().mean(0).cpu().numpy() for v in found))
