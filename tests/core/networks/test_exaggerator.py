"""The network behind the knob: conditions, the three heads, exactness, bounds, independence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import shaken, small_config

from core.networks.exaggerator import (
    HEADS,
    Band,
    Exaggerator,
    ExaggeratorConfig,
    bin_of,
    condition_of,
    config_dict,
    ordinal_code,
)
from core.networks.fields import enlarge, smoothed, warp

BINS = 10


@pytest.fixture(scope="module", params=HEADS)
def network(request):
    torch.manual_seed(0)
    return shaken(Exaggerator(small_config(request.param)))


@pytest.fixture(scope="module")
def x():
    return torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))


ORIGIN = torch.tensor([0.02, 0.4, 0.77, 1.0])
WANTED = torch.tensor([0.9, 0.4, 0.13, 0.0])


# Bins and conditions


def test_bins_by_hand():
    assert bin_of(torch.tensor([0, 0.0999, 0.1, 0.9999, 1]), BINS).tolist() == [0, 0, 1, 9, 9]


@given(st.floats(0, 1, width=32))
def test_there_is_no_eleventh_bin(p):
    assert 0 <= int(bin_of(torch.tensor(p), BINS)) <= BINS - 1


def test_a_binned_condition_is_the_bin():
    assert condition_of(torch.tensor([0.0, 0.55, 1.0]), BINS, continuous=False).tolist() == [0, 5, 9]


def test_a_continuous_condition_is_the_bin_at_its_centre():
    centres = (torch.arange(BINS) + 0.5) / BINS
    torch.testing.assert_close(condition_of(centres, BINS, continuous=True), torch.arange(10.0))
    assert condition_of(torch.tensor([-0.5, 0.0, 1.0, 1.5]), BINS, continuous=True).tolist() == [-0.5, -0.5, 9.5, 9.5]


@pytest.mark.parametrize("k", range(BINS))
def test_a_whole_condition_is_k_ones_then_zeros(k):
    assert ordinal_code(torch.tensor([float(k)]), BINS).tolist() == [[1.0] * k + [0.0] * (BINS - 1 - k)]


def test_between_two_bins_one_border_is_partly_crossed():
    assert ordinal_code(torch.tensor([2.25]), BINS).tolist() == [[1, 1, 0.25, 0, 0, 0, 0, 0, 0]]


def test_beyond_the_first_bin_the_first_increment_goes_on():
    assert ordinal_code(torch.tensor([-0.5]), BINS).tolist() == [[-0.5, 0, 0, 0, 0, 0, 0, 0, 0]]


def test_beyond_the_last_bin_the_last_increment_goes_on():
    assert ordinal_code(torch.tensor([9.5]), BINS).tolist() == [[1, 1, 1, 1, 1, 1, 1, 1, 1.5]]


@given(st.floats(-3, 12, width=32))
def test_the_code_sums_to_the_condition(condition):
    assert float(ordinal_code(torch.tensor([condition]), BINS).sum()) == pytest.approx(condition, abs=1e-5)


def test_fine_requests_at_the_ends_stay_apart():
    codes = ordinal_code(condition_of(torch.tensor([0.95, 0.97, 0.99]), BINS, True), BINS)
    assert (codes.sum(1).diff() > 0.15).all()


# Exactness, independence, unconditional encoder


@pytest.mark.parametrize("head", ["residual", "morph"])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_asked_changes_nothing_at_all(head, size, seed):
    torch.manual_seed(seed)
    network = shaken(Exaggerator(small_config(head, size=size)), seed=seed)
    x, p = torch.rand(3, 1, size, size), torch.rand(3)
    assert (network(x, p, p).x - x).abs().max().item() == 0


def test_something_asked_changes_something(network, x):
    changed = network(x, ORIGIN, WANTED)
    assert (changed.x - x).abs().amax((1, 2, 3))[[0, 2, 3]].min() > 0.01


def test_a_picture_alone_is_as_in_any_batch(network, x):
    together = network(x, ORIGIN, WANTED).x
    other = network(torch.cat([1 - x[:2], x[2:]]), ORIGIN, WANTED).x  # other companions
    alone = torch.cat([network(x[i : i + 1], ORIGIN[i : i + 1], WANTED[i : i + 1]).x for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together[2:], other[2:], atol=1e-5, rtol=0)


def test_training_mode_has_no_batch_statistics_either(network, x):
    network.train()
    try:
        together = network(x, ORIGIN, WANTED).x
    finally:
        network.eval()
    torch.testing.assert_close(together, network(x, ORIGIN, WANTED).x)


def test_the_encoder_takes_no_condition(network, x):
    features = network.encode(x)
    for block in network.down:
        assert block.norm1.increments is None
        assert block.norm2.increments is None
    torch.testing.assert_close(network.embed(x), features[-1].flatten(1))
    assert features[-1].shape == (4, 32, 2, 2)  # S / 16


def test_the_decoder_does_take_it(x):
    network = shaken(Exaggerator(small_config("paper")))
    low, high = (network(x, ORIGIN, torch.full((4,), t)).x for t in (0.05, 0.95))
    assert (low - high).abs().mean() > 1e-3


def test_the_papers_head_ignores_where_it_started(x):
    network = shaken(Exaggerator(small_config("paper")))
    assert torch.equal(network(x, ORIGIN, WANTED).x, network(x, 1 - ORIGIN, WANTED).x)


def test_a_sweep_is_its_calls_one_by_one(network, x):
    one, features = x[:1], network.encode(x[:1])
    wanted = condition_of(torch.tensor([0.01, 0.3, 0.5, 0.8, 0.99]), BINS, True)
    start = condition_of(torch.tensor([0.42]), BINS, True)
    sweep = network.change(one, features, start.expand(5), wanted)
    for k in range(5):
        single = network.change(one, features, start, wanted[k : k + 1])
        torch.testing.assert_close(sweep.x[k : k + 1], single.x, atol=1e-5, rtol=0)
        torch.testing.assert_close(sweep.displacement[k : k + 1], single.displacement, atol=1e-5, rtol=0)
        torch.testing.assert_close(sweep.residual[k : k + 1], single.residual, atol=1e-5, rtol=0)


def test_pictures_stay_pictures(network, x):
    changed = network(x, ORIGIN, WANTED).x
    assert changed.shape == x.shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_change_is_its_displacement_and_its_residual(network, x):
    change = network(x, ORIGIN, WANTED)
    assert change.displacement.shape == (4, 2, 32, 32)
    rebuilt = (warp(x, change.displacement) + change.residual).clamp(0, 1)
    torch.testing.assert_close(rebuilt, change.x, atol=1e-5, rtol=0)


# The bounds of the morph head


def wild(**changes) -> Exaggerator:
    """A morph network whose output layers ask for far more than they may have."""
    network = Exaggerator(small_config("morph", **changes))
    return shaken(network, 30.0)


def test_the_displacement_keeps_its_bound(x):
    change = wild(shift=0.12)(x, torch.zeros(4), torch.ones(4))
    assert 0.06 < change.displacement.abs().max().item() <= 0.12 + 1e-6


def test_the_residual_keeps_its_bound(x):
    change = wild(bands=(Band(8, 0.3),))(x, torch.zeros(4), torch.ones(4))
    assert 0.15 < change.residual.abs().max().item() <= 0.3 + 1e-6


def test_bands_add_up_to_the_sum_of_their_bounds(x):
    change = wild(bands=(Band(8, 0.2), Band(16, 0.1), Band(32, 0.05)))(x, torch.zeros(4), torch.ones(4))
    assert change.residual.abs().max().item() <= 0.35 + 1e-6


def test_without_shift_nothing_moves(x):
    network = wild(shift=0.0)
    assert network.out_field is None
    assert not network(x, torch.zeros(4), torch.ones(4)).displacement.any()


@pytest.mark.parametrize("period", [2, 4])
def test_the_blur_keeps_stripes_out_of_the_finest_band(period):
    """A decoder that upsamples tends to draw stripes of two and four pixels; teeth are wider."""
    columns = torch.arange(32)
    stripes = (columns // (period // 2) % 2 * 2.0 - 1).expand(1, 1, 32, 32)
    broad = (columns // 8 % 2 * 2.0 - 1).expand(1, 1, 32, 32)
    narrow, wide = (Exaggerator(small_config(bands=(Band(32, 0.3),), blur=blur)) for blur in (1.0, 1.5))

    def left(network: Exaggerator, field: torch.Tensor) -> float:
        return float(smoothed(field, network.smoothing)[..., 8:-8].abs().amax())

    assert left(wide, stripes) < 0.12
    assert left(wide, stripes) < 0.6 * left(narrow, stripes)
    assert left(wide, broad) > 0.9


@pytest.mark.parametrize("head", ["residual", "morph"])
def test_mirrored_averages_turn_a_mirrored_picture_into_the_mirrored_change(head):
    torch.manual_seed(2)
    lopsided = shaken(Exaggerator(small_config(head)))
    network = Exaggerator(small_config(head, mirror=True))
    network.load_state_dict(lopsided.state_dict())
    x, origin, wanted = torch.rand(3, 1, 32, 32), torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.9, 0.2, 0.3])
    with torch.no_grad():
        there, back = network(x, origin, wanted), network(x.flip(-1), origin, wanted)
        assert torch.allclose(back.x.flip(-1), there.x, atol=1e-5)
        other = lopsided(x.flip(-1), origin, wanted).x.flip(-1)
        assert not torch.allclose(other, lopsided(x, origin, wanted).x, atol=1e-3)
        assert torch.equal(network(x, origin, origin).x, x)
        assert torch.equal(network.embed(x), lopsided.embed(x))
        sweep = network.change(x[:1], network.encode(x[:1]), torch.zeros(4), torch.arange(4.0))
        alone = network.change(x[:1], network.encode(x[:1]), torch.zeros(1), torch.full((1,), 2.0))
    assert torch.allclose(sweep.x[2], alone.x[0], atol=1e-5)


def test_a_band_below_the_full_size_is_softened_where_it_is_asked_for():
    x = torch.rand(1, 1, 32, 32)
    plain = shaken(Exaggerator(small_config(bands=(Band(16, 0.3),), shift=0.0)))
    soft = Exaggerator(small_config(bands=(Band(16, 0.3),), shift=0.0, soften=2.0))
    soft.load_state_dict(plain.state_dict())

    def roughness(network: Exaggerator) -> float:
        residual = network(x, torch.zeros(1), torch.ones(1)).residual.detach()
        return float((residual[..., 1:] - residual[..., :-1]).square().mean() / residual.square().mean())

    assert roughness(soft) < 0.5 * roughness(plain)
    assert torch.equal(soft(x, torch.ones(1) * 0.4, torch.ones(1) * 0.4).x, x)


@pytest.mark.parametrize("head", ["paper", "residual", "morph"])
def test_depth_is_how_often_the_encoder_halves(head):
    network = Exaggerator(small_config(head, depth=4))
    x = torch.rand(2, 1, 32, 32)
    assert network.encode(x)[-1].shape[-2:] == (1, 1)
    assert network(x, torch.zeros(2), torch.ones(2)).x.shape == x.shape


def test_a_grey_band_leaves_the_colour_alone():
    network = shaken(Exaggerator(small_config("morph", channels=3, bands=(Band(8, 0.3), Band(32, 0.1)))))
    change = network(torch.rand(2, 3, 32, 32), torch.zeros(2), torch.ones(2))
    assert torch.equal(change.residual[:, 0], change.residual[:, 1])
    assert torch.equal(change.residual[:, 0], change.residual[:, 2])


def test_a_colour_band_may_tint():
    network = shaken(Exaggerator(small_config("morph", channels=3, bands=(Band(8, 0.3, colour=True),))))
    change = network(torch.rand(2, 3, 32, 32), torch.zeros(2), torch.ones(2))
    assert (change.residual[:, 0] - change.residual[:, 1]).abs().max() > 1e-3


def test_the_decoder_of_the_morph_head_runs_once_a_sweep(x, monkeypatch):
    network = shaken(Exaggerator(small_config("morph")))
    sizes = []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda f, code=None: sizes.append(len(f[-1])) or decode(f, code))
    network.change(x[:1], network.encode(x[:1]), torch.zeros(21), torch.linspace(0, 9, 21))
    assert sizes == [1]


@pytest.mark.parametrize("head", HEADS)
def test_every_weight_that_matters_gets_a_gradient_at_the_start(head, x):
    network = Exaggerator(small_config(head))
    network(x, ORIGIN, WANTED).x.square().sum().backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # At the start all borders of the morph head are alike, but even then each has its own slope.
    assert dead == [], head


# Warping


def test_a_displacement_is_where_a_pixel_is_fetched_from():
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 5, 9] = 1  # row 5, column 9
    fetch = torch.zeros(1, 2, 16, 16)
    fetch[:, 0] = 3 / 16  # dx: from three columns to the right, so contents move left
    fetch[:, 1] = -2 / 16  # dy: from two rows above, so contents move down
    moved = warp(x, fetch)
    assert moved[0, 0, 7, 6] == pytest.approx(1, abs=1e-4)
    assert moved.sum() == pytest.approx(1, abs=1e-3)


def test_half_a_pixel_is_shared():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 4, 4] = 1
    fetch = torch.zeros(1, 2, 8, 8)
    fetch[:, 0] = 0.5 / 8
    moved = warp(x, fetch)[0, 0, 4]
    torch.testing.assert_close(moved[3:5], torch.tensor([0.5, 0.5]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_no_displacement_is_no_resampling(size):
    x = torch.rand(1, 1, size, size)
    assert (warp(x, torch.zeros(1, 2, size, size)) - x).abs().max().item() == 0


def test_the_border_goes_on_outside():
    x = torch.full((1, 1, 8, 8), 0.7)
    far = torch.full((1, 2, 8, 8), 5.0)
    torch.testing.assert_close(warp(x, far), x)


def test_enlarging_keeps_a_constant_and_a_size():
    field = torch.full((1, 2, 8, 8), 0.3)
    torch.testing.assert_close(enlarge(field, 50, 70), torch.full((1, 2, 50, 70), 0.3))
    assert enlarge(field, 8, 8) is field


# Settings


def test_settings_survive_json():
    config = ExaggeratorConfig(channels=3, bands=(Band(16, 0.3, colour=True), Band(64, 0.2)), shift=0.08)
    assert ExaggeratorConfig.from_dict(json.loads(json.dumps(config_dict(config)))) == config


def test_an_unknown_head_is_refused():
    with pytest.raises(ValueError, match="head must be one of"):
        Exaggerator(replace(small_config(), head="oil paint"))
