"""Infills that need no training: mean, blur, random and local (Chang et al., ICLR 2019, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class MeanInfill:
    """One constant colour, the mean of the training pictures."""

    name, stochastic = "mean", False

    def __init__(self, mean: Tensor) -> None:
        """mean: [C] in [0, 1]."""
        self.mean = mean

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        return self.mean.to(x)[None, None, :, None, None].expand(len(x), mask.shape[1], -1, *x.shape[2:])


class BlurInfill:
    """The picture itself under a Gaussian blur. It reads hidden pixels: something of the region stays."""

    name, stochastic = "blur", False

    def __init__(self, sigma: float = 10.0) -> None:
        """sigma: in pixels of the network's input, as published."""
        self.sigma = sigma

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        return gaussian_blur(x, self.sigma)[:, None].expand(-1, mask.shape[1], -1, -1, -1)


class RandomInfill:
    """One uniform colour a sample and Gaussian noise on every pixel, cut to [0, 1]."""

    name, stochastic = "random", True

    def __init__(self, noise: float = 0.2) -> None:
        self.noise = noise

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        n, k, channels = len(x), mask.shape[1], x.shape[1]
        colour = torch.rand(n, k, channels, 1, 1, device=x.device, generator=generator)
        noise = torch.randn(n, k, channels, *x.shape[2:], device=x.device, generator=generator)
        return (colour + self.noise * noise).clamp_(0, 1)


class LocalInfill:
    """The mean of the visible pixels in a box around each pixel.

    Where a box holds no visible pixel, the mean of all visible ones; where nothing at all is visible, mid-grey.
    """

    name, stochastic = "local", False

    def __init__(self, side: int = 15) -> None:
        """side: of the box, in pixels of the network's input, as published; odd."""
        if side % 2 == 0:
            raise ValueError("the box around a pixel has an odd side")
        self.side = side

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        n, k, height, width = mask.shape
        visible = (mask <= 0.5).to(x)[:, :, None]
        shown = x[:, None] * visible
        total = visible.sum((3, 4), keepdim=True)
        everywhere = torch.where(total > 0, shown.sum((3, 4), keepdim=True) / total.clamp_min(1), 0.5)
        sums = self._box(shown.flatten(0, 1)).view(n, k, -1, height, width)
        count = self._box(visible.flatten(0, 1)).view(n, k, 1, height, width)
        return torch.where(count > 0.5, sums / count.clamp_min(1), everywhere).clamp_(0, 1)

    def _box(self, x: Tensor) -> Tensor:
        """Sums over the box around each pixel of [N, C, H, W], zeros outside."""
        half = self.side // 2
        rows = F.avg_pool2d(x, (self.side, 1), 1, (half, 0), divisor_override=1)
        return F.avg_pool2d(rows, (1, self.side), 1, (0, half), divisor_override=1)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """[N, C, H, W] under a Gaussian of `sigma` pixels, cut at three sigma, edges repeated; differentiable."""
    if sigma <= 0:
        return x
    radius = max(1, round(3 * sigma))
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    groups = x.shape[1]
    x = F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel[..., None], groups=groups)
    return F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel[:, :, None], groups=groups)
