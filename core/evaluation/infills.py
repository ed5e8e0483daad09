"""How well an infill guesses what is hidden, and whether a set of filled pictures looks like the real set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import Classifier
from core.evaluation.frechet import frechet_distance
from core.evaluation.interval import bootstrap
from core.evaluation.pixels import to_unit
from core.infills.holes import random_holes_of
from core.infills.infill import Infill, fill

MISSING = (0.2, 0.6)  # share of a picture that is hidden


@torch.no_grad()
def infill_report(
    infills: dict[str, Infill],
    images: np.ndarray,
    features: Classifier | None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """For every infill, on the same pictures and holes: L1 inside the hole with an interval, the greatest change of a
    visible pixel, how much two samples differ inside it, and the Fréchet distance of filled and real pictures.

    images: [N, C, S, S] uint8, held out. Holes hide 20 to 60 % and follow the law of `core.infills.holes`.
    """
    x = to_unit(images, device)
    holes = random_holes_of(len(x), x.shape[-1], np.random.default_rng(seed), *MISSING).to(device)
    real = None if features is None else _features(features, x)
    done, report = 0, {}
    for name, infill in infills.items():
        generator = torch.Generator(x.device).manual_seed(seed)
        errors, spread, filled, touched = [], [], [], 0.0
        for rows in torch.arange(len(x)).split(batch):
            a, hole = x[rows], holes[rows]
            samples = fill(infill, a, hole, 2, generator)
            weight = hole.sum((1, 2, 3)) * a.shape[1]
            errors.append(((samples[:, 0] - a).abs() * hole).sum((1, 2, 3)) / weight)
            spread.append(((samples[:, 0] - samples[:, 1]).abs() * hole).sum((1, 2, 3)) / weight)
            touched = max(touched, float(((samples[:, 0] - a).abs() * (1 - hole)).max()))
            filled.append(samples[:, 0])
            done += len(rows)
            if progress is not None:
                progress(done, len(x) * len(infills))
        l1 = torch.cat(errors).cpu().numpy().astype(np.float64)
        report[name] = {
            "hole_l1": bootstrap(lambda v: float(v.mean()), l1, seed=seed).to_dict(),
            "visible_change": round(touched, 8),
            "between_samples": round(float(torch.cat(spread).mean()), 5),
        }
        if features is not None and real is not None and len(x) > 2:
            report[name]["frechet"] = round(frechet_distance(real, _features(features, torch.cat(filled))), 4)
    about = {"n": len(x), "missing": list(MISSING), "mean_missing": round(float(holes.mean()), 4)}
    if features is not None:
        about["features"] = "the study's independent network"
    return about | {"infills": report}


def _features(network: Classifier, x: torch.Tensor) -> np.ndarray:
    return torch.cat([network.features(part) for part in x.split(128)]).double().cpu().numpy()
