"""Small random changes of view, on the device, a batch at a time.

One file for two uses: the classifiers are trained under them, and the exaggerator shows its pictures to the
frozen classifier through them, so that a change must survive a shift, a blur, a gain and noise to count
(expectation over transformations; an invisible pattern does not survive).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class View:
    """How far a random view may stray. Angles in degrees, shift and scale as fractions, tones on [0, 1]."""

    rotate: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    flip: bool = False
    gain: float = 0.0
    bias: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0  # greatest sigma in pixels
    noise: float = 0.0  # greatest standard deviation
    smudge: float = 0.0  # greatest standard deviation of a smooth random field, in each channel its own
    saturation: float = 0.0  # colour pictures: the distance from grey is scaled by 1 - saturation to 1 + saturation


CLASSIFIER_VIEW = View(
    rotate=10,
    shift=0.08,
    scale=0.15,
    gain=0.15,
    bias=0.08,
    gamma=0.15,
    blur=0.8,
    noise=0.06,
    smudge=0.06,
    saturation=0.6,
)
EXPECTATION_VIEW = View(
    rotate=2, shift=0.03, scale=0.03, gain=0.06, bias=0.03, blur=0.8, noise=0.05, smudge=0.04, saturation=0.6
)


def random_view(x: Tensor, view: View, generator: torch.Generator | None = None) -> Tensor:
    """One random view of each image. x: [N, C, H, W] in [0, 1]; differentiable in x; not clipped."""
    n, _, height, width = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, device=x.device, generator=generator) * (high - low) + low

    if view.rotate or view.shift or view.scale or view.flip:
        angle = uniform(-view.rotate, view.rotate) * math.pi / 180
        zoom = 1 + uniform(-view.scale, view.scale)
        mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if view.flip else torch.ones(n, device=x.device)
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        rows = [
            torch.stack([cos * mirror, -sin, 2 * uniform(-view.shift, view.shift)], 1),
            torch.stack([sin * mirror, cos, 2 * uniform(-view.shift, view.shift)], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), [n, 1, height, width], align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if view.blur:
        x = _blur(x, uniform(0, view.blur))
    if view.gamma:
        x = x.clamp_min(1e-4) ** torch.exp(uniform(-view.gamma, view.gamma, 1, 1, 1))
    if view.gain or view.bias:
        gain = 1 + uniform(-view.gain, view.gain, 1, 1, 1)
        x = (x - 0.5) * gain + 0.5 + uniform(-view.bias, view.bias, 1, 1, 1)
    if view.saturation and x.shape[1] == 3:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * uniform(1 - view.saturation, 1 + view.saturation, 1, 1, 1)
    if view.smudge:
        # Without it a network learns to answer to faint clouds of colour, and an explainer to paint them.
        field = torch.randn(n, x.shape[1], 6, 6, device=x.device, generator=generator) * uniform(
            0, view.smudge, 1, 1, 1
        )
        x = x + F.interpolate(field, (height, width), mode="bicubic", align_corners=False)
    if view.noise:
        noise = torch.randn(x.shape, device=x.device, generator=generator)
        x = x + noise * uniform(0, view.noise, 1, 1, 1)
    return x


def _blur(x: Tensor, sigma: Tensor) -> Tensor:
    """A separable five-tap Gaussian with its own width for each image, as one grouped convolution."""
    n, channels, height, width = x.shape
    taps = torch.arange(-2, 3, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (taps[None] / sigma[:, None].clamp_min(0.05)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)  # [N*C, 5]
    x = x.reshape(1, n * channels, height, width)
    x = F.conv2d(F.pad(x, (2, 2, 0, 0), mode="replicate"), kernel[:, None, None, :], groups=n * channels)
    x = F.conv2d(F.pad(x, (0, 0, 2, 2), mode="replicate"), kernel[:, None, :, None], groups=n * channels)
    return x.reshape(n, channels, height, width)


def diff_augment(x: Tensor, *, shift: float = 0.125, cutout: float = 0.3) -> Tensor:
    """Translation and cutout for the critic, real and generated alike; gradients flow through it.

    No colour jitter: intensity may be what the classifier looks at. Source: Zhao et al., "Differentiable
    Augmentation for Data-Efficient GAN Training", NeurIPS 2020.
    """
    n, _, height, width = x.shape
    dy = torch.randint(-int(height * shift), int(height * shift) + 1, (n, 1, 1), device=x.device)
    dx = torch.randint(-int(width * shift), int(width * shift) + 1, (n, 1, 1), device=x.device)
    rows = (torch.arange(height, device=x.device)[None, :, None] + dy).clamp(-1, height) + 1
    columns = (torch.arange(width, device=x.device)[None, None, :] + dx).clamp(-1, width) + 1
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    batch = torch.arange(n, device=x.device)[:, None, None]
    x = padded[batch, rows, columns].permute(0, 3, 1, 2)
    side_y, side_x = int(height * cutout), int(width * cutout)
    top = torch.randint(0, height, (n, 1, 1), device=x.device) - side_y // 2
    left = torch.randint(0, width, (n, 1, 1), device=x.device) - side_x // 2
    y = torch.arange(height, device=x.device)[None, :, None]
    z = torch.arange(width, device=x.device)[None, None, :]
    hole = (y >= top) & (y < top + side_y) & (z >= left) & (z < left + side_x)
    return x * (~hole).unsqueeze(1)
