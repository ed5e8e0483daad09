"""Does the knob do what it says? Requested against achieved, order, reach, and an independent network's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from core.evaluation.interval import bootstrap
from core.evaluation.sweeps import SweepTable


def rank_correlation(rows: np.ndarray, requested: np.ndarray) -> np.ndarray:
    """[N] Spearman correlation of each row of [N, K] with the requests; 0 for a row that does not move."""
    a = rankdata(rows, axis=1)
    b = rankdata(requested)
    a = a - a.mean(1, keepdims=True)
    b = b - b.mean()
    scale = np.sqrt(np.square(a).sum(1) * np.square(b).sum())
    return np.divide(a @ b, scale, out=np.zeros(len(rows)), where=scale > 0)


def compatibility_report(table: SweepTable, *, seed: int = 0) -> dict[str, Any]:
    """The knob's honesty in numbers, each with a bootstrap interval over pictures.

    error: mean |f(x_d) - request|; monotone: share of pictures with Spearman >= .98; top and bottom: share with
    f > .9 at the highest request and < .1 at the lowest; witness_ratio: mean span of the independent network
    between the ends over that of f; witness_sign: share of pictures for which it
    answers more at the highest request than at the lowest, whatever f does.
    """
    achieved, requested = table.achieved, table.requested
    order = rank_correlation(achieved, requested)
    report: dict[str, Any] = {
        "n": len(achieved),
        "requests": [float(r) for r in requested],
        "error": bootstrap(lambda a: float(np.abs(a - requested).mean()), achieved, seed=seed).to_dict(),
        "spearman_mean": bootstrap(lambda o: float(o.mean()), order, seed=seed).to_dict(),
        "monotone": bootstrap(lambda o: float((o >= 0.98).mean()), order, seed=seed).to_dict(),
        "top": bootstrap(lambda a: float((a[:, -1] > 0.9).mean()), achieved, seed=seed).to_dict(),
        "bottom": bootstrap(lambda a: float((a[:, 0] < 0.1).mean()), achieved, seed=seed).to_dict(),
        "curve": [round(float(v), 4) for v in achieved.mean(0)],
        "span": bootstrap(lambda a: float((a[:, -1] - a[:, 0]).mean()), achieved, seed=seed).to_dict(),
        "distance": bootstrap(lambda d: float(d.mean()), table.distance, seed=seed).to_dict(),
        "cycle": bootstrap(lambda c: float(c.mean()), table.cycle, seed=seed).to_dict(),
        "still_max": round(float(table.still.max()), 6),
    }
    if table.witness is not None:
        w = table.witness
        report["witness_curve"] = [round(float(v), 4) for v in w.mean(0)]
        report["witness_ratio"] = bootstrap(_ratio, achieved, w, seed=seed).to_dict()
        report["witness_sign"] = bootstrap(lambda v: float((v[:, -1] > v[:, 0]).mean()), w, seed=seed).to_dict()
    return report


def _ratio(achieved: np.ndarray, witness: np.ndarray) -> float:
    span = float((achieved[:, -1] - achieved[:, 0]).mean())
    return float((witness[:, -1] - witness[:, 0]).mean()) / span if span else float("nan")
