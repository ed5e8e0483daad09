"""The plain gradient: no baseline, and so the same for every one of them."""

from __future__ import annotations

from torch import Tensor

from core.attributions.score import Score, gradient_of


def gradient(score: Score, x: Tensor, baselines: Tensor) -> Tensor:
    """[N, C, H, W] slope of the score (Simonyan et al., ICLR workshop 2014). `baselines` is not looked at."""
    return gradient_of(score, x)
