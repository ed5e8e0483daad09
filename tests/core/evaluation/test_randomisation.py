"""Cascading randomisation: which weights go, that the network stays, and which maps notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from toys import as_choice

from core.attributions.score import Score, gradient_of
from core.evaluation.randomisation import cascade, cascade_maps, layers_downwards, redraw, spearman, ssim

X = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(864, 16), nn.ReLU(), nn.Linear(16, 2),
    )  # fmt: skip
    return as_choice(net)


def slope(net):
    return gradient_of(Score(net, 0, 1), X).sum(1)


def picture(net):
    """A map that has nothing to do with the network."""
    return X[:, 0]


# Layers


def test_layers_with_weights_from_the_logits_to_the_input(network):
    assert layers_downwards(network) == ["net.8", "net.6", "net.3", "net.0"]


def test_new_weights_have_the_spread_and_mean_of_the_old_ones():
    layer = nn.Linear(200, 100)
    nn.init.normal_(layer.weight, 0.7, 0.05)
    nn.init.constant_(layer.bias, 0.3)
    old = layer.weight.detach().clone()
    redraw(layer, torch.Generator().manual_seed(0))
    assert float(layer.weight.detach().mean()) == pytest.approx(0.7, abs=0.002)
    assert float(layer.weight.detach().std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(torch.corrcoef(torch.stack([old.flatten(), layer.weight.detach().flatten()]))[0, 1])) < 0.05
    torch.testing.assert_close(layer.bias, torch.full((100,), 0.3))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_single_number_gets_a_new_value_that_is_a_number():
    layer = nn.Linear(1, 1)
    redraw(layer, torch.Generator().manual_seed(0))
    assert torch.isfinite(layer.weight).all()


# The cascade


def test_the_network_is_left_as_it_was(network):
    before = {n: t.clone() for n, t in network.state_dict().items()}
    cascade(network, slope)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    assert not network.training


def test_stages_go_from_nothing_through_the_logits_to_everything(network):
    shares, maps = cascade_maps(network, slope, stages=4)
    assert shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert maps.shape == (5, 3, 12, 12)
    np.testing.assert_array_equal(maps[0], slope(network).numpy())


@pytest.mark.parametrize("stages", [1, 2, 4, 5])
def test_shares_rise_from_0_to_1_whatever_the_number_of_stages(network, stages):
    shares, maps = cascade_maps(network, picture, stages=stages)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert (np.diff(shares) > 0).all()
    assert shares[1] == 0.25, "the logits alone come first"
    assert len(maps) == len(shares) <= 5


def test_each_stage_keeps_what_lies_below(network):
    first = network.net[0].weight.clone()
    seen = []
    cascade_maps(network, lambda net: seen.append(net.net[0].weight.clone()) or X[:, 0], stages=4)
    assert all(torch.equal(w, first) for w in seen[:4])
    assert not torch.equal(seen[4], first)


def test_a_map_of_the_picture_alone_stays_and_a_gradient_falls_apart(network):
    stays, falls = cascade(network, picture), cascade(network, slope)
    assert stays["spearman"].shape == stays["ssim"].shape == (4, 3)
    np.testing.assert_allclose(stays["spearman"], 1)
    np.testing.assert_allclose(stays["ssim"], 1)
    assert falls["spearman"][-1].mean() < 0.4
    assert falls["ssim"][-1].mean() < 0.6


def test_a_seed_repeats(network):
    a, b, c = (cascade_maps(network, slope, seed=s)[1] for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a[1:] != c[1:]).any()


# Likeness


def test_rank_correlation_by_hand():
    a = np.array([[1.0, 2], [3, 4]])
    assert spearman(a, a**3) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman(a, np.array([[1.0, 2], [4, 3]])) == pytest.approx(0.8)


def test_pixels_that_are_zero_in_both_do_not_make_maps_alike():
    """Four marked pixels of 100, in opposite order: over all pixels the ties alone would give .9 and more."""
    a, b = np.zeros((10, 10)), np.zeros((10, 10))
    a[0, :4], b[0, :4] = (1, 2, 3, 4), (4, 3, 2, 1)
    assert spearman(a, b) == pytest.approx(-1)
    b[5, 5] = 9  # zero in one of them alone: it counts
    assert -1 < spearman(a, b) < 0


@pytest.mark.parametrize("flat", [0.0, 3.0])
def test_a_flat_map_correlates_with_nothing(flat):
    a, flat = np.random.default_rng(0).random((8, 8)), np.full((8, 8), flat)
    assert spearman(a, flat) == spearman(flat, a) == spearman(flat, flat) == 0


def test_structure_is_compared_at_each_maps_own_scale():
    a = np.random.default_rng(0).random((12, 12))
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, 100 * a) == pytest.approx(1)
    assert ssim(a, np.random.default_rng(1).random((12, 12))) < 0.5
    zero = np.zeros((12, 12))
    assert ssim(zero, zero) == pytest.approx(1)
    assert ssim(a, zero) < 0.5
