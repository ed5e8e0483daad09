"""Measures of a classifier, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.evaluation.classification import (
    accuracy,
    auc,
    classification_report,
    expected_calibration_error,
    reliability,
)


def a(*values) -> np.ndarray:
    return np.array(values, float)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        (a(0, 0, 1, 1), a(0.1, 0.2, 0.8, 0.9), 1.0),
        (a(0, 0, 1, 1), a(0.9, 0.8, 0.2, 0.1), 0.0),
        (a(0, 1, 0, 1), a(0.1, 0.4, 0.6, 0.8), 0.75),  # 3 of 4 pairs in order
        (a(0, 1), a(0.5, 0.5), 0.5),  # a tie counts half
        (a(0, 0, 1, 1), a(0.3, 0.5, 0.5, 0.7), 0.875),  # 3 pairs and a tie, of 4
        (a(0, 1, 1), a(0.2, 0.2, 0.2), 0.5),
    ],
)
def test_auc_counts_pairs_in_order(labels, scores, expected):
    assert auc(labels, scores) == pytest.approx(expected)


def test_auc_is_every_pair_counted():
    rng = np.random.default_rng(0)
    labels, scores = (rng.random(60) < 0.3).astype(float), rng.integers(0, 12, 60) / 12
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1] for n in scores[labels == 0]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_unknown():
    assert np.isnan(auc(a(1, 1), a(0.2, 0.3)))


def test_accuracy_by_hand():
    assert accuracy(a(1, 0, 1, 0), a(0.9, 0.6, 0.4, 0.5)) == 0.5  # one half is not above one half


def test_reliability_by_hand():
    rows = reliability(a(1, 0, 1, 1), a(0.11, 0.19, 0.99, 1.0))
    assert rows == [{"predicted": 0.15, "observed": 0.5, "n": 2}, {"predicted": 0.995, "observed": 1.0, "n": 2}]


def test_reliability_counts_everything_once():
    p = np.linspace(0, 1, 501)
    rows = reliability((p > 0.5).astype(float), p)
    assert sum(r["n"] for r in rows) == 501
    assert len(rows) == 10


def test_calibration_error_by_hand():
    # Bin .1: |.5 - .15| for two; bin .9: |1 - .995| for two.
    error = expected_calibration_error(a(1, 0, 1, 1), a(0.11, 0.19, 0.99, 1.0))
    assert error == pytest.approx((2 * 0.35 + 2 * 0.005) / 4, abs=1e-4)


def test_perfect_calibration_has_no_error():
    labels, p = np.repeat([0.0, 1.0, 0.0, 1.0], [75, 25, 25, 75]), np.repeat([0.25, 0.25, 0.75, 0.75], [75, 25, 25, 75])
    assert expected_calibration_error(labels, p) == pytest.approx(0)


def test_a_report_holds_every_number_with_its_interval():
    rng = np.random.default_rng(0)
    p = rng.random(300)
    labels = (rng.random(300) < p).astype(float)
    report = classification_report(labels, p)
    assert report["n"] == 300
    assert report["positives"] == labels.sum()
    for name in ("auc", "accuracy", "ece", "sensitivity", "specificity"):
        number = report[name]
        assert number["low"] <= number["value"] <= number["high"] or name == "ece", name
        assert number["low"] < number["high"], name
    assert report["sensitivity"]["value"] == pytest.approx((p[labels == 1] > 0.5).mean(), abs=1e-5)
    assert report["specificity"]["value"] == pytest.approx((p[labels == 0] <= 0.5).mean(), abs=1e-5)
    json.dumps(report, allow_nan=False)


def test_a_report_of_one_class_is_still_json():
    report = classification_report(np.ones(20), np.linspace(0, 1, 20))
    json.dumps(report, allow_nan=False)


def test_a_report_of_nothing_says_so():
    report = classification_report(np.zeros(0), np.zeros(0))
    assert report["n"] == 0
