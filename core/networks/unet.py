"""A small U-Net for organs (Ronneberger et al., MICCAI 2015), with group normalisation and residual blocks."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.blocks import ResidualBlock


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the network: side of its pictures in pixels, channels, what its outputs are, width, depth."""

    size: int
    organs: tuple[str, ...]
    channels: int = 1
    base: int = 12
    depth: int = 4

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


class UNet(nn.Module):
    """Pictures [N, C, S, S] in [0, 1] -> logits [N, K, S, S], one independent map an organ (organs may overlap)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.base * min(2**i, 8) for i in range(config.depth + 1)]
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(a, b, resample="down") for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(
            ResidualBlock(b, a, resample="up") for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.join = nn.ModuleList(nn.Conv2d(2 * a, a, 3, padding=1) for a in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], len(config.organs), 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        h = self.stem(x - 0.5)
        skips = []
        for block in self.down:
            skips.append(h)
            h = block(h)
        for block, join in zip(self.up, self.join, strict=True):
            h = F.relu(join(torch.cat([block(h), skips.pop()], 1)))
        return self.head(h)

    @torch.no_grad()
    def segment(self, x: Tensor) -> Tensor:
        """[N, K, S, S] bool: where each organ is more likely than not."""
        return self(x) > 0
