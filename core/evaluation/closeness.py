"""Latent space closeness: is an explanation nearer to its own query than to any other query's explanation?"""

from __future__ import annotations

import numpy as np


def latent_space_closeness(queries: np.ndarray, explanations: np.ndarray) -> np.ndarray:
    """[N] bool for one delta: ||E(x) - E(x_d)|| < min over other images m of ||E(x_d) - E(m_d)||.

    queries: [N, D], E of the query pictures; explanations: [N, D], E of their explanations at this delta
    (Singla et al., ICLR 2020, Eq. 10). The paper's score is the mean over pictures and deltas.
    """
    own = np.square(queries - explanations).sum(1)
    square = np.square(explanations).sum(1)
    others = square[:, None] + square[None] - 2 * explanations @ explanations.T
    np.fill_diagonal(others, np.inf)
    return own < np.maximum(others.min(1), 0)
