"""Infills that were trained: the conditional VAE and the contextual-attention in-painter, behind the one interface."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.networks.inpainter import Inpainter
from core.networks.vae_infill import VaeInfiller


class VaeInfill:
    """Samples of a conditional VAE: different content for the same hole."""

    name, stochastic = "vae", True

    def __init__(self, network: VaeInfiller) -> None:
        self.network = network

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        return _each(x, mask, lambda pictures, holes: self.network.sample(pictures, holes, generator))


class AttentionInfill:
    """The contextual-attention in-painter: one sharp answer for a hole, copied and blended from what is visible."""

    name, stochastic = "ca", False

    def __init__(self, network: Inpainter) -> None:
        self.network = network

    @torch.no_grad()
    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Infill.propose`."""
        if mask.shape[1] > 1 and mask.stride(1) == 0:  # the same hole again: the answer is the same as well
            return self.propose(x, mask[:, :1]).expand(-1, mask.shape[1], -1, -1, -1)
        return _each(x, mask, self.network)


# A pass on a CPU takes 12 pictures of 64 pixels or 3 of 128: beyond, features no longer fit a core's cache and each
# picture takes longer, at 128 pixels twice as long.
CPU_PIXELS = 12 * 64 * 64


def _each(x: Tensor, mask: Tensor, network: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The network on every (picture, mask) pair, as [N, K, C, H, W]."""
    n, k = mask.shape[:2]
    pictures = x[:, None].expand(-1, k, -1, -1, -1).flatten(0, 1)
    holes = (mask > 0.5).to(x).flatten(0, 1)[:, None]
    chunk = max(1, CPU_PIXELS // x[0, 0].numel()) if x.device.type == "cpu" else len(pictures)
    parts = [network(a, b) for a, b in zip(pictures.split(chunk), holes.split(chunk), strict=True)]
    return torch.cat(parts).unflatten(0, (n, k))
