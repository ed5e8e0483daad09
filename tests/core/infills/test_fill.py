"""Six ways to fill a hole, one promise: what is visible stays, what is hidden is not looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from toys import toy_infill

from core.infills.infill import LEARNED, NAMES, TITLES, compose, fill

SAMPLING = ("random", "vae")
BLIND = ("local", "vae", "ca", "mean", "random")  # all but blur, which reads what it hides
INFILLS = {name: toy_infill(name) for name in NAMES}
MASKS = st.one_of(
    arrays(np.float32, (1, 1, 32, 32), elements=st.sampled_from([0.0, 1.0]), fill=st.sampled_from([0.0, 1.0])),
    st.integers(0, 2**31).map(lambda s: (np.random.default_rng(s).random((1, 1, 32, 32)) < 0.5).astype(np.float32)),
)
GENERATED = settings(max_examples=20, deadline=None)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 1, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, 1, 32, 32, generator=generator(seed))


def square(n: int = 1) -> torch.Tensor:
    mask = torch.zeros(n, 1, 32, 32)
    mask[..., 10:22, 6:18] = 1
    return mask


def test_there_are_six():
    assert set(TITLES) == set(NAMES)
    assert set(LEARNED) < set(NAMES)
    for name in NAMES:
        assert INFILLS[name].name == name
        assert INFILLS[name].stochastic == (name in SAMPLING)


@pytest.mark.parametrize("name", NAMES)
@GENERATED
@given(mask=MASKS, seed=st.integers(0, 1000))
def test_visible_pixels_stay_bit_for_bit(name, mask, seed):
    x, hole = pictures(seed=seed), torch.from_numpy(mask)
    filled = fill(INFILLS[name], x, hole, 2, generator(seed))
    shown = (hole == 0)[:, None].expand_as(filled)
    assert torch.equal(filled[shown], x[:, None].expand_as(filled)[shown])


@pytest.mark.parametrize("name", BLIND)
@GENERATED
@given(mask=MASKS, seed=st.integers(0, 1000))
def test_hidden_pixels_are_never_read(name, mask, seed):
    x, hole = pictures(seed=seed), torch.from_numpy(mask)
    other = torch.where(hole > 0.5, pictures(seed=seed + 1), x)
    one, two = (fill(INFILLS[name], p, hole, 1, generator(seed)) for p in (x, other))
    assert torch.equal(one, two)


def test_blur_reads_what_it_hides():
    x, hole = pictures(), square()
    assert not torch.equal(*(fill(INFILLS["blur"], p, hole) for p in (x, torch.where(hole > 0.5, 0.0, x))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", ["nothing", "some", "everything"])
def test_proposals_are_pictures(name, hidden):
    x = pictures(2)
    masks = {"nothing": torch.zeros, "some": lambda *s: (torch.rand(s) < 0.5).float(), "everything": torch.ones}
    mask = masks[hidden](2, 3, 32, 32)
    proposal = INFILLS[name].propose(x, mask, generator())
    assert proposal.shape == (2, 3, 1, 32, 32)
    assert torch.isfinite(proposal).all()
    assert proposal.min() >= 0
    assert proposal.max() <= 1


@pytest.mark.parametrize("name", [n for n in NAMES if n not in SAMPLING])
def test_each_mask_is_answered_for_itself(name):
    x, masks = pictures(2), (torch.rand(2, 3, 32, 32) < 0.4).float()
    together = INFILLS[name].propose(x, masks)
    for n in range(2):
        for k in range(3):
            alone = INFILLS[name].propose(x[n : n + 1], masks[n : n + 1, k : k + 1])
            torch.testing.assert_close(together[n, k], alone[0, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_fill(name):
    one, two = (fill(INFILLS[name], pictures(2), square(2), 3, generator(5)) for _ in range(2))
    assert one.shape == (2, 3, 1, 32, 32)
    assert torch.equal(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_two_samples_differ_where_it_says_so(name):
    one, two = fill(INFILLS[name], pictures(), square(), 2, generator())[0]
    hidden = square()[0, 0] > 0.5
    assert torch.equal(one, two) == (name not in SAMPLING)
    if name in SAMPLING:
        assert (one != two)[0][hidden].float().mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_the_global_random_state_is_left_alone(name):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fill(INFILLS[name], pictures(), square(), 2, generator())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_enters_an_infill(name):
    x, mask = pictures().requires_grad_(), square().requires_grad_()
    assert not INFILLS[name].propose(x, mask, generator()).requires_grad
    assert not fill(INFILLS[name], x, mask, 1, generator()).requires_grad


@pytest.mark.parametrize("value", [0.5, 1e-6, 1.5, -1.0, float("nan")])
def test_a_hole_that_is_half_hidden_is_refused(value):
    mask = square()
    mask[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match="0 and 1 alone"):
        fill(INFILLS["mean"], pictures(), mask)


def test_several_pictures_each_have_their_hole():
    x, hole = pictures(2), square(2)
    hole[1] = hole[1].flip(-1)
    filled = fill(INFILLS["mean"], x, hole, 2)
    for n in range(2):
        for k in range(2):
            assert (filled[n, k][hole[n] > 0.5] == 0.25).all()
            assert torch.equal(filled[n, k][hole[n] < 0.5], x[n][hole[n] < 0.5])


# compose


@GENERATED
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
def test_a_mask_of_zero_gives_the_picture_and_of_one_the_infill(seed, scale):
    x, proposal = pictures(2, seed) * scale, pictures(6, seed + 1).view(2, 3, 1, 32, 32)
    assert torch.equal(compose(x, proposal, torch.zeros(2, 3, 32, 32)), x[:, None].expand_as(proposal))
    assert torch.equal(compose(x, proposal, torch.ones(2, 3, 32, 32)), proposal)


def test_a_soft_mask_mixes_and_has_a_slope():
    x, proposal = torch.full((1, 2, 4, 4), 0.2), torch.full((1, 3, 2, 4, 4), 0.6)
    mask = torch.full((1, 3, 4, 4), 0.25, requires_grad=True)
    mixed = compose(x, proposal, mask)
    torch.testing.assert_close(mixed, torch.full((1, 3, 2, 4, 4), 0.3))
    mixed.sum().backward()
    torch.testing.assert_close(mask.grad, torch.full((1, 3, 4, 4), 2 * 0.4))  # two channels
