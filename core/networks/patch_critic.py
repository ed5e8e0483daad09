"""SN-PatchGAN: a critic that scores every patch of a filled picture (Yu et al., ICCV 2019)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchCritic(nn.Module):
    """Four spectrally normalised strided convolutions over picture and hole; one score a patch."""

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        widths = [channels + 1, base, 2 * base, 4 * base, 4 * base]
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 5, 2, 2)) for a, b in pairwise(widths))
        self.score = spectral_norm(nn.Conv2d(4 * base, 1, 3, padding=1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [N, C, S, S] in [0, 1]; mask: [N, 1, S, S], 1 where filled -> [N, 1, S/16, S/16] scores."""
        h = torch.cat([x * 2 - 1, mask], 1)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        return self.score(h)
