"""Occlusion: by hand on linear scores, and every pixel is covered whatever the sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toys import as_choice, bump_network

from core.attributions import occlusion as module
from core.attributions.occlusion import occlusion
from core.attributions.score import Score


def linear(weight):
    """A score that is the sum of weight [C, H, W] times the picture."""

    class Linear(nn.Module):
        def forward(self, x):
            return (weight * x).sum((1, 2, 3))[:, None]

    return Score(Linear(), 0, 0, "own")


def pictures(*shape, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)[:, None]


def test_one_pixel_windows_on_a_linear_score():
    weight = torch.randn(1, 6, 6)
    x, start = pictures(2, 1, 6, 6)
    torch.testing.assert_close(
        occlusion(linear(weight), x, start, 1, 1), weight * (x - start[:, 0]), atol=1e-5, rtol=1e-4
    )


def test_windows_side_by_side_share_their_loss_evenly():
    weight = torch.randn(1, 6, 6)
    x, start = pictures(1, 1, 6, 6)
    lost = (weight * (x - start[:, 0])).view(1, 1, 3, 2, 3, 2).sum((3, 5)) / 4
    want = lost.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(occlusion(linear(weight), x, start, 2, 2), want, atol=1e-5, rtol=1e-4)


def test_overlapping_windows_are_averaged():
    """A row of three, windows of two: the middle pixel is the mean of both windows' shares."""
    weight = torch.tensor([[[1.0, 2.0, 4.0], [0, 0, 0], [0, 0, 0]]])
    x, start = torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 1, 3, 3)
    found = occlusion(linear(weight), x, start, 2, 1)[0, 0]
    left, right = 3 / 4, 6 / 4
    torch.testing.assert_close(found[0], torch.tensor([left, (left + right) / 2, right]))
    torch.testing.assert_close(found[1, 0], torch.tensor(left / 2))  # of two windows, one loses nothing
    torch.testing.assert_close(found[2], torch.zeros(3))


@pytest.mark.parametrize(
    ("height", "width", "window", "stride"), [(7, 10, 3, 2), (9, 5, 4, 4), (5, 5, 8, 3), (28,) * 2 + (None,) * 2]
)
def test_every_pixel_is_covered(height, width, window, stride):
    x, start = torch.ones(1, 1, height, width), torch.zeros(1, 1, 1, height, width)
    found = occlusion(linear(torch.ones(1, height, width)), x, start, window, stride)
    torch.testing.assert_close(found, torch.ones_like(x), atol=1e-4, rtol=1e-4)


def test_channels_share_evenly():
    weight = torch.zeros(3, 4, 4)
    weight[1, 0, 0] = 6
    x, start = torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 3, 4, 4)
    found = occlusion(linear(weight), x, start, 1, 1)
    torch.testing.assert_close(found[0, :, 0, 0], torch.full((3,), 2.0))
    assert float(found.sum()) == pytest.approx(6)


def test_baselines_are_averaged_and_parts_change_nothing(monkeypatch):
    score = Score(as_choice(bump_network(), ("a", "b", "c")), 0, 2)
    x, a = pictures(2, 1, 8, 8)
    _, b = pictures(2, 1, 8, 8, seed=5)
    both = occlusion(score, x, torch.cat([a, b], 1))
    torch.testing.assert_close(both, (occlusion(score, x, a) + occlusion(score, x, b)) / 2)
    monkeypatch.setattr(module, "CHUNK", 5)
    torch.testing.assert_close(occlusion(score, x, torch.cat([a, b], 1)), both)
