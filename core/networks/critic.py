"""The ordinal projection critic D(x, k) = psi(phi(x)) + sum over i < k of v_i . phi(x)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class CriticBlock(nn.Module):
    """ReLU-conv twice, spectrally normalised, average pooling."""

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv1 = spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(inputs, outputs, 1)) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, inputs, H, W] -> [N, outputs, H/2, W/2] (or H, W)."""
        h = self.conv2(F.relu(self.conv1(F.relu(x))))
        x = self.shortcut(x)
        return F.avg_pool2d(h, 2) + F.avg_pool2d(x, 2) if self.down else h + x


class OrdinalCritic(nn.Module):
    """A projection discriminator whose classes are ordered bins (Singla et al., ICLR 2020, Eq. 3 and 4).

    There are bins - 1 separate vectors v_i; the score of bin k adds the first k of them, so neighbouring bins
    share all but one. Spectral normalisation throughout.
    """

    def __init__(self, channels: int, base: int, bins: int, size: int) -> None:
        super().__init__()
        self.stem = spectral_norm(nn.Conv2d(channels, base, 4, stride=2, padding=1))
        blocks, width, side = [], base, size // 2
        while side > 4:
            wider = min(width * 2, base * 8)
            blocks.append(CriticBlock(width, wider, down=True))
            width, side = wider, side // 2
        blocks.append(CriticBlock(width, width, down=False))
        self.blocks = nn.Sequential(*blocks)
        self.psi = spectral_norm(nn.Linear(width, 1))
        self.ordinal = spectral_norm(nn.Linear(width, bins - 1, bias=False))

    def phi(self, x: Tensor) -> Tensor:
        """[N, C, S, S] in [0, 1] -> [N, D], sum-pooled features."""
        return F.relu(self.blocks(self.stem(x * 2 - 1))).sum((2, 3))

    def forward(self, x: Tensor, bins: Tensor) -> Tensor:
        """x: [N, C, S, S] in [0, 1]; bins: [N] long in [0, bins) -> [N] scores."""
        phi = self.phi(x)
        steps = self.ordinal(phi)  # [N, bins - 1], v_i . phi
        cumulative = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(1)], 1)
        return self.psi(phi)[:, 0] + cumulative.gather(1, bins[:, None])[:, 0]


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Critic's hinge loss (Eq. 7): 2 at a critic that always says 0."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """Generator's hinge loss (Eq. 8)."""
    return -fake.mean()
