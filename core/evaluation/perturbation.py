"""AOPC: replace the most important pixels first and watch the two scores.

Samek et al., IEEE TNNLS 2017, for the area over the perturbation curve; read one against one: pixels that speak for o
against t should, replaced, lower S_o and raise S_t. Pixels are replaced by the mean training picture, the same for
every map, or by the map's own baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.classifiers.multiclass import MultiClass
from core.evaluation.curves import ranks

SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
ORDERS = ("most", "random", "least")


@dataclass(frozen=True)
class Perturbation:
    """[N] means over SHARES: how far the logit of o fell, and that of t rose."""

    fall: Tensor
    rise: Tensor


@torch.no_grad()
def aopc(
    network: MultiClass, x: Tensor, filler: Tensor, maps: Tensor, origin: Tensor, target: Tensor, *,
    order: str = "most", seed: int = 0,
) -> Perturbation:  # fmt: skip
    """x, filler: [N, C, H, W] in [0, 1]; maps: [N, H, W], signed, greater speaks for the origin; origin, target: [N].

    order: 'most' important first, 'least' (the inverse), or 'random'; ties at random. Raises ValueError for another.
    """
    n, _, height, width = x.shape
    if order not in ORDERS:
        raise ValueError(f"there is no order {order!r}")
    # A map that says nothing has ties alone, which come at random: that is the order 'random'. Many maps are 0 over
    # most of a picture, and broken by position their ties would favour its upper rows.
    importance = maps * {"most": 1, "random": 0, "least": -1}[order]
    rank = ranks(importance[:, None], torch.Generator(x.device).manual_seed(seed))
    rows = torch.arange(n, device=x.device)
    before = network(x)
    falls, rises = [], []
    for share in SHARES:
        logits = network(torch.where(rank < round(share * height * width), filler, x))
        falls.append(before[rows, origin] - logits[rows, origin])
        rises.append(logits[rows, target] - before[rows, target])
    return Perturbation(torch.stack(falls).mean(0), torch.stack(rises).mean(0))
