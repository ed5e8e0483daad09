"""Integrated Gradients and, over many baselines, Expected Gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.attributions.score import Score, gradient_of

STEPS = 128
SAMPLES = 256  # of Expected Gradients
CHUNK = 256  # pictures a pass


def integrated_gradients(score: Callable[[Tensor], Tensor], x: Tensor, baselines: Tensor, steps: int = STEPS) -> Tensor:
    """(x - x0) times the mean gradient along the straight line from the baseline, by the trapezoid rule.

    x: [N, C, H, W]; baselines: [N, B, C, H, W], averaged over B; steps: intervals, so steps + 1 gradients.
    Sundararajan, Taly, Yan, ICML 2017, Eq. 1. The trapezoid gives both ends half weight; a plain sum over both is
    off by O(1/steps).
    """
    n, b = baselines.shape[:2]
    alphas = torch.linspace(0, 1, steps + 1, device=x.device)
    weights = torch.full_like(alphas, 1 / steps)
    weights[0] = weights[-1] = 0.5 / steps
    result = torch.zeros_like(x)
    for i in range(n):
        for start in baselines[i]:
            slope = torch.zeros_like(x[i])
            for part, weight in zip(alphas.split(CHUNK), weights.split(CHUNK), strict=True):
                line = torch.lerp(start[None], x[i][None], part[:, None, None, None])
                slope += (weight[:, None, None, None] * gradient_of(score, line)).sum(0)
            result[i] += (x[i] - start) * slope / b
    return result


def expected_gradients(score: Score, x: Tensor, baselines: Tensor, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """The mean of (x - x0) * gradient over random baselines and random places on the line, in bounded memory.

    x: [N, C, H, W]; baselines: [N, B, C, H, W]. Every baseline is drawn equally often and places are spread evenly
    (stratified), which is the same expectation with less noise. Erion et al., Nature Machine Intelligence 2021, Eq. 3.
    """
    n, b = baselines.shape[:2]
    generator = torch.Generator(x.device).manual_seed(seed)
    rounds = max(1, -(-samples // b))
    which = torch.arange(b, device=x.device).repeat(rounds)
    total = len(which)
    places = (torch.arange(total, device=x.device) + torch.rand(total, device=x.device, generator=generator)) / total
    places = places[torch.randperm(total, device=x.device, generator=generator)]
    result = torch.zeros_like(x)
    for i in range(n):
        for rows in torch.arange(total, device=x.device).split(CHUNK):
            start = baselines[i][which[rows]]
            line = torch.lerp(start, x[i][None], places[rows][:, None, None, None])
            result[i] += ((x[i] - start) * gradient_of(score, line)).sum(0) / total
    return result
