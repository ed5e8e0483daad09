"""A number with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """value, and the 2.5 % and 97.5 % percentiles of its bootstrap over images."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """For metrics.json, rounded; None where there is no such number (an AUC of one class)."""
        return {name: round(v, 5) if np.isfinite(v) else None for name, v in asdict(self).items()}


def bootstrap(statistic: Callable[..., float], *samples: np.ndarray, rounds: int = 1000, seed: int = 0) -> Interval:
    """statistic(*samples) with a percentile interval; rows of all samples are resampled together.

    samples: arrays whose first axis runs over images (or whatever the unit of independence is).
    """
    n = len(samples[0])
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        rows = rng.integers(n, size=n)
        value = statistic(*(s[rows] for s in samples))
        if np.isfinite(value):  # a resample with one class only has no AUC
            values.append(value)
    low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
    return Interval(float(statistic(*samples)), float(low), float(high))


def bootstrap_means(values: np.ndarray, *, rounds: int = 1000, seed: int = 0) -> list[Interval]:
    """The mean of each column of values [N, K] as `bootstrap` gives it; rows are images and resampled together."""
    n = len(values)
    rng = np.random.default_rng(seed)
    means = np.stack([values[rng.integers(n, size=n)].mean(0) for _ in range(rounds)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Interval(*map(float, three)) for three in zip(values.mean(0), low, high, strict=True)]
