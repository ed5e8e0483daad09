"""What happens to a measured quantity, over a population, as the knob turns (Singla et al., ICLR 2020, Figure 4 a, b).

Besides p-values, which a large cohort makes small for any difference, effect sizes are given: the paper's own
reading of its tests rests on p alone (METHODS 1d).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from core.evaluation.interval import bootstrap


def trend(requested: np.ndarray, sizes: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """How a quantity goes with the condition. sizes: [N, K], NaN where it could not be measured.

    mean: [K] with intervals; slope: of each picture's own line, mean over pictures, per unit of probability;
    rising: share of pictures whose line rises; spearman: mean rank correlation over pictures.
    """
    kept = sizes[np.isfinite(sizes).all(1)]
    centred = requested - requested.mean()
    slopes = (kept - kept[:, :1]) @ centred / (centred @ centred)  # exactly 0 for a row that stays the same
    ranks = np.array([stats.spearmanr(requested, row).statistic if np.ptp(row) > 0 else 0.0 for row in kept])
    return {
        "n": len(kept),
        "requested": [float(r) for r in requested],
        "mean": [bootstrap(_mean, kept[:, k], seed=seed).to_dict() for k in range(kept.shape[1])],
        "slope": bootstrap(_mean, slopes, seed=seed).to_dict(),
        "rising": bootstrap(_mean, (slopes > 0).astype(float), seed=seed).to_dict(),
        "spearman": bootstrap(_mean, ranks, seed=seed).to_dict(),
    }


def paired_test(before: np.ndarray, after: np.ndarray) -> dict[str, float | int]:
    """Paired t-test of two [N] samples of the same pictures; effect is Cohen's d_z, mean difference by its spread."""
    both = np.isfinite(before) & np.isfinite(after)
    difference = after[both] - before[both]
    if len(difference) < 3 or difference.std() == 0:
        return {"n": len(difference)}
    result = stats.ttest_rel(after[both], before[both])
    return _test(result, len(difference), difference.mean(), difference.mean() / difference.std(ddof=1))


def independent_test(a: np.ndarray, b: np.ndarray) -> dict[str, float | int]:
    """Welch's t-test of two samples; effect is Cohen's d with the pooled spread; difference is b - a."""
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < 3 or (a.std() == 0 and b.std() == 0):
        return {"n": len(a), "n_other": len(b)}
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    result = stats.ttest_ind(b, a, equal_var=False)
    difference = b.mean() - a.mean()
    return _test(result, len(a), difference, difference / pooled) | {"n_other": len(b)}


def groups_report(
    positive: np.ndarray, query: np.ndarray, less: np.ndarray, more: np.ndarray, *, seed: int = 0
) -> dict[str, Any]:
    """The paper's four groups of a quantity and its four tests.

    positive: [N] bool, by the label; query, less, more: [N], the quantity in the picture and in the frames asked for
    least and for most. healthy and condition are the pictures themselves, made_condition and made_healthy what the
    knob made of the opposite group.
    """
    groups = {
        "healthy": query[~positive],
        "condition": query[positive],
        "made_condition": more[~positive],
        "made_healthy": less[positive],
    }
    return {
        "groups": {name: _distribution(values, seed) for name, values in groups.items()},
        "paired": {
            "healthy to made_condition": paired_test(query[~positive], more[~positive]),
            "condition to made_healthy": paired_test(query[positive], less[positive]),
        },
        "independent": {
            "healthy against made_healthy": independent_test(groups["healthy"], groups["made_healthy"]),
            "condition against made_condition": independent_test(groups["condition"], groups["made_condition"]),
            "healthy against condition": independent_test(groups["healthy"], groups["condition"]),
        },
    }


def _distribution(values: np.ndarray, seed: int) -> dict[str, Any]:
    found = values[np.isfinite(values)]
    report: dict[str, Any] = {"n": len(found), "not_found": int(len(values) - len(found))}
    if len(found):
        quartiles = np.percentile(found, [5, 25, 50, 75, 95])
        report |= {
            "mean": bootstrap(_mean, found, seed=seed).to_dict(),
            "spread": round(float(found.std(ddof=1)), 5) if len(found) > 1 else None,
            "percentiles": [round(float(q), 5) for q in quartiles],
        }
    return report


def _test(result: Any, n: int, difference: float, effect: float) -> dict[str, float | int]:
    return {
        "n": n, "difference": round(float(difference), 6), "t": round(float(result.statistic), 4),
        "p": float(f"{float(result.pvalue):.3g}"), "effect": round(float(effect), 4),
    }  # fmt: skip


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
