"""FIDO on an f that looks at one window: the smallest regions are that window, whatever fills the holes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import WINDOW, PlacesBox, ToySubject, WindowBox, draw_window, far_from, overlap, prepared_window, toy_infill

from core.errors import Cancelled, UserError
from core.explainers import fido
from core.explainers.fido import FidoConfig, explain, optimise, relax
from core.explainers.masking import DESTROYING, SUFFICIENT
from core.infills.infill import compose

F = WindowBox()
# Few and large steps; a price at which a cell of the mask that reaches into the window by a little does not pay.
QUICK = FidoConfig(steps=80, samples=4, rate=0.15, sparsity=50.0, infill="mean")
KINDS = ("sdr", "ssr")
UPPER = (slice(4, 12), slice(20, 28))


def quick(**changes) -> FidoConfig:
    return dataclasses.replace(QUICK, **changes)


def one_picture(**more) -> torch.Tensor:
    return torch.from_numpy(draw_window(**more))[None]


def mask_of(config: FidoConfig, x=None, f=F, sign=1.0, infill=None) -> np.ndarray:
    x = one_picture() if x is None else x
    found = optimise(f, infill or toy_infill(config.infill), x, torch.full((len(x),), sign), config)
    assert found.mask.shape == (len(x), 1, *x.shape[2:])
    assert found.trace.shape == (config.steps, len(x))
    return found.mask[:, 0].numpy()


def result(config: FidoConfig = QUICK, f=F):
    return explain(ToySubject(None, f), prepared_window(), "Window", config)


# The one cause


@pytest.mark.parametrize("infill", ["mean", "local", "blur"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_window_is_found_whatever_fills_it(kind, infill):
    mask = mask_of(quick(kind=kind, infill=infill))[0]
    assert overlap(mask > 0.5) > 0.7
    assert (mask > 0.5).sum() == pytest.approx(64, abs=16)
    assert mask[WINDOW].mean() > 0.6
    assert mask[far_from()].max() < 0.15
    assert mask[far_from()].mean() < 0.03


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{"hard_edges": True}, {"grain": "pixel"}, {"grid": 16}], ids=str)
def test_the_window_is_found_in_every_manner(kind, changes):
    mask = mask_of(quick(kind=kind, **changes))[0]
    assert overlap(mask > 0.5) > 0.7
    assert mask[far_from()].max() < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_speed_finds_it_as_well(kind):
    mask = mask_of(FidoConfig(kind=kind, infill="mean", sparsity=50.0))[0]
    assert overlap(mask > 0.5) > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_what_speaks_against_a_finding_is_found_as_well(kind):
    # f says no because the window is dark; hiding it makes it brighter.
    f, x = WindowBox(threshold=0.2), one_picture()
    x[(..., *WINDOW)] = 0.0
    mask = mask_of(quick(kind=kind), x, f, sign=-1.0)[0]
    assert overlap(mask > 0.5) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_several_pictures_each_have_their_window(kind):
    f = WindowBox(WINDOW, UPPER)
    x = torch.cat([one_picture(), one_picture(window=UPPER)])
    masks = mask_of(quick(kind=kind), x, f)
    for mask, window, other in ((masks[0], WINDOW, UPPER), (masks[1], UPPER, WINDOW)):
        assert overlap(mask > 0.5, window) > 0.6
        assert overlap(mask > 0.5, other) < 0.05


def test_a_picture_does_not_depend_on_its_neighbours():
    f = WindowBox(WINDOW, UPPER)
    one, two = one_picture(), one_picture(window=UPPER)
    config = quick(steps=20, infill="local")
    beside = mask_of(config, torch.cat([one, two]), f)
    twice = mask_of(config, torch.cat([one, one]), f)
    np.testing.assert_allclose(beside[0], twice[0], atol=1e-5)


def test_colour_pictures():
    x = torch.from_numpy(draw_window(channels=3))[None]
    assert overlap(mask_of(quick(infill="local"), x)[0] > 0.5) > 0.6


# The law of the masks


@pytest.mark.parametrize("theta", [0.03, 0.1, 0.5, 0.8, 0.97])
def test_samples_have_the_mean_they_should(theta):
    noise = torch.rand(20_000, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    z = relax(torch.logit(torch.tensor(theta, dtype=torch.double)), noise)
    assert z.min() >= 0
    assert z.max() <= 1
    error = float(z.std() / len(z) ** 0.5)
    assert abs(float(z.mean()) - theta) < 3 * error
    assert ((z > 0.1) & (z < 0.9)).double().mean() < 0.12  # nearly 0 or 1


def test_extreme_noise_is_no_trouble():
    z = relax(torch.zeros(4), torch.tensor([0.0, 1e-30, 1 - 1e-8, 1.0]))
    assert torch.isfinite(z).all()
    assert ((z >= 0) & (z <= 1)).all()


@pytest.mark.parametrize("grain", fido.GRAINS)
@pytest.mark.parametrize(("logit", "wanted"), [(-1e6, "picture"), (1e6, "infill")])
def test_certain_masks_are_exact(grain, logit, wanted):
    logits = torch.full((1, 1, 8, 8), logit)
    chance = fido._upsample(torch.sigmoid(logits), 32, 32)
    mask = fido._draw(logits, chance, quick(grain=grain), torch.Generator().manual_seed(0))
    assert mask.shape == (1, QUICK.samples, 32, 32)
    x, proposal = one_picture(), torch.rand(1, QUICK.samples, 1, 32, 32)
    shown = compose(x, proposal, mask)
    assert torch.equal(shown, x[:, None].expand_as(proposal) if wanted == "picture" else proposal)


@pytest.mark.parametrize("grain", fido.GRAINS)
def test_masks_are_drawn_as_likely_as_they_should_be(grain):
    logits = torch.linspace(-3, 3, 64).view(1, 1, 8, 8)
    chance = fido._upsample(torch.sigmoid(logits), 32, 32)
    config = quick(grain=grain, samples=600)
    drawn = fido._draw(logits, chance, config, torch.Generator().manual_seed(0)).mean(1, keepdim=True)
    torch.testing.assert_close(drawn, chance, atol=4 * 0.5 / 600**0.5, rtol=0)


def test_hard_edges_show_f_no_half_hidden_pixel():
    seen = []

    class Watching(WindowBox):
        def logit(self, x):
            seen.append(x.detach())
            return super().logit(x)

    x = one_picture()
    mask_of(quick(hard_edges=True, steps=5), x, Watching())
    for shown in seen:
        assert ((shown - x).abs().lt(1e-6) | (shown - 0.25).abs().lt(1e-6)).all()
    seen.clear()
    mask_of(quick(steps=5), x, Watching())
    assert any(not ((s - x).abs().lt(1e-6) | (s - 0.25).abs().lt(1e-6)).all() for s in seen)


# The price of a region


@pytest.mark.parametrize("kind", KINDS)
def test_when_everything_is_too_dear_nothing_is_chosen(kind):
    found = result(quick(kind=kind, sparsity=1e8))
    assert found.area == 0
    assert not found.region.any()
    assert not found.succeeded
    assert np.isfinite(found.trace).all()
    assert found.provenance.stop.startswith(
        "finished without a region: no region is worth to the classifier (>\u00a099.9\u00a0%)"
    )
    if kind == "sdr":  # nothing is dropped
        assert np.array_equal(found.fills[0], prepared_window().tensor)
    else:  # nothing is kept
        assert (found.fills == 0.25).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_dearer_region_is_smaller(kind):
    sizes = [mask_of(quick(kind=kind, sparsity=s))[0].mean() for s in (3.0, 30.0, 300.0)]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_price_no_evidence_is_left_out(kind):
    mask = mask_of(quick(kind=kind, sparsity=0.0))[0]
    assert (mask[WINDOW] > 0.9).all()


# A wanted area


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("infill", ["mean", "blur"])
def test_a_wanted_area_is_reached(kind, infill):
    found = result(quick(kind=kind, infill=infill, area=0.08, sparsity=10.0))
    assert found.area == pytest.approx(0.08, abs=0.03)
    assert overlap(found.region) > 0.5
    assert found.settings["area"] == 0.08


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("area", [0.05, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("speed", [QUICK, FidoConfig(infill="mean")], ids=["quick", "paper"])
def test_every_wanted_area_is_reached(kind, area, speed):
    x = one_picture(seed=1) * 0.5 + 0.4  # brighter than the infill everywhere
    mask = mask_of(dataclasses.replace(speed, kind=kind, area=area), x, PlacesBox())[0]
    assert (mask > 0.5).mean() == pytest.approx(area, abs=0.06)  # a cell of the grid is .016


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_speed_reaches_a_wanted_area(kind):
    mask = mask_of(FidoConfig(kind=kind, infill="mean", area=0.0625))[0]
    assert (mask > 0.5).mean() == pytest.approx(0.0625, abs=0.03)


# Results


@pytest.mark.parametrize(("kind", "long"), [("sdr", DESTROYING), ("ssr", SUFFICIENT)])
def test_a_result(kind, long):
    found = result(quick(kind=kind))
    assert (found.method, found.kind, found.infill, found.target) == ("fido", long, "mean", "Window")
    assert found.succeeded
    assert overlap(found.region) > 0.7
    assert found.mask.shape == (32, 32)
    assert found.mask.min() >= 0
    assert found.mask.max() <= 1
    assert found.settings == dataclasses.asdict(quick(kind=kind))
    assert found.trace.shape == (QUICK.steps,)


def test_the_same_seed_gives_the_same_mask():
    config = quick(steps=10, infill="random")
    one, two, other = result(config), result(config), result(dataclasses.replace(config, seed=1))
    np.testing.assert_array_equal(one.mask, two.mask)
    np.testing.assert_array_equal(one.fills, two.fills)
    assert not np.array_equal(one.mask, other.mask)


def test_progress_is_told():
    heard = []
    toy = ToySubject(None, F)
    explain(toy, prepared_window(), "Window", quick(steps=3), lambda done, of: heard.append((done, of)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_it_can_be_cancelled():
    def stop(done, of):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        explain(ToySubject(None, F), prepared_window(), "Window", QUICK, stop)


# The infill


class Strict:
    """An infill with a weight that would learn, and that does not let a graph in."""

    name, stochastic = "strict", False

    def __init__(self):
        self.weight = torch.tensor(0.25, requires_grad=True)
        self.masks = []

    def propose(self, x, mask, generator=None):
        assert not x.requires_grad
        assert not mask.requires_grad
        self.masks.append(mask.clone())
        return self.weight.expand(len(x), mask.shape[1], *x.shape[1:])


@pytest.mark.parametrize("hard_edges", [False, True])
def test_the_infill_sees_rounded_masks_and_learns_nothing(hard_edges):
    infill = Strict()
    mask_of(quick(steps=4, hard_edges=hard_edges), infill=infill)
    assert infill.weight.grad is None
    assert len(infill.masks) == 4
    for mask in infill.masks:
        assert mask.shape == (1, QUICK.samples, 32, 32)
        assert ((mask == 0) | (mask == 1)).all()


@pytest.mark.parametrize("infill", ["vae", "ca", "random"])
def test_every_other_infill_runs(infill):
    found = result(quick(infill=infill, steps=3))
    assert found.infill == infill
    assert np.isfinite(found.mask).all()


def test_an_infill_is_asked_without_gradients():
    class Wary(Strict):
        def propose(self, x, mask, generator=None):
            assert not torch.is_grad_enabled()
            return super().propose(x, mask, generator)

    mask_of(quick(steps=2), infill=Wary())


# Mistakes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "sds"}, "'ssr' or 'sdr', not 'sds'"),
        ({"grain": "dot"}, "'grid' or by 'pixel', not by 'dot'"),
        ({"area": 0.0}, "between 0 and 1, not 0"),
        ({"area": 1.0}, "between 0 and 1, not 1"),
        ({"area": -0.2}, "between 0 and 1, not -0.2"),
        ({"area": float("nan")}, "between 0 and 1, not nan"),
        ({"infill": "snow"}, "no infill 'snow'"),
        ({"answer": "maybe"}, "no answer 'maybe'"),
        ({"steps": 0}, "at least one step"),
    ],
)
def test_settings_that_make_no_sense(changes, said):
    with pytest.raises(UserError, match=said):
        result(quick(**changes))
