"""Everything measured about one knob, or what it is compared with, on held-out pictures, as metrics.json holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox, Classifier
from core.evaluation.closeness import latent_space_closeness
from core.evaluation.compatibility import compatibility_report
from core.evaluation.frechet import rounded_distance
from core.evaluation.interval import Interval, bootstrap
from core.evaluation.pixels import to_unit
from core.evaluation.sweeps import SweepTable, run_sweeps
from core.explainers.changer import Changer

Progress = Callable[[int, int], None] | None


def knob_report(
    changer: Changer,
    f: BlackBox,
    witness: BlackBox | None,
    features: Classifier | None,
    images: np.ndarray,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> dict[str, Any]:
    """Every mode of a changer on images [N, C, S, S] uint8 of the test split; the last is the most exact one, and of
    that one the share of requests met within .02 is reported as well.

    features: the network whose last features the Fréchet distances use; it must not be f.
    """
    report: dict[str, Any] = {"head": changer.head}
    for mode in changer.modes:
        table = run_sweeps(changer, f, witness, images, mode=mode, device=device, progress=progress)
        report[mode] = compatibility_report(table, seed=seed)
        if mode == changer.modes[0]:
            report["closeness"] = closeness(table, seed=seed)
            if features is not None:
                report["frechet"] = frechet_groups(table, images, features)
        if mode == changer.modes[-1]:
            within = np.abs(table.achieved - table.requested) <= 0.02
            report[mode]["within_0.02"] = bootstrap(lambda w: float(w.mean()), within, seed=seed).to_dict()
    return report


def closeness(table: SweepTable, *, seed: int = 0) -> dict[str, float | None]:
    """Latent space closeness over all pictures and requests, with its interval; None for a single picture, which has
    no other to be nearer to.
    """
    if len(table.embedding) < 2:
        return Interval(np.nan, np.nan, np.nan).to_dict()
    hits = np.stack(
        [
            latent_space_closeness(table.embedding.astype(np.float32), table.embeddings[:, k].astype(np.float32))
            for k in range(len(table.requested))
        ],
        axis=1,
    )
    return bootstrap(lambda h: float(h.mean()), hits, seed=seed).to_dict()


@torch.no_grad()
def network_features(features: Classifier, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """[N, C, S, S] uint8 -> [N, D] last features."""
    parts = [
        features.features(to_unit(images[i : i + batch], features.mean.device)) for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).cpu().numpy()


def frechet_groups(table: SweepTable, images: np.ndarray, features: Classifier) -> dict[str, Any]:
    """The paper's three groups: pictures f calls present (>= .9), absent (< .1), and all; real against changed.

    `real_halves` is the distance between two random halves of the real pictures: what sampling alone gives.
    """
    real = network_features(features, images)
    flat = table.frames.reshape(-1, *images.shape[1:])
    fake = network_features(features, flat)
    achieved = table.achieved.reshape(-1)
    order = np.random.default_rng(0).permutation(len(real))
    groups = {
        "present": (real[table.query >= 0.9], fake[achieved >= 0.9]),
        "absent": (real[table.query < 0.1], fake[achieved < 0.1]),
        "overall": (real, fake),
        "real_halves": (real[order[: len(real) // 2]], real[order[len(real) // 2 :]]),
    }
    name = f"{features.config['architecture']} of width {features.config['width']} (the independent network)"
    report: dict[str, Any] = {"features": name}
    for group, (a, b) in groups.items():
        report[group] = rounded_distance(a, b, 3)
    return report
