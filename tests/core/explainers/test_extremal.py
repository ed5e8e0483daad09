"""Extremal perturbation on an f that looks at one window: areas are met, the window is found, parts by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import (
    WINDOW,
    PlacesBox,
    ToySubject,
    WindowBox,
    draw_window,
    far_from,
    overlap,
    prepared_window,
    toy_infill,
)

from core.errors import Cancelled, UserError
from core.explainers.extremal import ExtremalConfig, SmoothMask, area_penalty, explain, optimise, smallest_that_does
from core.explainers.masking import DESTROYING, SUFFICIENT

F = WindowBox()
QUICK = ExtremalConfig(steps=60, rate=0.1, infill="mean", areas=(0.0625, 0.25))
KINDS = ("preserve", "delete")
UPPER = (slice(4, 12), slice(20, 28))


def quick(**changes) -> ExtremalConfig:
    return dataclasses.replace(QUICK, **changes)


def one_picture(**more) -> torch.Tensor:
    return torch.from_numpy(draw_window(**more))[None]


def mask_of(config: ExtremalConfig, x=None, f=F, sign=1.0, infill=None) -> np.ndarray:
    x = one_picture() if x is None else x
    found = optimise(f, infill or toy_infill(config.infill), x, torch.full((len(x),), sign), config)
    count = len(x) * len(config.areas)
    assert found.mask.shape == (count, 1, *x.shape[2:])
    assert found.trace.shape == (config.steps, count)
    assert found.mask.min() >= 0
    assert found.mask.max() <= 1
    return found.mask[:, 0].numpy()


def result(config: ExtremalConfig = QUICK, f=F):
    return explain(ToySubject(None, f), prepared_window(), "Window", config)


# Areas and the one cause


@pytest.mark.parametrize("kind", KINDS)
def test_every_area_is_met(kind):
    areas = (0.05, 0.15, 0.4)
    x = one_picture(seed=1) * 0.5 + 0.4  # brighter than the infill: every place counts for something
    for f, picture in ((F, one_picture()), (PlacesBox(), x)):
        masks = mask_of(quick(kind=kind, areas=areas), picture, f)
        for mask, area in zip(masks, areas, strict=True):
            assert (mask > 0.5).mean() == pytest.approx(area, abs=0.02)
            assert mask.mean() == pytest.approx(area, abs=0.02)


@pytest.mark.parametrize("infill", ["mean", "blur"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_window_is_found(kind, infill):
    tight, wide = mask_of(quick(kind=kind, infill=infill))
    assert overlap(tight > 0.5) > 0.5
    assert tight[far_from()].mean() < 0.02
    assert (wide[WINDOW] > 0.5).all()


def test_several_pictures_each_have_their_window_and_areas_come_first():
    f = WindowBox(WINDOW, UPPER)
    masks = mask_of(QUICK, torch.cat([one_picture(), one_picture(window=UPPER)]), f)
    for i, window, other in ((0, WINDOW, UPPER), (2, UPPER, WINDOW)):
        assert overlap(masks[i] > 0.5, window) > 0.5
        assert overlap(masks[i] > 0.5, other) < 0.1
        assert (masks[i + 1][window] > 0.5).all()
        assert masks[i].mean() < masks[i + 1].mean()


def test_what_speaks_against_a_finding_is_found_as_well():
    f, x = WindowBox(threshold=0.12, gain=80), one_picture()
    x[(..., *WINDOW)] = 0.0
    assert overlap(mask_of(quick(kind="delete"), x, f, sign=-1.0)[0] > 0.5) > 0.5


def test_every_other_step_shows_the_mirror_image():
    seen = []

    class Watching(WindowBox):
        def logit(self, x):
            seen.append(float(x.detach()[..., :16].mean() - x.detach()[..., 16:].mean()))
            return super().logit(x)

    bright_left = torch.full((1, 1, 32, 32), 0.2)
    bright_left[..., :16] = 1.0
    mask_of(quick(steps=4, flip=True, kind="delete", areas=(0.1,)), bright_left, Watching())
    assert [s > 0 for s in seen] == [False, True, False, True]
    seen.clear()
    mask_of(quick(steps=4, kind="delete", areas=(0.1,)), bright_left, Watching())
    assert all(s > 0 for s in seen)


# The area as a constraint


def test_the_penalty_by_hand():
    masks = torch.tensor([[0.5, 1.0, 0.0, 0.25], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]).view(3, 1, 2, 2)
    penalty = area_penalty(masks, torch.tensor([0.5, 0.5, 0.75]))
    # Sorted 0, .25, .5, 1 against 0, 0, 1, 1; then nothing to complain of; then two of four are wrong.
    torch.testing.assert_close(penalty, torch.tensor([(0.25**2 + 0.5**2) / 4, 0.0, 2 / 4]))


def test_the_penalty_does_not_care_where():
    mask = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(*(area_penalty(m, torch.tensor([0.3])) for m in (mask, mask.flip(-1).transpose(2, 3))))


@pytest.mark.parametrize(("ones", "area"), [(10, 0.1), (25, 0.25), (99, 0.99)])
def test_a_mask_of_the_wanted_area_costs_nothing(ones, area):
    mask = torch.zeros(100)
    mask[:ones] = 1
    assert float(area_penalty(mask.view(1, 1, 10, 10), torch.tensor([area]))) == 0


# Smooth masks


@pytest.mark.parametrize("side", [8, 16, 24, 32, 64, 130])
def test_a_smooth_mask_stays_in_its_range(side):
    smooth = SmoothMask(side, 21 * side / 224)
    grids = torch.stack([torch.zeros(smooth.cells, smooth.cells), torch.ones(smooth.cells, smooth.cells)])[:, None]
    noise = (torch.rand(1, 1, smooth.cells, smooth.cells) < 0.5).float()
    mask = smooth(torch.cat([grids, noise]))
    assert mask.shape == (3, 1, side, side)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert (mask[0] == 0).all()
    assert mask[1].min() > 0.9


@pytest.mark.parametrize(("row", "column"), [(8, 8), (4, 11)])
@pytest.mark.parametrize("sigma", [2.0, 3.0, 4.0])
def test_a_single_one_is_a_bump_of_the_kernels_size(row, column, sigma):
    smooth = SmoothMask(32, sigma)
    grid = torch.zeros(1, 1, 16, 16)
    grid[0, 0, row, column] = 1
    mask = smooth(grid)[0, 0]
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    distance = torch.hypot(y - (row + 0.5) * 2, x - (column + 0.5) * 2)
    assert mask[distance <= sigma / 2].min() > 0.99
    # The kernel is one half at sigma (1/2 + sqrt(ln 2 / 2)), and one hundredth at two sigma.
    half = sigma * (0.5 + (np.log(2) / 2) ** 0.5)
    assert (mask[distance < half - 0.5] > 0.5).all()
    assert (mask[distance > half + 0.5] < 0.5).all()
    assert mask[distance > 2 * sigma + 0.5].max() < 0.02


def test_a_coarser_kernel_on_a_larger_picture_is_interpolated():
    # Computed at half resolution; the bump is where and as wide as it should be.
    smooth = SmoothMask(128, 12.0)
    grid = torch.zeros(1, 1, 16, 16)
    grid[0, 0, 5, 9] = 1
    mask = smooth(grid)[0, 0]
    y, x = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    distance = torch.hypot(y - 5.5 * 8, x - 9.5 * 8)
    half = 12 * (0.5 + (np.log(2) / 2) ** 0.5)
    assert (mask[distance < half - 2] > 0.5).all()
    assert (mask[distance > half + 2] < 0.5).all()


def test_a_smooth_mask_has_slopes():
    grid = torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    SmoothMask(32, 3.0)(grid).mean().backward()
    assert torch.isfinite(grid.grad).all()
    assert (grid.grad != 0).any()


# Which area


AREAS = (0.4, 0.1, 0.2)


@pytest.mark.parametrize(
    ("after", "kind", "answer", "best"),
    [
        ((0.9, 0.4, 0.6), SUFFICIENT, True, 2),  # the smallest that keeps yes
        ((0.9, 0.8, 0.6), SUFFICIENT, True, 1),
        ((0.45, 0.1, 0.3), SUFFICIENT, True, 0),  # none does: the one that comes nearest
        ((0.1, 0.6, 0.3), SUFFICIENT, False, 2),  # the smallest that keeps no
        ((0.9, 0.7, 0.6), SUFFICIENT, False, 2),
        ((0.1, 0.6, 0.3), DESTROYING, True, 2),  # the smallest that turns yes into no
        ((0.9, 0.7, 0.6), DESTROYING, True, 2),
        ((0.9, 0.4, 0.6), DESTROYING, False, 2),  # the smallest that turns no into yes
        ((0.45, 0.1, 0.3), DESTROYING, False, 0),
    ],
)
def test_the_smallest_area_that_does(after, kind, answer, best):
    after = torch.tensor(after)
    stands = ((after >= 0.5) == answer).float()
    assert smallest_that_does(after, stands, AREAS, kind, answer) == best


def test_among_samples_the_majority_decides():
    after, stands = torch.tensor([0.6, 0.6, 0.6]), torch.tensor([1.0, 0.25, 0.75])
    assert smallest_that_does(after, stands, AREAS, SUFFICIENT, True) == 2
    assert smallest_that_does(after, stands, AREAS, DESTROYING, True) == 1


# Results


@pytest.mark.parametrize(("kind", "long"), [("preserve", SUFFICIENT), ("delete", DESTROYING)])
def test_a_result(kind, long):
    found = result(quick(kind=kind))
    assert (found.method, found.kind, found.infill) == ("extremal", long, "mean")
    assert found.succeeded
    assert found.settings == dataclasses.asdict(quick(kind=kind)) | {"area": 0.0625}
    assert [a for a, _ in found.ladder] == [0.0625, 0.25]
    assert found.area == pytest.approx(0.0625, abs=0.02)
    assert found.after.mean() == pytest.approx(found.ladder[0][1], abs=1e-6)
    assert overlap(found.region) > 0.5


def test_the_same_seed_gives_the_same_mask():
    config = quick(steps=5, infill="random")
    one, two = result(config), result(config)
    np.testing.assert_array_equal(one.mask, two.mask)
    assert not np.array_equal(one.mask, result(dataclasses.replace(config, seed=1)).mask)


@pytest.mark.parametrize("infill", ["vae", "ca", "random", "local"])
def test_every_other_infill_runs(infill):
    assert np.isfinite(result(quick(infill=infill, steps=2)).mask).all()


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
        ({"kind": "keep"}, "'preserve' or 'delete', not 'keep'"),
        ({"areas": ()}, "strictly between 0 and 1"),
        ({"areas": (0.1, 1.0)}, "strictly between 0 and 1"),
        ({"areas": (0.0,)}, "strictly between 0 and 1"),
        ({"areas": (float("nan"),)}, "strictly between 0 and 1"),
        ({"infill": "snow"}, "no infill 'snow'"),
        ({"answer": "maybe"}, "no answer 'maybe'"),
        ({"steps": 0}, "at least one step"),
    ],
)
def test_settings_that_make_no_sense(changes, said):
    with pytest.raises(UserError, match=said):
        result(quick(**changes))
