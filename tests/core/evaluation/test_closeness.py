"""Latent space closeness, by hand and at its two extremes."""

from __future__ import annotations

import numpy as np

from core.evaluation.closeness import latent_space_closeness

RNG = np.random.default_rng(0)
QUERIES = RNG.normal(size=(40, 12)).astype(np.float32)


def test_by_hand():
    queries = np.array([[0.0], [10.0], [20.0]])
    explanations = np.array([[1.0], [14.0], [16.0]])
    # own distances 1, 4, 4; to the nearest other explanation 13, 2, 2
    assert latent_space_closeness(queries, explanations).tolist() == [True, False, False]


def test_an_identity_generator_is_always_closest():
    assert latent_space_closeness(QUERIES, QUERIES.copy()).all()


def test_a_constant_generator_never_is():
    constant = np.repeat(RNG.normal(size=(1, 12)).astype(np.float32), 40, axis=0)
    assert latent_space_closeness(QUERIES, constant).mean() < 0.05


def test_a_small_change_is_close_and_a_large_one_is_not():
    noise = RNG.normal(size=QUERIES.shape).astype(np.float32)
    assert latent_space_closeness(QUERIES, QUERIES + 0.1 * noise).all()
    assert latent_space_closeness(QUERIES, RNG.normal(size=QUERIES.shape).astype(np.float32)).mean() < 0.5


def test_large_embeddings_in_half_precision_lose_nothing():
    # Squared norms near 1e6: the difference of two of them must not drown a distance of 1.
    far = (QUERIES + 300).astype(np.float32)
    assert latent_space_closeness(far, far.astype(np.float16).astype(np.float32)).all()
