"""Deletion and insertion with an f that is its picture's mean, so that every area is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_infill

from core.evaluation.curves import SHARES, Curves, run_curves
from core.infills.heuristic import MeanInfill

BLACK = MeanInfill(torch.zeros(1))
YES, NO = torch.tensor([1.0]), torch.tensor([-1.0])


class Mean:
    """f of a picture is its mean brightness; it remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[torch.Tensor] = []

    def posterior(self, x):
        return torch.sigmoid(self.logit(x))

    def logit(self, x):
        self.shown.append(x.clone())
        return torch.logit(x.mean((1, 2, 3)))


class Listening:
    """Another infill that remembers the holes it was asked about."""

    def __init__(self, infill) -> None:
        self.infill, self.name, self.stochastic = infill, infill.name, infill.stochastic
        self.holes: list[torch.Tensor] = []

    def propose(self, x, mask, generator=None):
        self.holes.append(mask[:, 0].clone())
        return self.infill.propose(x, mask, generator)


def white(count: int) -> torch.Tensor:
    """[1, 1, 10, 10], the first `count` pixels white and the others black."""
    return (torch.arange(100) < count).float().view(1, 1, 10, 10)


@pytest.mark.parametrize("count", [20, 75])
def test_areas_by_hand(count):
    # The map is the picture: f falls by a point for each point hidden, until nothing white is left.
    x, bright = white(count), count / 100
    found = run_curves(Mean(), BLACK, x, YES, x)
    shares = np.array(SHARES)
    np.testing.assert_allclose(found.deletion[0], np.maximum(bright - shares, 0), atol=1e-6)
    np.testing.assert_allclose(found.insertion[0], np.minimum(shares, bright), atol=1e-6)
    assert found.deletion_area[0] == pytest.approx(bright**2 / 2, abs=1e-6)
    assert found.insertion_area[0] == pytest.approx(bright - bright**2 / 2, abs=1e-6)


def test_the_worst_map_by_hand():
    # Black pixels go first: nothing happens until they are used up.
    x = white(20)
    found = run_curves(Mean(), BLACK, x, YES, -x)
    assert found.deletion_area[0] == pytest.approx(0.8 * 0.2 + 0.2**2 / 2, abs=1e-6)
    assert found.insertion_area[0] == pytest.approx(0.2**2 / 2, abs=1e-6)


def test_the_infill_is_what_stays():
    # Hiding everything in a white picture with .25 leaves .25, and in between f is a straight line.
    found = run_curves(Mean(), toy_infill("mean"), white(100), YES, torch.rand(1, 1, 10, 10))
    assert found.deletion_area[0] == pytest.approx((1 + 0.25) / 2, abs=1e-6)
    assert found.insertion_area[0] == pytest.approx((1 + 0.25) / 2, abs=1e-6)


def test_an_absence_is_explained_by_its_own_probability():
    x = white(20)
    found = run_curves(Mean(), MeanInfill(torch.ones(1)), x, NO, 1 - x)
    np.testing.assert_allclose(found.deletion[0], np.maximum(0.8 - found.shares, 0), atol=1e-6)


def test_a_perfect_map_beats_a_random_one_and_that_a_reversed_one():
    x = torch.rand(3, 1, 12, 12)
    sign = torch.ones(3)
    perfect, chance, worst = (run_curves(Mean(), BLACK, x, sign, maps) for maps in (x, torch.rand(3, 1, 12, 12), 1 - x))
    for a, b in ((perfect, chance), (chance, worst)):
        assert (a.deletion_area < b.deletion_area - 0.02).all()
        assert (a.insertion_area > b.insertion_area + 0.02).all()


def test_only_the_order_of_a_map_counts():
    x, maps = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 12, 12)
    a, b = (run_curves(Mean(), BLACK, x, torch.ones(2), m) for m in (maps, 5 * maps**3 - 7))
    np.testing.assert_array_equal(a.deletion, b.deletion)
    np.testing.assert_array_equal(a.insertion, b.insertion)


