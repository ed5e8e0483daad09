"""What may stand where a region is hidden: one interface for six ways to fill it.

An infill answers "what else could have been here?". It proposes a picture from what is visible; `fill` puts the
proposal into the hole and leaves every visible pixel as it was, bit for bit.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

NAMES = ("mean", "blur", "random", "local", "vae", "ca")
LEARNED = ("vae", "ca")
TITLES = {
    "mean": "Mean",
    "blur": "Blur",
    "random": "Random",
    "local": "Local mean",
    "vae": "VAE",
    "ca": "Contextual attention",
}


class Infill(Protocol):
    """One way to fill. `stochastic` says whether two samples for the same hole differ."""

    name: str
    stochastic: bool

    def propose(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A whole picture for each mask; no gradient flows through it.

        x: [N, C, H, W] in [0, 1]; mask: [N, K, H, W], 1 where hidden, 0 where visible, K masks a picture;
        returns [N, K, C, H, W] in [0, 1], also where nothing is hidden.
        """
        ...


@torch.no_grad()
def fill(infill: Infill, x: Tensor, mask: Tensor, n: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """n samples for one hole a picture: [N, n, C, H, W], equal to x bit for bit where mask is 0.

    x: [N, C, H, W] in [0, 1]; mask: [N, 1, H, W], 1 where hidden. Raises ValueError for a mask that is not 0 or 1.
    """
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("a hole is hidden or visible: the mask must hold 0 and 1 alone")
    masks = mask.expand(-1, n, -1, -1)
    return torch.where(masks[:, :, None] > 0.5, infill.propose(x, masks, generator), x[:, None])


def compose(x: Tensor, proposal: Tensor, mask: Tensor) -> Tensor:
    """phi(x, z) = (1 - z) x + z x_hat for a mask that may be soft (Chang et al., ICLR 2019).

    x: [N, C, H, W]; proposal: [N, K, C, H, W]; mask: [N, K, H, W] in [0, 1] -> [N, K, C, H, W], differentiable
    in the mask.
    """
    # lerp is exact at both ends: mask 0 gives x, mask 1 the proposal, bit for bit.
    return torch.lerp(x[:, None], proposal, mask[:, :, None])
