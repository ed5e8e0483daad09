"""Fréchet distance between two image sets in the features of a named network. Never called FID: FID is Inception's."""

from __future__ import annotations

import numpy as np

FEWEST = 11  # pictures in either set: of fewer a covariance says nothing


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to feature sets a [N, D] and b [M, D].

    The trace of the matrix root is the sum of the roots of the eigenvalues of S_a S_b, which needs no matrix
    square root (Heusel et al., NeurIPS 2017, for the distance).
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eigenvalues = np.linalg.eigvals(np.atleast_2d(cov_a) @ np.atleast_2d(cov_b))
    root = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    return float(mean + np.trace(np.atleast_2d(cov_a)) + np.trace(np.atleast_2d(cov_b)) - 2 * root)


def rounded_distance(a: np.ndarray, b: np.ndarray, digits: int = 4) -> float | None:
    """`frechet_distance` for a report, or None where one of the sets has fewer than FEWEST pictures."""
    return round(frechet_distance(a, b), digits) if min(len(a), len(b)) >= FEWEST else None
