"""How well organs are found: Dice overlap with masks drawn by people."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.evaluation.interval import bootstrap
from core.evaluation.pixels import to_unit
from core.networks.unet import UNet


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two bool masks; 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2 * int((a & b).sum()) / total


def segmentation_report(
    network: UNet,
    images: np.ndarray,
    masks: dict[str, dict[int, np.ndarray]],
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Dice an organ with its interval over pictures.

    images: [N, C, S, S] uint8 at the network's size; masks: organ -> row number -> [S, S] bool.
    """
    report: dict[str, Any] = {"size": network.config.size}
    for k, organ in enumerate(network.config.organs):
        scores = [
            dice(network.segment(to_unit(images[[i]], device))[0, k].cpu().numpy(), mask)
            for i, mask in masks[organ].items()
        ]
        if scores:
            interval = bootstrap(lambda v: float(v.mean()), np.array(scores), seed=seed)
            report[organ] = {"n": len(scores), "dice": interval.to_dict()}
    return report
