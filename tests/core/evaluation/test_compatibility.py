"""The knob's honesty, from tables written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from core.evaluation.compatibility import compatibility_report, rank_correlation
from core.evaluation.sweeps import CENTRES, SweepTable

REQUESTED = np.array([0.1, 0.5, 0.9])


def table(achieved, witness=None, requested=REQUESTED) -> SweepTable:
    achieved = np.asarray(achieved, np.float32)
    n, k = achieved.shape
    return SweepTable(
        requested=np.asarray(requested),
        query=achieved[:, 0],
        achieved=achieved,
        witness=None if witness is None else np.asarray(witness, np.float32),
        witness_query=None if witness is None else np.asarray(witness, np.float32)[:, 0],
        distance=np.full((n, k), 0.25, np.float32),
        cycle=np.full((n, k), 0.125, np.float32),
        still=np.array([0.0] * (n - 1) + [0.001], np.float32),
        embedding=np.zeros((n, 4), np.float32),
        embeddings=np.zeros((n, k, 4), np.float16),
        frames=np.zeros((n, k, 1, 8, 8), np.uint8),
    )


def test_rank_correlation_by_hand():
    rows = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [1, 1, 1, 1], [1, 3, 2, 4]], float)
    assert rank_correlation(rows, np.arange(4)).tolist() == pytest.approx([1, -1, 0, 0.8])


def test_rank_correlation_shares_ties_as_scipy_does():
    rng = np.random.default_rng(0)
    rows, requested = rng.integers(0, 5, (20, 9)).astype(float), np.arange(9.0)
    expected = [spearmanr(r, requested).statistic for r in rows]
    np.testing.assert_allclose(rank_correlation(rows, requested), expected, atol=1e-12)


def test_a_perfect_knob():
    report = compatibility_report(table([REQUESTED] * 4, [REQUESTED] * 4))
    assert report["n"] == 4
    assert report["error"]["value"] == pytest.approx(0, abs=1e-5)
    for name in ("spearman_mean", "monotone", "witness_ratio", "witness_sign"):
        assert report[name]["value"] == pytest.approx(1, abs=1e-5), name
    assert report["span"]["value"] == pytest.approx(0.8, abs=1e-5)


def test_numbers_by_hand():
    achieved = [[0.05, 0.5, 0.95], [0.3, 0.2, 0.8]]
    witness = [[0.2, 0.4, 0.6], [0.5, 0.5, 0.4]]
    report = compatibility_report(table(achieved, witness))
    assert report["error"]["value"] == pytest.approx((0.05 + 0 + 0.05 + 0.2 + 0.3 + 0.1) / 6, abs=1e-4)
    assert report["spearman_mean"]["value"] == pytest.approx((1 + 0.5) / 2, abs=1e-4)
    assert report["monotone"]["value"] == 0.5
    assert report["top"]["value"] == 0.5  # only one is above .9
    assert report["bottom"]["value"] == 0.5  # only one is below .1
    assert report["span"]["value"] == pytest.approx((0.9 + 0.5) / 2, abs=1e-4)
    assert report["curve"] == pytest.approx([0.175, 0.35, 0.875], abs=1e-4)
    assert report["witness_curve"] == pytest.approx([0.35, 0.45, 0.5], abs=1e-4)
    assert report["witness_ratio"]["value"] == pytest.approx(0.15 / 0.7, abs=1e-4)
    assert report["witness_sign"]["value"] == 0.5
    assert report["distance"]["value"] == 0.25
    assert report["cycle"]["value"] == 0.125
    assert report["still_max"] == pytest.approx(0.001)
    assert report["requests"] == REQUESTED.tolist()


def test_without_a_witness_nothing_is_said_of_one():
    report = compatibility_report(table([REQUESTED] * 3))
    assert not [name for name in report if name.startswith("witness")]


def test_an_adversarial_knob_shows():
    # f moves as asked, an independent network hardly does.
    honest = compatibility_report(table([REQUESTED] * 4, [REQUESTED] * 4))
    fooled = compatibility_report(table([REQUESTED] * 4, [[0.4, 0.42, 0.44]] * 4))
    assert fooled["error"] == honest["error"]
    assert fooled["witness_ratio"]["value"] < 0.1


def test_a_dead_knob_is_still_json():
    report = compatibility_report(table([[0.4, 0.4, 0.4]] * 3, [[0.4, 0.4, 0.4]] * 3))
    assert report["monotone"]["value"] == 0
    json.dumps(report, allow_nan=False)


def test_the_requests_are_the_bins_centres():
    assert CENTRES == (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
