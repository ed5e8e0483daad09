"""Random views and the critic's augmentation: nothing at amplitude zero, gradients through, bounds kept."""

from __future__ import annotations

import pytest
import torch

from core.training.augment import CLASSIFIER_VIEW, EXPECTATION_VIEW, View, diff_augment, random_view


def pictures(n: int = 6, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(2))


def test_no_amplitude_no_change():
    x = pictures()
    assert torch.equal(random_view(x, View()), x)
    assert torch.equal(diff_augment(x, shift=0, cutout=0), x)


@pytest.mark.parametrize("view", [CLASSIFIER_VIEW, EXPECTATION_VIEW, View(rotate=5), View(blur=1), View(smudge=0.1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_shape_stays_and_a_gradient_flows(view, channels):
    x = pictures(channels=channels).requires_grad_()
    seen = random_view(x, view)
    assert seen.shape == x.shape
    assert not torch.equal(seen, x)
    seen.square().sum().backward()
    assert (x.grad.abs().amax((1, 2, 3)) > 0).all()


def test_a_generator_makes_a_view_repeatable():
    x = pictures()
    one, two = (random_view(x, CLASSIFIER_VIEW, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)


def test_each_picture_gets_its_own_view():
    x = pictures(1).expand(8, -1, -1, -1)
    gains = random_view(x, View(gain=0.5)).std((1, 2, 3))
    assert len(torch.unique(gains)) == 8


def test_flip_mirrors_or_does_not():
    x = pictures(32)
    seen = random_view(x, View(flip=True))
    same = (seen - x).abs().amax((1, 2, 3)) < 1e-4
    mirrored = (seen - x.flip(-1)).abs().amax((1, 2, 3)) < 1e-4
    assert (same ^ mirrored).all()
    assert 6 <= int(same.sum()) <= 26


def test_shift_stays_within_its_fraction():
    x = torch.zeros(64, 1, 32, 32)
    x[:, :, 16, 16] = 1
    seen = random_view(x, View(shift=0.125))[:, 0]  # at most four pixels
    rows = (seen.sum(2) * torch.arange(32.0)).sum(1) / seen.sum((1, 2))
    columns = (seen.sum(1) * torch.arange(32.0)).sum(1) / seen.sum((1, 2))
    for place in (rows, columns):
        assert (place - 16).abs().max() <= 4.01
        assert (place - 16).abs().max() > 2


def test_gain_and_bias_by_hand():
    x = torch.full((200, 1, 2, 2), 0.7)
    gained = random_view(x, View(gain=0.1))[:, 0, 0, 0]  # 0.5 + 0.2 * [0.9, 1.1]
    assert 0.68 <= gained.min() < 0.685
    assert 0.715 < gained.max() <= 0.72
    moved = random_view(x, View(bias=0.1))[:, 0, 0, 0]
    assert 0.6 <= moved.min() < 0.62
    assert 0.78 < moved.max() <= 0.8001


def test_blur_keeps_the_mean_of_a_constant_and_lowers_a_peak():
    assert torch.allclose(random_view(torch.full((2, 1, 8, 8), 0.4), View(blur=1)), torch.tensor(0.4))
    peak = torch.zeros(20, 1, 9, 9)
    peak[:, :, 4, 4] = 1
    seen = random_view(peak, View(blur=1))
    torch.testing.assert_close(seen.sum((1, 2, 3)), torch.ones(20))
    assert seen[:, 0, 4, 4].min() < 0.5


def test_saturation_moves_colour_towards_or_from_grey_only():
    x = pictures(16)
    seen = random_view(x, View(saturation=0.5))
    torch.testing.assert_close(seen.mean(1), x.mean(1))
    assert torch.equal(random_view(pictures(channels=1), View(saturation=0.5)), pictures(channels=1))


def test_cutout_blanks_a_square_of_its_size():
    seen = diff_augment(torch.ones(50, 1, 20, 20), shift=0, cutout=0.3)  # 6 x 6, cut short at the edges
    holes = (seen == 0).sum((1, 2, 3))
    assert holes.max() == 36
    assert holes.min() >= 9


def test_translation_moves_contents_whole():
    x = torch.zeros(50, 1, 16, 16)
    x[:, :, 8, 8] = 1
    seen = diff_augment(x, shift=0.125, cutout=0)
    places = seen.flatten(1).argmax(1)
    assert torch.equal(seen.sum((1, 2, 3)), torch.ones(50))
    assert ((places // 16 - 8).abs() <= 2).all()
    assert ((places % 16 - 8).abs() <= 2).all()
    assert len(torch.unique(places)) > 5


def test_the_critics_view_is_differentiable():
    x = pictures().requires_grad_()
    diff_augment(x).sum().backward()
    assert set(x.grad.unique().tolist()) <= {0.0, 1.0}
    assert x.grad.sum() > 0
