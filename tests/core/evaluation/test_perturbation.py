"""AOPC by hand on a linear network, and the orders in their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from toys import as_choice, bar_network, make_bars

from core.evaluation.perturbation import ORDERS, SHARES, aopc

SIDE = 10  # a share of 2 % is two pixels


@pytest.fixture
def network():
    """S_0 is the sum of the picture times 1, 2, ..., 100; S_1 is minus twice the sum of the picture."""
    last = nn.Linear(SIDE * SIDE, 2, bias=False)
    with torch.no_grad():
        last.weight[0] = torch.arange(1, SIDE * SIDE + 1)
        last.weight[1] = -2
    return as_choice(nn.Sequential(nn.Flatten(), last))


ZERO, ONE = torch.tensor([0]), torch.tensor([1])


@pytest.mark.parametrize(("order", "weights"), [("most", np.arange(100, 0, -1)), ("least", np.arange(1, 101))])
def test_by_hand(network, order, weights):
    x, filler = torch.full((1, 1, SIDE, SIDE), 0.8), torch.full((1, 1, SIDE, SIDE), 0.3)
    maps = torch.arange(1.0, 101).view(1, SIDE, SIDE)
    found = aopc(network, x, filler, maps, ZERO, ONE, order=order)
    counts = [round(s * 100) for s in SHARES]
    assert counts == [2, 5, 10, 15, 20, 30]
    assert float(found.fall) == pytest.approx(0.5 * np.mean([weights[:n].sum() for n in counts]), rel=1e-5)
    assert float(found.rise) == pytest.approx(0.5 * 2 * np.mean(counts), rel=1e-5)


def test_the_exact_map_is_best_and_its_inverse_is_worst():
    images, labels = make_bars(12, seed=4)
    x, origin = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
    net = bar_network()
    weight = net.fc.weight.view(2, 16, 16)
    maps = (weight[origin] - weight[1 - origin]) * (x[:, 0] - 0.2)
    falls = {}
    for order in ORDERS:
        found = aopc(as_choice(net), x, torch.full_like(x, 0.2), maps, origin, 1 - origin, order=order)
        assert found.fall.shape == found.rise.shape == (12,)
        falls[order] = float((found.fall + found.rise).mean())
    assert falls["most"] > falls["random"] + 0.5
    assert falls["random"] > falls["least"] + 0.1


@pytest.mark.parametrize("order", ORDERS)
def test_a_map_that_says_nothing_is_any_order(network, order):
    """By position, the upper rows would go first, which weigh least here: .5 times 55 in place of the mean, 689."""
    x, filler = torch.ones(200, 1, SIDE, SIDE), torch.zeros(200, 1, SIDE, SIDE)
    found = aopc(network, x, filler, torch.zeros(200, SIDE, SIDE), ZERO.expand(200), ONE.expand(200), order=order)
    assert float(found.fall.mean()) == pytest.approx(50.5 * np.mean([2, 5, 10, 15, 20, 30]), rel=0.03)
    assert found.fall.std() > 0


def test_each_picture_is_asked_about_its_own_classes(network):
    x, filler = torch.rand(2, 1, SIDE, SIDE), torch.zeros(2, 1, SIDE, SIDE)
    maps = torch.rand(2, SIDE, SIDE)
    both = aopc(network, x, filler, maps, torch.tensor([0, 1]), torch.tensor([1, 0]))
    for i, (o, t) in enumerate(((ZERO, ONE), (ONE, ZERO))):
        one = aopc(network, x[i : i + 1], filler[i : i + 1], maps[i : i + 1], o, t)
        torch.testing.assert_close(both.fall[i], one.fall[0])
        torch.testing.assert_close(both.rise[i], one.rise[0])


def test_all_channels_of_a_pixel_go_together():
    last = nn.Linear(3 * 100, 2, bias=False)
    nn.init.constant_(last.weight, 1.0)
    net = as_choice(nn.Sequential(nn.Flatten(), last), channels=3)
    x = torch.ones(1, 3, SIDE, SIDE)
    found = aopc(net, x, torch.zeros_like(x), torch.rand(1, SIDE, SIDE), ZERO, ONE)
    assert float(found.fall) == pytest.approx(3 * np.mean([2, 5, 10, 15, 20, 30]))


def test_filled_with_itself_nothing_happens(network):
    x = torch.rand(3, 1, SIDE, SIDE)
    found = aopc(network, x, x, torch.rand(3, SIDE, SIDE), ZERO.expand(3), ONE.expand(3))
    assert not found.fall.any()
    assert not found.rise.any()


def test_random_is_as_its_seed_and_looks_at_no_map(network):
    x, filler = torch.rand(1, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    ask = {"order": "random"}
    a = aopc(network, x, filler, torch.rand(1, SIDE, SIDE), ZERO, ONE, **ask)
    b = aopc(network, x, filler, torch.rand(1, SIDE, SIDE), ZERO, ONE, **ask)
    c = aopc(network, x, filler, torch.rand(1, SIDE, SIDE), ZERO, ONE, **ask, seed=1)
    assert torch.equal(a.fall, b.fall)
    assert not torch.equal(a.fall, c.fall)


def test_an_unknown_order_is_an_error(network):
    with pytest.raises(ValueError, match="no order 'first'"):
        aopc(network, torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), torch.rand(1, 4, 4), ZERO, ONE, order="first")
