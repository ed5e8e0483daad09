"""The Fréchet distance of sets whose Gaussians are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from core.evaluation.frechet import FEWEST, frechet_distance, rounded_distance


def exact(mean, covariance, n: int = 400, seed: int = 0) -> np.ndarray:
    """n points with exactly this mean and (sample) covariance."""
    mean, covariance = np.atleast_1d(mean).astype(float), np.atleast_2d(covariance).astype(float)
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x = x - x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False).reshape(len(mean), -1))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_a_set_is_at_no_distance_from_itself():
    x = np.random.default_rng(0).normal(size=(200, 6))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_shifted_means():
    x = exact([0, 0], np.eye(2))
    assert frechet_distance(x, x + np.array([3, 4])) == pytest.approx(25)


def test_diagonal_gaussians_by_hand():
    a, b = exact([0, 0], np.diag([1, 4])), exact([1, 0], np.diag([9, 4]), seed=1)
    assert frechet_distance(a, b) == pytest.approx(1 + (1 - 3) ** 2 + 0)


def test_one_feature():
    assert frechet_distance(exact(0, 1), exact(2, 4, seed=1)) == pytest.approx(4 + 1)


def test_correlated_gaussians_as_with_a_matrix_root():
    ca, cb = np.array([[2, 0.5], [0.5, 1]]), np.array([[1, -0.3], [-0.3, 3]])
    expected = np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet_distance(exact([0, 0], ca), exact([0, 0], cb, seed=1)) == pytest.approx(expected)


def test_it_is_symmetric():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 5)), rng.normal(1, 2, size=(70, 5))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_fewer_pictures_than_features():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(12, 40)), rng.normal(size=(12, 40))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(a, b) > 1


def test_a_report_has_none_of_a_few():
    rng = np.random.default_rng(0)
    many, few = rng.normal(size=(FEWEST, 3)), rng.normal(size=(FEWEST - 1, 3))
    assert rounded_distance(many, many, 3) == 0
    assert rounded_distance(many, few) is None
    assert rounded_distance(few[:1], many) is None
