"""A convolutional variational autoencoder for whole pictures (Kingma & Welling, ICLR 2014).

The manifold on which xGEM and Latent Shift look for their pictures. All but one latent vector is thrown away, so a
reconstruction is softer than the picture. Group normalisation, because batch statistics would make one picture's
reconstruction depend on its companions.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.blocks import ConditionalNorm, ResidualBlock

SIZES = (28, 128)  # smallest and greatest side in pixels


@dataclass(frozen=True)
class AutoencoderConfig:
    """size: side of the pictures in pixels, 28 to 128; channels: 1 or 3; base: channels at half resolution; latent:
    numbers in z.
    """

    size: int = 64
    channels: int = 3
    base: int = 24
    latent: int = 96

    def to_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)


class Autoencoder(nn.Module):
    """q(z | x) and the mean of p(x | z). Pictures are [N, C, S, S] in [0, 1], codes [N, D]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if not SIZES[0] <= config.size <= SIZES[1] or config.channels not in (1, 3):
            raise ValueError(
                f"an autoencoder takes {SIZES[0]} to {SIZES[1]} pixels and 1 or 3 channels, "
                f"not {config.size} and {config.channels}"
            )
        self.config = config
        halvings = int(math.log2(config.size / 4))
        self.coarse = math.ceil(config.size / 2**halvings)  # side of the coarsest features, 4 to 8
        self.margin = self.coarse * 2**halvings - config.size  # what a size that cannot be halved so often lacks
        widths = [config.base * min(2**k, 4) for k in range(halvings)]
        self.stem = nn.Conv2d(config.channels, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList(ResidualBlock(a, b, resample="down") for a, b in pairwise(widths))
        self.last = ConditionalNorm(widths[-1], 0)
        inside = widths[-1] * self.coarse**2
        self.to_law = nn.Linear(inside, 2 * config.latent)
        self.from_code = nn.Linear(config.latent, inside)
        self.up = nn.ModuleList(ResidualBlock(a, b, resample="up") for a, b in pairwise(widths[::-1]))
        self.norm = ConditionalNorm(widths[0], 0)
        self.out = nn.Conv2d(widths[0], config.channels * 4, 3, padding=1)  # four sub-pixels: S/2 -> S

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x): mean and log variance, both [N, D]; the prior is a standard normal."""
        if self.margin:
            x = F.pad(x, (0, self.margin, 0, self.margin), mode="replicate")
        h = self.stem(x * 2 - 1)
        for block in self.down:
            h = block(h)
        mean, log_variance = self.to_law(F.relu(self.last(h)).flatten(1)).chunk(2, 1)
        return mean, log_variance.clamp(-10, 4)

    def decode(self, z: Tensor) -> Tensor:
        """[N, D] -> [N, C, S, S] in [0, 1], differentiable in z."""
        h = self.from_code(z).view(len(z), -1, self.coarse, self.coarse)
        for block in self.up:
            h = block(h)
        x = torch.sigmoid(F.pixel_shuffle(self.out(F.relu(self.norm(h))), 2))
        return x[..., : self.config.size, : self.config.size]

    def embed(self, x: Tensor) -> Tensor:
        """[N, D], the code a picture is known by: the mean of q(z | x)."""
        return self.encode(x)[0]


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """[N, D] KL(q(z | x) || N(0, 1)) of every latent number, in nats (Kingma & Welling, ICLR 2014, appendix B)."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)


def active_units(means: Tensor, least: float = 0.01) -> int:
    """How many latent numbers tell pictures apart: those whose mean [N, D] varies by more than `least` over N
    pictures (Burda et al., ICLR 2016, section 5). Few of many is posterior collapse.
    """
    return int((means.var(0) > least).sum())
