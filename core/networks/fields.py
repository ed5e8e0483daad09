"""Fields that move and shade a picture: one increment for every border between two bins, summed, smoothed, enlarged."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def increments(inputs: int, outputs: int, borders: int) -> nn.Conv2d:
    """A layer with one output field for every bin border, all borders starting alike."""
    layer = nn.Conv2d(inputs, borders * outputs, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_((0.01 * torch.randn(1, outputs, inputs, 3, 3)).expand(borders, -1, -1, -1, -1).flatten(0, 1))
        assert layer.bias is not None
        layer.bias.zero_()
    return layer


def crossed(fields: Tensor, step: Tensor) -> Tensor:
    """Sum of the increments of the borders that are crossed: [N, B*C, H, W] and [K, B] -> [K, C, H, W]."""
    n, _, height, width = fields.shape
    fields = fields.reshape(n, step.shape[1], -1, height, width).expand(len(step), -1, -1, -1, -1)
    return torch.einsum("kb,kbchw->kchw", step.to(fields.dtype), fields)


def warp(x: Tensor, displacement: Tensor) -> Tensor:
    """Sample x at position + displacement. displacement: [N, 2, H, W] (dx, dy) as fractions of the side.

    Where nothing is displaced x comes back to the last bit, which bilinear sampling alone would miss by a rounding.
    """
    n, _, height, width = displacement.shape
    identity = torch.eye(2, 3, device=x.device, dtype=x.dtype).expand(n, 2, 3)
    grid = F.affine_grid(identity, [n, 1, height, width], align_corners=False)
    grid = grid + 2 * displacement.permute(0, 2, 3, 1)
    moved = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return torch.where((displacement == 0).all(1, keepdim=True), x, moved)


def enlarge(field: Tensor, height: int, width: int) -> Tensor:
    """Smooth (bicubic) enlargement of [N, C, h, w]; the one filter by which fields reach any resolution."""
    if field.shape[-2:] == (height, width):
        return field
    return F.interpolate(field, (height, width), mode="bicubic", align_corners=False)


def smoothed(field: Tensor, kernel: Tensor) -> Tensor:
    """[N, C, h, w] under a kernel [1, 1, t, t], edges repeated; a single tap changes nothing."""
    channels, taps = field.shape[1], kernel.shape[-1]
    if taps == 1:
        return field
    kernel = kernel.expand(channels, 1, taps, taps)
    return F.conv2d(F.pad(field, (taps // 2,) * 4, mode="replicate"), kernel, groups=channels)


def gaussian(sigma: float) -> Tensor:
    """[1, 1, t, t], a kernel of that standard deviation cut at twice of it; a single tap for 0."""
    if not sigma:
        return torch.ones(1, 1, 1, 1)
    reach = math.ceil(2 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = torch.outer(taps, taps)
    return (kernel / kernel.sum())[None, None]
