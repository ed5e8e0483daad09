"""The losses of a knob's training, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from core.evaluation.closeness import latent_space_closeness
from core.training.losses import (
    compatibility,
    departure_loss,
    likeness_loss,
    moved_as_far,
    nearness_loss,
    total_variation,
)

# Compatibility


@given(st.floats(-8, 8, width=32), st.floats(0.0625, 0.9375, width=32))
def test_compatibility_is_the_divergence(logit, target):
    p = 1 / (1 + np.exp(-np.float64(logit)))
    expected = entropy([target, 1 - target], [p, 1 - p])
    assert float(compatibility(torch.tensor([logit]), torch.tensor([target]))) == pytest.approx(expected, abs=2e-5)


@given(st.floats(-20, 20, width=32), st.floats(0, 1, width=32))
def test_compatibility_is_never_negative(logit, target):
    assert float(compatibility(torch.tensor([logit]), torch.tensor([target]))) >= -1e-6


def test_compatibility_by_hand():
    # KL(.5 || .25) = .5 ln 2 + .5 ln(2/3); the other way round it would be .131
    logit = torch.logit(torch.tensor([0.25]))
    assert float(compatibility(logit, torch.tensor([0.5]))) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


def test_compatibility_vanishes_where_f_answers_what_was_asked():
    target = torch.tensor([0.01, 0.3, 0.5, 0.99])
    assert float(compatibility(torch.logit(target), target)) == pytest.approx(0, abs=1e-6)


def test_certain_targets_are_finite():
    assert torch.isfinite(compatibility(torch.tensor([3.0, -3.0]), torch.tensor([0.0, 1.0])))


def test_compatibility_is_a_mean_over_the_batch():
    logit, target = torch.tensor([1.0, -2.0]), torch.tensor([0.2, 0.7])
    each = [compatibility(logit[i : i + 1], target[i : i + 1]) for i in (0, 1)]
    torch.testing.assert_close(compatibility(logit, target), (each[0] + each[1]) / 2)


# A second classifier


def test_a_sibling_is_asked_for_the_same_step_from_where_it_stands():
    p, target = torch.tensor([0.5, 0.5, 0.2]), torch.tensor([0.8, 0.5, 0.2])
    # f goes from log-odds 0 to ln 4; a sibling that stands at 1:3 should go to 4:3. Nothing asked, nothing moved.
    wanted = moved_as_far(torch.log(torch.tensor([1 / 3, 9.0, 1.0])), p, target, 0.01)
    torch.testing.assert_close(wanted, torch.tensor([4 / 7, 0.9, 0.5]))


def test_a_sibling_is_never_asked_for_certainty():
    wanted = moved_as_far(torch.tensor([9.0, -9.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), 0.01)
    torch.testing.assert_close(wanted, torch.tensor([0.99, 0.01]))


# The same person


def test_likeness_is_one_less_the_cosine():
    known = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    now = torch.tensor([[0.0, 2.0], [6.0, 8.0]])
    assert float(likeness_loss(known, now)) == pytest.approx((1 - 0 + 1 - 1) / 2)
    assert float(likeness_loss(known, -known)) == pytest.approx(2)


# The query among others


def test_nearness_by_hand():
    queries, explanations = torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [8.0]])
    # Own squared distances 1 and 4, the other explanation's 49: log-ratios -3.89 and -2.51.
    assert float(nearness_loss(queries, explanations, margin=0)) == 0
    assert float(nearness_loss(queries, explanations, margin=3)) == pytest.approx((3 + np.log(4 / 49)) / 2, abs=1e-5)


@given(st.integers(0, 10_000), st.floats(0.1, 3))
def test_nearness_without_a_margin_vanishes_where_all_are_close(seed, spread):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(6, 3)).astype(np.float32)
    explanations = (queries + spread * rng.normal(size=(6, 3))).astype(np.float32)
    loss = float(nearness_loss(torch.from_numpy(queries), torch.from_numpy(explanations), margin=0))
    assert (loss < 1e-4) == bool(latent_space_closeness(queries, explanations).all())


def test_nearness_does_not_depend_on_scale():
    queries, explanations = torch.randn(5, 4), torch.randn(5, 4)
    torch.testing.assert_close(nearness_loss(queries, explanations), nearness_loss(9 * queries, 9 * explanations))


# The knob it began from


def test_departure_is_in_pixels_and_per_cent():
    still, r = torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4)
    # Half a pixel of four in one of the two directions; a hundredth of brightness in all channels.
    moved = still.clone()
    moved[:, 0] = 0.125
    assert float(departure_loss(moved, r, still, r)) == pytest.approx(0.25)
    assert float(departure_loss(still, r + 0.01, still, r)) == pytest.approx(1)


# Fields


def test_total_variation_by_hand():
    field = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    assert total_variation(field) == 4 + 1
    assert total_variation(torch.full((1, 2, 4, 4), 3.0)) == 0
