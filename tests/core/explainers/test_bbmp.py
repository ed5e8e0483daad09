"""BBMP on an f that looks at one window, and its parts by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import WINDOW, ToySubject, WindowBox, draw_window, far_from, overlap, prepared_window, toy_infill

from core.errors import Cancelled, UserError
from core.explainers import bbmp
from core.explainers.bbmp import BbmpConfig, explain, full_size, optimise, total_variation
from core.explainers.masking import DESTROYING, SUFFICIENT

F = WindowBox()
QUICK = BbmpConfig(steps=80, rate=0.2, sparsity=0.5, infill="mean")
KINDS = ("deletion", "preservation")
UPPER = (slice(4, 12), slice(20, 28))


def quick(**changes) -> BbmpConfig:
    return dataclasses.replace(QUICK, **changes)


def one_picture(**more) -> torch.Tensor:
    return torch.from_numpy(draw_window(**more))[None]


def mask_of(config: BbmpConfig, x=None, f=F, sign=1.0, infill=None) -> np.ndarray:
    x = one_picture() if x is None else x
    found = optimise(f, infill or toy_infill(config.infill), x, torch.full((len(x),), sign), config)
    assert found.mask.shape == (len(x), 1, *x.shape[2:])
    assert found.trace.shape == (config.steps, len(x))
    return found.mask[:, 0].numpy()


def result(config: BbmpConfig = QUICK, f=F):
    return explain(ToySubject(None, f), prepared_window(), "Window", config)


# The one cause


@pytest.mark.parametrize("infill", ["mean", "blur", "local"])
def test_deletion_finds_the_window(infill):
    mask = mask_of(quick(infill=infill))[0]
    assert overlap(mask > 0.5) > 0.5
    assert mask[WINDOW].mean() > 0.6
    assert mask[far_from()].max() < 0.4
    assert mask[far_from()].mean() < 0.05


@pytest.mark.parametrize("infill", ["mean", "blur"])
def test_preservation_keeps_the_window(infill):
    mask = mask_of(quick(kind="preservation", infill=infill))[0]
    assert overlap(mask > 0.5) > 0.5
    assert mask[WINDOW].mean() > 0.6
    assert mask[far_from()].max() < 0.4
    assert mask[far_from()].mean() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_several_pictures_each_have_their_window(kind):
    f = WindowBox(WINDOW, UPPER)
    masks = mask_of(quick(kind=kind), torch.cat([one_picture(), one_picture(window=UPPER)]), f)
    for mask, window, other in ((masks[0], WINDOW, UPPER), (masks[1], UPPER, WINDOW)):
        assert overlap(mask > 0.5, window) > 0.4
        assert overlap(mask > 0.5, other) < 0.15


def test_what_speaks_against_a_finding_is_deleted_as_well():
    f, x = WindowBox(threshold=0.12, gain=40), one_picture()
    x[(..., *WINDOW)] = 0.0
    mask = mask_of(quick(), x, f, sign=-1.0)[0]
    assert overlap(mask > 0.5) > 0.3
    assert mask[far_from()].mean() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_is_found_with_the_settings_as_they_come(kind):
    mask = mask_of(BbmpConfig(kind=kind))[0]
    assert (mask > 0.5).mean() < 0.25


def test_smoothness_means_the_same_at_every_size():
    def bump(g):
        y, x = torch.meshgrid(*[(torch.arange(g) + 0.5) / g - 0.5] * 2, indexing="ij")
        return torch.exp(-(x**2 + y**2) / 0.08)[None, None]

    assert float(total_variation(bump(8), 3)) == pytest.approx(float(total_variation(bump(28), 3)), rel=0.3)


# The mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.2, 5.0])
def test_the_mask_never_leaves_its_range(kind, rate, monkeypatch):
    masks = []
    monkeypatch.setattr(bbmp, "full_size", lambda m, *rest: masks.append(m.detach().clone()) or full_size(m, *rest))
    mask_of(quick(kind=kind, rate=rate, steps=20))
    assert len(masks) == 21
    for mask in masks:
        assert mask.min() >= 0
        assert mask.max() <= 1
    assert any(not torch.equal(m, masks[0]) for m in masks)


def test_a_mask_at_full_size_stays_in_its_range():
    mask = full_size((torch.rand(3, 1, 7, 7) < 0.5).float(), 32, 2.0)
    assert mask.shape == (3, 1, 32, 32)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert torch.equal(full_size(torch.zeros(1, 1, 7, 7), 32, 2.0), torch.zeros(1, 1, 32, 32))
    torch.testing.assert_close(full_size(torch.ones(1, 1, 7, 7), 32, 2.0), torch.ones(1, 1, 32, 32))


@pytest.mark.parametrize(("side", "grid"), [(32, 8), (64, 16), (128, 28), (16, 4), (8, 4)])
def test_the_side_of_the_mask(side, grid, monkeypatch):
    sides = []
    monkeypatch.setattr(bbmp, "full_size", lambda m, *rest: sides.append(m.shape[-1]) or full_size(m, *rest))
    x = torch.rand(1, 1, side, side)
    windows = WindowBox((slice(2, 6), slice(2, 6)))
    optimise(windows, toy_infill("mean"), x, torch.ones(1), quick(steps=1))
    assert set(sides) == {grid}


@pytest.mark.parametrize("deletion", [True, False])
def test_it_starts_from_a_disc_that_has_the_effect(deletion):
    x = one_picture()
    keep = bbmp._start(
        F, toy_infill("mean"), x, torch.ones(1), 8, deletion=deletion, generator=torch.Generator().manual_seed(0)
    )
    assert keep.shape == (1, 1, 8, 8)
    disc = 1 - keep if deletion else keep
    assert disc.min() >= 0
    assert disc.max() <= 1
    # The middle is in the disc, the corners are not: the window lies beside the middle, and less than all will do.
    assert disc[0, 0, 3:5, 3:5].min() > 0.9
    assert disc[0, 0, 0, 0] < 0.5
    torch.testing.assert_close(disc, disc.flip(-1))
    torch.testing.assert_close(disc, disc.transpose(2, 3))


def test_an_f_that_never_moves_is_no_trouble():
    class Deaf(WindowBox):
        def logit(self, x):
            return 0 * x.mean((1, 2, 3)) + 2

    for kind in KINDS:
        assert np.isfinite(mask_of(quick(kind=kind, steps=5), f=Deaf())).all()


# Total variation


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.0])
def test_a_constant_has_no_variation(beta):
    mask = torch.full((2, 1, 6, 6), 0.7, requires_grad=True)
    variation = total_variation(mask, beta)
    torch.testing.assert_close(variation.detach(), torch.zeros(2), atol=1e-12, rtol=0)
    variation.sum().backward()
    assert torch.isfinite(mask.grad).all()
    assert (mask.grad == 0).all()


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.0])
def test_variation_by_hand(beta):
    # dy, dx at (0, 0): .5, .25; at (0, 1): .5, none; at (1, 0): none, .25; at (1, 1): none.
    mask = torch.tensor([[[[0.0, 0.25], [0.5, 0.75]]]])
    expected = ((0.5**2 + 0.25**2) ** (beta / 2) + 0.5**beta + 0.25**beta) / 4
    # Slopes per 1/28 of the side: a cell of this grid is fourteen of them.
    assert float(total_variation(mask, beta)) == pytest.approx(expected * (2 / 28) ** beta, rel=1e-3)


def test_each_mask_has_its_own_variation():
    masks = torch.rand(3, 1, 5, 5)
    together = total_variation(masks, 3)
    assert together.shape == (3,)
    torch.testing.assert_close(together[1:2], total_variation(masks[1:2], 3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_smoother_mask_varies_less(kind):
    rough, smooth = (mask_of(quick(kind=kind, smooth=s))[0] for s in (0.0, 3.0))
    assert np.abs(np.diff(smooth)).max() < np.abs(np.diff(rough)).max()


# Jitter


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_jitter_moves_and_keeps_the_shape(reach):
    x = torch.rand(2, 3, 16, 20)
    generator = torch.Generator().manual_seed(0)
    moved = [bbmp._shift(x, reach, generator) for _ in range(40)]
    assert all(m.shape == x.shape for m in moved)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    shifts = {
        (dy, dx)
        for m in moved
        for dy in range(-3, 4)
        for dx in range(-3, 4)
        if torch.equal(m[inside], x.roll((dy, dx), (2, 3))[inside])
    }
    assert {max(map(abs, s)) <= reach for s in shifts} == {True}
    assert len(shifts) >= min(reach * 8 + 1, 9)


def test_the_mask_stays_where_the_picture_moves():
    """A hidden pixel stays hidden while the picture and its infill pass under it."""
    x = torch.arange(256.0).view(1, 1, 16, 16) / 255
    seen = []

    class Watching(WindowBox):
        def logit(self, picture):
            seen.append(picture.detach())
            return super().logit(picture)

    class Marker:
        def propose(self, x, hole, generator):
            return -1 - x[:, None]

    config = quick(steps=12, jitter=30.0, blur=0.0, grid=16, sparsity=0.0, smooth=0.0, rate=1e-9)
    found = optimise(Watching(), Marker(), x, torch.ones(1), config)
    hide = found.mask  # the region a deletion hides
    moves = set()
    for picture in seen[-12:]:
        # Undone: where nothing is hidden the shifted picture, where all is hidden its shifted infill.
        there = (picture + hide) / (1 - 2 * hide)
        clear = ((hide < 0.05) | (hide > 0.95))[0, 0, 3:-3, 3:-3]
        steps = (there - x)[0, 0, 3:-3, 3:-3][clear] * 255
        assert float(steps.std()) < 0.1
        moves.add(round(float(steps.mean())))
    assert len(moves) > 4


def test_without_jitter_the_picture_is_the_same():
    x = torch.rand(1, 1, 8, 8)
    assert bbmp._shift(x, 0, torch.Generator()) is x


# Results


@pytest.mark.parametrize(("kind", "long"), [("deletion", DESTROYING), ("preservation", SUFFICIENT)])
def test_a_result(kind, long):
    found = result(quick(kind=kind))
    assert (found.method, found.kind, found.infill) == ("bbmp", long, "mean")
    assert found.succeeded
    assert overlap(found.region) > 0.5
    assert found.mask.min() >= 0
    assert found.mask.max() <= 1
    assert found.settings == dataclasses.asdict(quick(kind=kind))


def test_the_same_seed_gives_the_same_mask():
    config = quick(steps=10, infill="random")
    one, two = result(config), result(config)
    np.testing.assert_array_equal(one.mask, two.mask)
    assert not np.array_equal(one.mask, result(dataclasses.replace(config, seed=1)).mask)


@pytest.mark.parametrize("infill", ["vae", "ca", "random"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_other_infill_runs(kind, infill):
    assert np.isfinite(result(quick(kind=kind, infill=infill, steps=3)).mask).all()


def test_the_infill_is_told_what_is_less_than_half_kept():
    class Watched:
        name, stochastic = "watched", False
        weight = torch.tensor(0.25, requires_grad=True)
        masks: list[torch.Tensor] = []  # noqa: RUF012

        def propose(self, x, mask, generator=None):
            assert not x.requires_grad
            assert not mask.requires_grad
            self.masks.append(mask.clone())
            return self.weight.expand(len(x), mask.shape[1], *x.shape[1:])

    infill = Watched()
    mask_of(quick(steps=3), infill=infill)
    assert infill.weight.grad is None
    for mask in infill.masks:
        assert ((mask == 0) | (mask == 1)).all()


def test_it_can_be_cancelled():
    def stop(done, of):
        assert of == QUICK.steps
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        explain(ToySubject(None, F), prepared_window(), "Window", QUICK, stop)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "erasure"}, "'deletion' or 'preservation', not 'erasure'"),
        ({"infill": "snow"}, "no infill 'snow'"),
        ({"answer": "maybe"}, "no answer 'maybe'"),
        ({"steps": 0}, "at least one step"),
    ],
)
def test_settings_that_make_no_sense(changes, said):
    with pytest.raises(UserError, match=said):
        result(quick(**changes))
