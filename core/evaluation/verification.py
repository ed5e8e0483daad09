"""Face verification accuracy: faces that were changed, compared with their originals by a face recogniser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.evaluation.identity import THRESHOLD, describe_face
from core.evaluation.interval import Interval, bootstrap
from core.evaluation.pixels import to_unit
from core.evaluation.sweeps import CENTRES
from core.explainers.changer import Changer
from core.explainers.render import render, to_bytes
from core.images.picture import Prepared


def verification_report(
    changer: Changer,
    f: Any,
    views: list[np.ndarray],
    tensors: np.ndarray,
    others: np.ndarray,
    *,
    requests: tuple[float, ...] = (CENTRES[0], CENTRES[-1]),
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """views: N aligned faces [H, W, 3] float32 at full resolution; tensors: the same at network size, uint8
    [N, 3, S, S]; others: [N] index of a picture of somebody else, for the rate of false matches, or empty where there
    is nobody else.

    Accuracy is the share of changed faces within the recogniser's threshold of their original.
    """
    goal = torch.tensor(requests, device=device)
    same = np.zeros((len(views), len(requests)), dtype=bool)
    descriptions, distances = [], []
    for i, (view, tensor) in enumerate(zip(views, tensors, strict=True)):
        x = to_unit(tensor[None], device)
        with torch.no_grad():
            change, _ = changer.sweep(f, x, goal, changer.modes[0])
        prepared = Prepared(tensor=x[0].cpu().numpy(), view=view, digest="", placement=np.eye(2, 3))
        original = to_bytes(view)
        own = describe_face(original)
        descriptions.append(own)
        for k in range(len(requests)):
            changed = to_bytes(render(view, prepared, change, k))
            distance = float(np.linalg.norm(own - describe_face(changed, original)))
            distances.append(distance)
            same[i, k] = distance < THRESHOLD
        if progress is not None:
            progress(i + 1, len(views))
    strangers = Interval(np.nan, np.nan, np.nan)
    if len(others):
        apart = np.linalg.norm(np.stack(descriptions) - np.stack(descriptions)[others], axis=1)
        strangers = bootstrap(lambda s: float(s.mean()), apart < THRESHOLD, seed=seed)
    return {
        "network": f"dlib face recognition ResNet, Euclidean distance < {THRESHOLD}",
        "n": len(views),
        "requests": list(requests),
        "accuracy": bootstrap(lambda s: float(s.mean()), same, seed=seed).to_dict(),
        "mean_distance": round(float(np.mean(distances)), 4),
        "false_matches": strangers.to_dict(),
    }
