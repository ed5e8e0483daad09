"""Bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.interval import Interval, bootstrap, bootstrap_means


def mean(x):
    return float(x.mean())


def test_the_value_is_the_statistic_itself():
    assert bootstrap(mean, np.array([1.0, 2.0, 6.0])).value == 3


def test_the_interval_has_the_width_of_theory():
    x = np.random.default_rng(0).normal(0, 1, 400)
    found = bootstrap(mean, x)
    error = 1.96 * x.std() / 20
    assert found.low == pytest.approx(x.mean() - error, abs=0.2 * error)
    assert found.high == pytest.approx(x.mean() + error, abs=0.2 * error)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(120):
        found = bootstrap(mean, rng.exponential(1.0, 80), rounds=200, seed=seed)
        hits += found.low <= 1 <= found.high
    assert 0.86 <= hits / 120 <= 1.0


def test_it_is_seeded():
    x = np.random.default_rng(0).normal(size=50)
    assert bootstrap(mean, x, seed=3) == bootstrap(mean, x, seed=3)
    assert bootstrap(mean, x, seed=3) != bootstrap(mean, x, seed=4)


def test_rows_of_all_samples_stay_together():
    x = np.arange(30.0)
    assert bootstrap(lambda a, b: float(np.abs(a - b).max()), x, x) == Interval(0, 0, 0)


def test_rows_are_pictures_not_numbers():
    # Two requests of a picture are not independent: 40 identical columns must not narrow the interval.
    x = np.random.default_rng(0).normal(size=(50, 1))
    assert bootstrap(mean, np.repeat(x, 40, axis=1)).high == pytest.approx(bootstrap(mean, x).high)


def test_resamples_without_an_answer_do_not_count():
    found = bootstrap(lambda x: float("nan") if x[0] > 5 else float(x.mean()), np.arange(10.0))
    assert np.isfinite([found.value, found.low, found.high]).all()


def test_it_is_rounded_for_the_file():
    assert Interval(0.1234567, 0, 1).to_dict() == {"value": 0.12346, "low": 0, "high": 1}


def test_columns_at_once_are_columns_one_by_one():
    x = np.random.default_rng(0).normal(size=(20, 3))
    for column, found in zip(x.T, bootstrap_means(x, rounds=100, seed=2), strict=True):
        one = bootstrap(mean, column, rounds=100, seed=2)
        assert (found.value, found.low, found.high) == pytest.approx((one.value, one.low, one.high))
