"""Residual blocks whose normalisation a condition may move."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConditionalNorm(nn.Module):
    """Group normalisation with a scale and a shift that depend on the condition.

    The scale and shift are those of bin 0 plus, for every bin passed, that bin's increment: a table indexed
    by the bin for whole codes, linear between two rows for codes in between (Singla et al., ICLR 2020,
    conditional batch norm; group statistics, because batch statistics would make one picture's answer
    depend on its companions).
    """

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        self.groups = max(1, channels // 8)
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        # Small, not zero: with a zero condition effect and a zero output layer neither would get a gradient.
        self.increments = nn.Parameter(0.05 * torch.randn(steps, 2 * channels)) if steps else None

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """x: [N, C, H, W]; code: [N, steps] or None."""
        if self.increments is None or code is None:
            return F.group_norm(x, self.groups, self.scale, self.shift, 1e-3)
        scale, shift = (code @ self.increments).chunk(2, 1)
        x = F.group_norm(x, self.groups, None, None, 1e-3)
        return x * (self.scale + scale)[:, :, None, None] + (self.shift + shift)[:, :, None, None]


class ResidualBlock(nn.Module):
    """norm-ReLU-conv twice, with average pooling or nearest upsampling, and a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, *, steps: int = 0, resample: str = "none") -> None:
        super().__init__()
        self.resample = resample
        self.norm1, self.norm2 = ConditionalNorm(inputs, steps), ConditionalNorm(outputs, steps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """x: [N, C, H, W] -> [N, outputs, H', W']."""
        h = self._resampled(F.relu(self.norm1(x, code)))
        h = self.conv2(F.relu(self.norm2(self.conv1(h), code)))
        return h + self.shortcut(self._resampled(x))

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        if self.resample == "up":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x
