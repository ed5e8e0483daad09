"""Attributions by name: one call for all, and what each promises about its sum."""

from __future__ import annotations

import pytest
import torch
from toys import as_choice, bump_network

from core.attributions.deeplift import deeplift
from core.attributions.integrated import expected_gradients, integrated_gradients
from core.attributions.methods import METHODS, attribute, residual
from core.attributions.score import Score
from core.errors import UserError


@pytest.fixture
def asked():
    """(score, x, baselines [N, 2, C, H, W])"""
    score = Score(as_choice(bump_network(), ("a", "b", "c")), 1, 2)
    return score, torch.rand(3, 1, 8, 8), torch.rand(3, 2, 1, 8, 8)


@pytest.mark.parametrize("name", METHODS)
def test_a_map_of_the_pictures_shape_that_sums_up_if_it_promises_to(name, asked):
    score, x, baselines = asked
    maps = attribute(name, score, x, baselines)
    assert maps.shape == x.shape
    assert torch.isfinite(maps).all()
    change, gap = residual(score, x, baselines, maps)
    torch.testing.assert_close(change, score(x) - torch.stack([score(baselines[:, k]) for k in range(2)]).mean(0))
    torch.testing.assert_close(gap, maps.sum((1, 2, 3)) - change)
    if METHODS[name].complete:
        assert (gap.abs() < (0.05 if name == "eg" else 1e-3) * (1 + change.abs())).all()


def test_the_gradient_looks_at_no_baseline(asked):
    score, x, baselines = asked
    assert torch.equal(attribute("gradient", score, x, baselines), attribute("gradient", score, x, baselines * 0))


def test_the_seed_reaches_what_is_random(asked):
    score, x, baselines = asked
    for name in METHODS:
        same = torch.equal(attribute(name, score, x, baselines, 0), attribute(name, score, x, baselines, 1))
        assert same == (name != "eg")


def test_deepshap_with_one_baseline_is_deeplift(asked):
    score, x, baselines = asked
    one = baselines[:, :1]
    assert torch.equal(attribute("deepshap", score, x, one), deeplift(score, x, one))


def test_steps_reach_what_takes_some(asked):
    score, x, baselines = asked
    one = baselines[:, :1]
    for name in METHODS:
        same = torch.equal(attribute(name, score, x, one), attribute(name, score, x, one, steps=3))
        assert same == (name not in ("ig", "eg"))
    torch.testing.assert_close(
        attribute("ig", score, x, baselines, steps=3), integrated_gradients(score, x, baselines, 3)
    )
    torch.testing.assert_close(attribute("eg", score, x, one, steps=3), expected_gradients(score, x, one, 3))


@pytest.mark.parametrize("steps", [0, -1, 10_001])
def test_impossible_steps_are_a_sentence(asked, steps):
    with pytest.raises(UserError, match=f"from 1 to 10000, not {steps}"):
        attribute("ig", *asked, steps=steps)


@pytest.mark.parametrize("name", METHODS)
def test_the_other_way_round_the_map_has_the_other_sign(asked, name):
    """Why o and not t is minus why t and not o, on the same baseline."""
    score, x, baselines = asked
    back = Score(score.network, score.target, score.origin)
    torch.testing.assert_close(attribute(name, back, x, baselines), -attribute(name, score, x, baselines))


def test_an_unknown_name_is_a_sentence(asked):
    with pytest.raises(UserError, match="no attribution 'lime'; choose one of ig, deeplift"):
        attribute("lime", *asked)
