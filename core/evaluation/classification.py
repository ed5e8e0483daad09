"""How good a binary classifier is, and whether its probabilities mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from core.evaluation.interval import bootstrap

BINS = 10


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties shared (Mann-Whitney); NaN when only one class is there."""
    positive = labels == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share right at a threshold of one half."""
    return float(((probabilities > 0.5) == (labels == 1)).mean())


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> list[dict[str, float]]:
    """For each bin of predicted probability that is not empty: its mean prediction, share positive, and count."""
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        {
            "predicted": round(float(probabilities[which == k].mean()), 4),
            "observed": round(float(labels[which == k].mean()), 4),
            "n": int((which == k).sum()),
        }
        for k in range(bins)
        if (which == k).any()
    ]


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Mean over images of |share positive - mean prediction| of the image's bin (Guo et al., ICML 2017)."""
    total = sum(r["n"] * abs(r["predicted"] - r["observed"]) for r in reliability(labels, probabilities, bins))
    return total / len(labels)


def classification_report(labels: np.ndarray, probabilities: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Everything metrics.json says of one target. labels, probabilities: [N]; unknown labels left out before."""
    measure = {"auc": auc, "accuracy": accuracy, "ece": expected_calibration_error}
    report: dict[str, Any] = {"n": len(labels), "positives": int((labels == 1).sum())}
    if not len(labels):
        return report
    for name, function in measure.items():
        report[name] = bootstrap(function, labels, probabilities, seed=seed).to_dict()
    negative, positive = labels == 0, labels == 1
    if negative.any() and positive.any():
        report["specificity"] = bootstrap(
            lambda p: float((p <= 0.5).mean()), probabilities[negative], seed=seed
        ).to_dict()
        report["sensitivity"] = bootstrap(
            lambda p: float((p > 0.5).mean()), probabilities[positive], seed=seed
        ).to_dict()
    report["reliability"] = reliability(labels, probabilities)
    return report
