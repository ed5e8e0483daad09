"""Does turning the knob turn something it should not? Singla et al., ICLR 2020, section 4.4 and Table 3.

For every picture the knob is asked for more than .9 and for less than .1 of the target, and an oracle, a separately
trained network, is asked for the attribute before and after. The flip rate is the share of explanations whose
attribute, by the oracle, is not the query's: a plain mean of 1[g(x_d) != a] (METHODS: the released code divides twice).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox
from core.evaluation.interval import Interval, bootstrap, bootstrap_means
from core.explainers.exaggeration import sweep_batch
from core.networks.exaggerator import Exaggerator

ENDS = {"more": 0.95, "less": 0.05}  # the middles of the paper's f(x) + d > .9 and < .1
Records = Iterable[dict[str, Any]]
MIN_GROUP = 10  # a group with fewer pictures is listed and not measured


@torch.no_grad()
def explain_ends(
    network: Exaggerator, f: BlackBox, oracle: BlackBox, x: torch.Tensor, mode: str = "calibrated"
) -> dict[str, float]:
    """What f and the oracle say of one picture x [1, C, S, S] in [0, 1] and of its two exaggerations.

    Keys: query, oracle, and for each end `<end>` (f), `<end>_oracle`; all probabilities.
    """
    goal = torch.tensor(list(ENDS.values()), device=x.device)
    change, achieved = sweep_batch(network, f, x, goal, mode)
    seen = oracle.posterior(change.x)
    record = {"query": float(f.posterior(x)[0]), "oracle": float(oracle.posterior(x)[0])}
    for k, end in enumerate(ENDS):
        record[end], record[f"{end}_oracle"] = float(achieved[k]), float(seen[k])
    return {name: round(value, 6) for name, value in record.items()}


def confounding_report(records: Records, *, by: tuple[str, ...] = (), seed: int = 0) -> dict[str, Any]:
    """Flip rates and the oracle's answers over a cohort, with intervals, by subgroup, group sizes first.

    records: one a picture, as `explain_ends` gives, with `attribute` (0 or 1, the query's own) and the columns of
    `by` as text. Both ends are reported: how often f got there, the share the oracle reads as 1, the flip rate,
    the flip rate by the query's attribute and by subgroup, and two controls. `unchanged` is the oracle against the
    label on the query itself: what a knob that changes nothing would score. `randomised` shuffles the labels: what
    an attribute unrelated to the pictures would score. Both compare with the same pictures unturned, paired: `excess`
    is the flip rate minus that of the unchanged, and `moved` the share the oracle reads as 1 after minus before, of
    all and by group; its errors cancel in neither.
    """
    names = ("attribute", "oracle", *ENDS, *(f"{end}_oracle" for end in ENDS))
    columns, texts = _columns((r for r in records if r.get("attribute") in (0, 1)), names, by)
    attribute = columns["attribute"]
    report: dict[str, Any] = {"n": len(attribute)}
    if not len(attribute):
        return report
    groups = _groups(attribute, texts)
    report["groups"] = {name: int(inside.sum()) for name, inside in groups.items()}
    before = columns["oracle"] > 0.5
    wrong = before != attribute
    report["unchanged"] = _share(wrong, seed).to_dict()
    measured = {name: inside for name, inside in groups.items() if inside.sum() >= MIN_GROUP}
    report["unchanged_groups"] = {name: round(float(wrong[inside].mean()), 5) for name, inside in measured.items()}
    report["query"] = {"positive": round(float(attribute.mean()), 5), "oracle_positive": round(float(before.mean()), 5)}
    for end in ENDS:
        answer, after = columns[end], columns[f"{end}_oracle"] > 0.5
        reached = answer > 0.9 if end == "more" else answer < 0.1
        flipped = after != attribute
        report[end] = {
            "requested": ENDS[end],
            "reached": _share(reached, seed).to_dict(),
            "oracle_positive": _share(after, seed).to_dict(),
            "flipped": _share(flipped, seed).to_dict(),
            "excess": _share(flipped.astype(float) - wrong, seed).to_dict(),
            "moved": {
                name: _share(after[inside].astype(float) - before[inside], seed).to_dict()
                for name, inside in {"all": np.ones(len(after), dtype=bool), **measured}.items()
            },
            "flipped_where_reached": _share(flipped[reached], seed).to_dict() if reached.any() else None,
            "groups": {name: _share(flipped[inside], seed).to_dict() for name, inside in measured.items()},
            "randomised": _randomised(after, attribute, seed),
        }
    return report


def compare_flips(a: Records, b: Records, *, seed: int = 0) -> dict[str, Any]:
    """Two classifiers on the same pictures: difference and ratio of their flip rates, paired over pictures.

    a, b: records of the same pictures in the same order. Ratio a / b; None where b never flips.
    """
    both = [_columns(rows, ("attribute", *(f"{end}_oracle" for end in ENDS)))[0] for rows in (a, b)]
    report: dict[str, Any] = {"n": len(both[0]["attribute"])}
    for end in ENDS:
        flips = [((c[f"{end}_oracle"] > 0.5) != c["attribute"]).astype(float) for c in both]
        ratio = bootstrap(lambda p, q: float(p.mean() / q.mean()) if q.any() else np.nan, *flips, seed=seed)
        report[end] = {
            "difference": bootstrap(lambda p, q: float(p.mean() - q.mean()), *flips, seed=seed).to_dict(),
            "ratio": ratio.to_dict(),
        }
    return report


def _columns(
    records: Records, names: tuple[str, ...], by: tuple[str, ...] = ()
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """([N] float64 by name, [N] text by column of `by`) of records that are looked at once and let go."""
    numbers = {name: array("d") for name in names}
    texts: dict[str, list[str]] = {column: [] for column in by}
    for record in records:
        for name, values in numbers.items():
            values.append(record[name])
        for column, words in texts.items():
            words.append(sys.intern(str(record.get(column, ""))))
    return {n: np.array(v) for n, v in numbers.items()}, {n: np.array(v) for n, v in texts.items()}


def _groups(attribute: np.ndarray, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    groups = {f"attribute={value}": attribute == value for value in (0, 1)}
    for column, values in texts.items():
        groups |= {f"{column}={value}": values == value for value in sorted(set(values))}
    return groups


def _share(values: np.ndarray, seed: int) -> Interval:
    """The mean of flags, or of differences of flags."""
    return bootstrap_means(values.astype(float)[:, None], seed=seed)[0]


def _randomised(after: np.ndarray, attribute: np.ndarray, seed: int, rounds: int = 500) -> dict[str, float]:
    """Flip rate with the labels shuffled: mean, 2.5 % and 97.5 % over shuffles, and what chance predicts."""
    rng = np.random.default_rng(seed)
    rates = [float((after != rng.permutation(attribute)).mean()) for _ in range(rounds)]
    p, q = float(after.mean()), float(attribute.mean())
    low, high = np.percentile(rates, [2.5, 97.5])
    return {
        "value": round(float(np.mean(rates)), 5), "low": round(float(low), 5), "high": round(float(high), 5),
        "expected": round(p * (1 - q) + q * (1 - p), 5),
    }  # fmt: skip