def test_pictures_do_not_touch_one_another():
    x, maps = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 12, 12)  # no ties
    both = run_curves(Mean(), BLACK, x, torch.tensor([1.0, -1.0]), maps)
    alone = run_curves(Mean(), BLACK, x[1:], NO, maps[1:])
    np.testing.assert_allclose(both.deletion[1], alone.deletion[0], atol=1e-6)
    np.testing.assert_allclose(both.insertion[1], alone.insertion[0], atol=1e-6)


# Ties, and the regions


def regions_of(maps, seed=0):
    infill = Listening(BLACK)
    run_curves(Mean(), infill, torch.rand(len(maps), 1, 12, 12), torch.ones(len(maps)), maps, seed=seed)
    return torch.stack(infill.holes[::2]), torch.stack(infill.holes[1::2])  # each [K, N, 12, 12]


@pytest.mark.parametrize("maps", [torch.zeros(2, 1, 12, 12), torch.rand(2, 1, 12, 12).round(decimals=1)])
def test_regions_grow_and_are_as_large_as_asked(maps):
    top, rest = regions_of(maps)
    assert (top[1:] >= top[:-1]).all()
    assert torch.equal(top, 1 - rest)
    assert top.sum((2, 3))[:, 0].tolist() == [round(s * 144) for s in SHARES]
    for region, values in zip(top[5], maps[:, 0], strict=True):
        assert values[region > 0].min() >= values[region == 0].max()


def test_ties_are_broken_at_random():
    top, _ = regions_of(torch.zeros(2, 1, 12, 12))
    half = top[10]
    assert not torch.equal(half[0], half[1])
    assert 20 < half[0, :, :6].sum() < 52  # not the first rows or columns
    assert torch.equal(top, regions_of(torch.zeros(2, 1, 12, 12))[0])
    assert not torch.equal(top, regions_of(torch.zeros(2, 1, 12, 12), seed=1)[0])


@pytest.mark.parametrize("name", ["mean", "blur", "random", "local"])
def test_the_ends_are_the_picture_and_the_infill(name):
    f, x = Mean(), torch.rand(2, 1, 12, 12)
    run_curves(f, toy_infill(name), x, torch.ones(2), torch.rand(2, 1, 12, 12), shares=(0.0, 0.5, 1.0))
    none_hidden, none_shown, _, _, all_hidden, all_shown = f.shown
    assert torch.equal(none_hidden, x)
    assert torch.equal(all_shown, x)
    if name != "random":
        pure = toy_infill(name).propose(x, torch.ones(2, 1, 12, 12))[:, 0]
        assert torch.equal(all_hidden, pure)
        assert torch.equal(none_shown, pure)
    assert not (all_hidden == x).all()


def test_a_seed_repeats_a_random_infill():
    x, maps = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 12, 12)
    a, b, c = (run_curves(Mean(), toy_infill("random"), x, torch.ones(2), maps, seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(a.deletion, b.deletion)
    assert not np.array_equal(a.deletion, c.deletion)


# Where the answer falls


def test_the_share_at_which_the_answer_falls():
    # 72 white pixels: 52 are left at a share of .20 and 47 at .25.
    x = torch.cat([white(72), white(95)])
    assert run_curves(Mean(), BLACK, x, torch.ones(2), x).flip.tolist() == [0.25, 0.5]


def test_an_answer_that_never_falls_has_no_share():
    found = run_curves(Mean(), MeanInfill(torch.tensor([0.6])), white(100), YES, white(72))
    assert np.isnan(found.flip).all()
    mixed = Curves(np.array([0.0, 0.5, 1.0]), np.array([[0.9, 0.4, 0.6], [0.9, 0.8, 0.5]]), np.zeros((2, 3)))
    np.testing.assert_array_equal(mixed.flip, [0.5, np.nan])


def test_no_gradient_is_kept():
    x = torch.rand(1, 1, 12, 12, requires_grad=True)
    assert isinstance(run_curves(Mean(), BLACK, x, YES, x).deletion, np.ndarray)
