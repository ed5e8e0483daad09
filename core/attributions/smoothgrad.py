"""SmoothGrad: the mean gradient over noisy copies of a picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.attributions.score import gradient_of
from core.errors import UserError

SAMPLES = 32
NOISE = 0.15  # of a picture's range; the paper finds .1 to .2 best
CHUNK = 256  # pictures a pass


def smoothgrad(
    score: Callable[[Tensor], Tensor], x: Tensor, *, samples: int = SAMPLES, noise: float = NOISE, seed: int = 0,
    chunk: int = CHUNK,
) -> Tensor:  # fmt: skip
    """[N, C, H, W] signed map: the mean gradient of the score at x + Gaussian noise, not clipped.

    score: [M, C, H, W] -> [M]; x: [N, C, H, W] in [0, 1]; noise: standard deviation as a share of each picture's own
    range; chunk: pictures a pass. The draws are the same for every picture, so its map does not depend on the others.
    Smilkov, Thorat, Kim, Viegas, Wattenberg: "SmoothGrad", 2017, section 3. Raises UserError for fewer than one sample
    or negative noise.
    """
    if samples < 1:
        raise UserError(f"SmoothGrad needs at least one noisy copy, not {samples}.")
    if noise < 0:
        raise UserError(f"SmoothGrad's noise is a share of the picture's range, 0 or more, not {noise:g}.")
    generator = torch.Generator(x.device).manual_seed(seed)
    draws = torch.randn(samples, *x.shape[1:], device=x.device, dtype=x.dtype, generator=generator)
    result = torch.zeros_like(x)
    for i, picture in enumerate(x):
        sigma = noise * (picture.max() - picture.min())
        for part in draws.split(chunk):
            result[i] += gradient_of(score, picture + sigma * part).sum(0) / samples
    return result
