"""Run a knob, or whatever else changes pictures, over held-out ones and keep what every measure of it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox
from core.evaluation.pixels import to_unit
from core.explainers.changer import Changer

CENTRES = tuple(round(0.05 + 0.1 * k, 2) for k in range(10))  # the ten bins' centres


@dataclass(frozen=True)
class SweepTable:
    """N pictures, K requests. Arrays are float32 unless said otherwise."""

    requested: np.ndarray  # [K]
    query: np.ndarray  # [N] f(x)
    achieved: np.ndarray  # [N, K] f(x_d)
    witness: np.ndarray | None  # [N, K]
    witness_query: np.ndarray | None  # [N]
    distance: np.ndarray  # [N, K] mean |x - x_d| on [0, 1]
    cycle: np.ndarray  # [N, K] mean |x - I(I(x, d), -d)| on [0, 1]
    still: np.ndarray  # [N] max |I(x, 0) - x|
    embedding: np.ndarray  # [N, D] E(x)
    embeddings: np.ndarray  # [N, K, D] E(x_d), float16
    frames: np.ndarray  # [N, K, C, S, S] uint8


@torch.no_grad()
def run_sweeps(
    changer: Changer,
    f: BlackBox,
    witness: BlackBox | None,
    images: np.ndarray,
    *,
    mode: str = "direct",
    requests: tuple[float, ...] = CENTRES,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> SweepTable:
    """Sweep every picture of images [N, C, S, S] uint8. mode: one of the changer's."""
    goal = torch.tensor([float(r) for r in requests], device=device)
    kept: dict[str, list[np.ndarray]] = {
        name: []
        for name in (
            "query",
            "achieved",
            "witness",
            "witness_query",
            "distance",
            "cycle",
            "still",
            "embedding",
            "embeddings",
            "frames",
        )
    }
    for i, image in enumerate(images):
        x = to_unit(image[None], device)
        p = f.posterior(x)
        change, achieved = changer.sweep(f, x, goal, mode)
        # The way back starts from what f says of x_d and asks for what it said of x.
        back = changer.back(f, change.x, torch.as_tensor(achieved, dtype=torch.float32, device=x.device), p)
        still = changer.still(f, x)
        kept["query"].append(p.cpu().numpy())
        kept["achieved"].append(achieved)
        if witness is not None:
            kept["witness"].append(witness.posterior(change.x).cpu().numpy())
            kept["witness_query"].append(witness.posterior(x).cpu().numpy())
        kept["distance"].append((change.x - x).abs().mean((1, 2, 3)).cpu().numpy())
        kept["cycle"].append((back - x).abs().mean((1, 2, 3)).cpu().numpy())
        kept["still"].append((still - x).abs().amax((1, 2, 3)).cpu().numpy())
        kept["embedding"].append(changer.embed(x).cpu().numpy())
        kept["embeddings"].append(changer.embed(change.x).cpu().numpy().astype(np.float16))
        kept["frames"].append((change.x * 255).round().to(torch.uint8).cpu().numpy())
        if progress is not None:
            progress(i + 1, len(images))
    one = ("query", "witness_query", "still", "embedding")
    stacked = {
        name: None if not rows else np.concatenate(rows) if name in one else np.stack(rows)
        for name, rows in kept.items()
    }
    return SweepTable(requested=np.asarray(requests), **stacked)  # type: ignore[arg-type]
