"""Infills that need no training, against hand and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from core.infills.heuristic import BlurInfill, LocalInfill, MeanInfill, RandomInfill, gaussian_blur


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Mean


def test_mean_is_one_colour():
    proposal = MeanInfill(torch.tensor([0.1, 0.5, 0.9])).propose(torch.rand(2, 3, 6, 8), torch.ones(2, 4, 6, 8))
    assert proposal.shape == (2, 4, 3, 6, 8)
    assert torch.equal(proposal[1, 2, :, 3, 3], torch.tensor([0.1, 0.5, 0.9]))
    assert (proposal == proposal[:1, :1, :, :1, :1]).all()


# Random


def test_random_is_one_colour_a_sample_and_noise():
    proposal = RandomInfill().propose(torch.zeros(3, 3, 64, 64), torch.ones(3, 40, 64, 64), generator())
    assert proposal.shape == (3, 40, 3, 64, 64)
    assert proposal.min() == 0
    assert proposal.max() == 1
    # Far from 0 and 1 nothing is cut: the spread is that of the noise alone, and colours are spread evenly.
    means, spreads = proposal.mean((3, 4)), proposal.std((3, 4))
    inside = (means > 0.45) & (means < 0.55)
    assert inside.any()
    assert spreads[inside].mean() == pytest.approx(0.2, abs=0.01)
    assert means.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / means.numel()))


def test_random_without_noise_is_a_constant():
    proposal = RandomInfill(noise=0).propose(torch.zeros(1, 1, 8, 8), torch.ones(1, 2, 8, 8), generator())
    assert (proposal == proposal[..., :1, :1]).all()
    assert proposal[0, 0, 0, 0, 0] != proposal[0, 1, 0, 0, 0]


# Blur


@pytest.mark.parametrize("sigma", [0.7, 2.0, 3.3, 10.0])
@pytest.mark.parametrize("shape", [(32, 32), (17, 40)])
def test_gaussian_blur_is_scipys(sigma, shape):
    x = torch.rand(2, 3, *shape)
    expected = gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=3)
    np.testing.assert_allclose(gaussian_blur(x, sigma).numpy(), expected, atol=2e-6)


def test_blurring_wider_than_the_picture_is_fine():
    x = torch.rand(1, 1, 8, 8)
    expected = gaussian_filter(x.numpy(), (0, 0, 10, 10), mode="nearest", truncate=3)
    np.testing.assert_allclose(gaussian_blur(x, 10.0).numpy(), expected, atol=2e-6)


def test_a_blur_of_nothing_is_the_picture():
    x = torch.rand(1, 1, 8, 8)
    assert gaussian_blur(x, 0) is x


def test_a_constant_stays_under_blur():
    torch.testing.assert_close(gaussian_blur(torch.full((1, 2, 9, 9), 0.3), 2.5), torch.full((1, 2, 9, 9), 0.3))


def test_blur_has_a_slope():
    x = torch.rand(1, 1, 12, 12, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: gaussian_blur(v, 1.5), x)


def test_the_blur_infill_is_the_blurred_picture_whatever_is_hidden():
    x = torch.rand(2, 1, 32, 32)
    proposal = BlurInfill(3.0).propose(x, (torch.rand(2, 4, 32, 32) < 0.5).float())
    assert torch.equal(proposal, gaussian_blur(x, 3.0)[:, None].expand(-1, 4, -1, -1, -1))


# Local


def by_hand(picture: np.ndarray, hidden: np.ndarray, side: int) -> np.ndarray:
    """The slow way: for every pixel the mean of the visible ones in its box."""
    half, out = side // 2, np.empty_like(picture)
    for r in range(picture.shape[0]):
        for c in range(picture.shape[1]):
            box = (slice(max(0, r - half), r + half + 1), slice(max(0, c - half), c + half + 1))
            seen = picture[box][hidden[box] == 0]
            everywhere = picture[hidden == 0]
            out[r, c] = seen.mean() if len(seen) else everywhere.mean() if len(everywhere) else 0.5
    return out


def test_local_by_hand():
    picture = torch.arange(25.0).view(1, 1, 5, 5) / 25
    hidden = torch.zeros(1, 1, 5, 5)
    hidden[0, 0, 1:4, 1:4] = 1  # the ring 0..4, 5, 9, 10, 14, 15, 19, 20..24 is seen
    proposal = LocalInfill(3).propose(picture, hidden)[0, 0, 0] * 25
    # Around (1, 1): 0, 1, 2, 5, 10 are seen; around (1, 2): 1, 2, 3; around (3, 3): 14, 19, 22, 23, 24.
    assert float(proposal[1, 1]) == pytest.approx((0 + 1 + 2 + 5 + 10) / 5, abs=1e-5)
    assert float(proposal[1, 2]) == pytest.approx(2, abs=1e-5)
    assert float(proposal[3, 3]) == pytest.approx((14 + 19 + 22 + 23 + 24) / 5, abs=1e-5)
    # Around (2, 2) nothing is: the mean of all that is visible, 12 by symmetry.
    assert float(proposal[2, 2]) == pytest.approx(12, abs=1e-5)


@pytest.mark.parametrize("side", [3, 7, 15])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.98])
def test_local_is_the_slow_way(side, share):
    rng = np.random.default_rng(int(100 * share) + side)
    picture, hidden = rng.random((18, 21)), (rng.random((18, 21)) < share).astype(float)
    proposal = LocalInfill(side).propose(torch.tensor(picture)[None, None], torch.tensor(hidden)[None, None])
    np.testing.assert_allclose(proposal[0, 0, 0].numpy(), by_hand(picture, hidden, side), atol=1e-9)


def test_local_keeps_its_pictures_and_masks_apart():
    x, mask = torch.rand(2, 3, 12, 12), (torch.rand(2, 4, 12, 12) < 0.5).float()
    proposal = LocalInfill(5).propose(x, mask)
    for n in range(2):
        for k in range(4):
            for c in range(3):
                slow = by_hand(x[n, c].numpy(), mask[n, k].numpy(), 5)
                np.testing.assert_allclose(proposal[n, k, c].numpy(), slow, atol=1e-6)


def test_where_nothing_at_all_is_visible_local_is_grey():
    proposal = LocalInfill().propose(torch.rand(1, 3, 16, 16), torch.ones(1, 2, 16, 16))
    assert (proposal == 0.5).all()


def test_the_published_box_is_fifteen_pixels():
    assert LocalInfill().side == 15
    x, mask = torch.zeros(1, 1, 33, 33), torch.ones(1, 1, 33, 33)
    mask[..., 16, 16] = mask[..., 0, 0] = 0
    x[..., 16, 16] = 0.8
    proposal = LocalInfill().propose(x, mask)[0, 0, 0]
    assert float(proposal[16, 23]) == pytest.approx(0.8)  # seven pixels away: in the box
    assert float(proposal[16, 24]) == pytest.approx(0.4)  # eight: the mean of everything visible


def test_a_box_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="odd"):
        LocalInfill(4)
