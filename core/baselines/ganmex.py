"""GANMEX: the nearest realistic picture that the classifier calls the target class, made by a translator.

Shih, Tien, Karnin: "GANMEX: One-vs-One Attributions using GAN-based Model Explainability", ICML 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.networks.translator import Translator


class GanmexBaseline:
    """G(x, target)."""

    name, one_vs_one = "ganmex", True

    def __init__(self, network: Translator) -> None:
        self.network = network

    @torch.no_grad()
    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`."""
        return self.network(x, torch.full((len(x),), target, device=x.device))[:, None]
