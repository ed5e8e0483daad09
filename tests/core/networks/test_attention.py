"""Contextual attention on features whose matches are known, over all pairs of patches and over needed ones alone."""

from __future__ import annotations

import pytest
import torch

from core.networks import attention
from core.networks.attention import contextual_attention


@pytest.fixture(params=["all pairs", "needed pairs"], autouse=True)
def pairs(request, monkeypatch):
    """Either way of computing it: the second is for large pictures on a CPU without a gradient."""
    if request.param == "all pairs":
        yield
        return
    monkeypatch.setattr(attention, "LARGE", 0)
    with torch.no_grad():
        yield


def tiles(side: int = 16, period: int = 4, depth: int = 12) -> torch.Tensor:
    """[1, depth, side, side] random features that repeat every `period` places: every patch has its twins."""
    tile = torch.randn(1, depth, period, period, generator=torch.Generator().manual_seed(2))
    return tile.repeat(1, 1, side // period, side // period)


def hole_at(row: int, column: int, height: int = 1, width: int = 1, side: int = 16) -> torch.Tensor:
    hole = torch.zeros(1, 1, side, side)
    hole[..., row : row + height, column : column + width] = 1
    return hole


@pytest.mark.parametrize("place", [(7, 7), (5, 9), (8, 4)])
def test_a_hole_is_rebuilt_from_its_twin(place):
    # The middle of the hole is wrong by a little, its surroundings are as everywhere: the twins fill it.
    features, hole = tiles(), hole_at(*place)
    damaged = torch.where(hole > 0.5, features + 0.3, features)
    rebuilt = contextual_attention(damaged, hole, sharpness=50)
    torch.testing.assert_close(rebuilt, features, atol=0.02, rtol=0)


def test_the_one_patch_that_matches_is_copied():
    """Random features, a hole at one place, and one copy of its surroundings elsewhere."""
    features = torch.randn(1, 24, 16, 16, generator=torch.Generator().manual_seed(1))
    features[..., 2:9, 2:9] = features[..., 8:15, 8:15]  # 7x7 around (5, 5) as around (11, 11)
    wanted = features[..., 11, 11].clone()
    damaged = features.clone()
    damaged[..., 5, 5] = 0
    rebuilt = contextual_attention(damaged, hole_at(5, 5), sharpness=100)
    torch.testing.assert_close(rebuilt[..., 5, 5], wanted, atol=1e-3, rtol=0)


def test_outside_the_hole_features_stay_as_they_are():
    features = torch.randn(3, 8, 12, 12)
    hole = (torch.rand(3, 1, 12, 12) < 0.15).float()
    kept = (hole == 0).expand_as(features)
    rebuilt = contextual_attention(features, hole)
    assert torch.equal(rebuilt[kept], features[kept])
    assert not torch.equal(rebuilt, features)


def test_patches_that_touch_the_hole_have_no_weight():
    # Everything that touches the hole is enormous; if one such patch had a weight, it would show.
    hole = hole_at(6, 6, 3, 3)
    touched = torch.nn.functional.max_pool2d(hole, 3, 1, 1)
    features = torch.randn(1, 8, 16, 16)
    features = torch.where(hole > 0.5, 1e4 * features, features)
    rebuilt = contextual_attention(features, hole)
    inside = rebuilt[(hole > 0.5).expand_as(rebuilt)]
    visible = features[(touched == 0).expand_as(features)]
    # A mean of visible features with weights that add up to 1 stays within their range, ring and border included.
    assert inside.abs().max() <= features[(hole == 0).expand_as(features)].abs().max() + 1e-4
    assert visible.abs().max() < 1e2


def test_a_constant_is_rebuilt_as_the_constant():
    # The weights of every query add up to 1: away from the border a constant comes back as itself.
    features = torch.full((1, 4, 16, 16), 2.0)
    hole = hole_at(6, 6, 4, 4)
    damaged = torch.where(hole > 0.5, 0.5, features)
    rebuilt = contextual_attention(damaged, hole)
    inside = rebuilt[..., 6:10, 6:10]
    assert inside.max() <= 2 + 1e-5
    assert inside.min() > 1.5  # patches at the border bring a little of the zeros beyond it


def test_a_picture_without_a_whole_patch_keeps_its_features():
    features = torch.randn(2, 4, 8, 8)
    hole = torch.ones(2, 1, 8, 8)
    hole[1, :, 4, 4] = 0  # a visible place, but no visible patch
    rebuilt = contextual_attention(features, hole)
    assert torch.equal(rebuilt, features)


def test_one_hidden_picture_does_not_spoil_the_batch():
    features, holes = tiles().repeat(2, 1, 1, 1), torch.cat([hole_at(7, 7), torch.ones(1, 1, 16, 16)])
    rebuilt = contextual_attention(features, holes)
    assert torch.isfinite(rebuilt).all()
    torch.testing.assert_close(rebuilt[:1], contextual_attention(features[:1], holes[:1]))


def test_zero_features_are_no_trouble():
    features = torch.zeros(1, 4, 8, 8, requires_grad=True)
    with torch.enable_grad():
        rebuilt = contextual_attention(features, hole_at(3, 3, 2, 2, side=8))
        rebuilt.sum().backward()
    assert torch.isfinite(rebuilt).all()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("shape", [(8, 12), (12, 8), (9, 7)])
def test_height_and_width_may_differ(shape):
    features, hole = torch.randn(1, 4, *shape), torch.zeros(1, 1, *shape)
    hole[..., 3:5, 4] = 1
    turned = contextual_attention(features.transpose(2, 3), hole.transpose(2, 3)).transpose(2, 3)
    assert contextual_attention(features, hole).shape == features.shape
    # Rows and columns are fused one after the other, so turning the picture changes next to nothing.
    torch.testing.assert_close(contextual_attention(features, hole), turned, atol=0.03, rtol=0)


@pytest.mark.parametrize("shape", [(32, 32), (12, 9)])
@pytest.mark.parametrize("hidden", [0.0, 0.03, 0.3, 0.97, 1.0])
def test_both_ways_give_the_same(shape, hidden, monkeypatch):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(3, 5, *shape, generator=generator)
    holes = (torch.rand(3, 1, *shape, generator=generator) < hidden).float()
    holes[1, :, 2:7, 3:7] = 1  # beside scattered places a block, and one up to the border
    holes[2, :, :, :4] = 1
    monkeypatch.setattr(attention, "LARGE", 0)
    with torch.no_grad():
        needed = contextual_attention(features, holes)
    with torch.enable_grad():
        every = contextual_attention(features, holes)
    torch.testing.assert_close(needed, every, atol=1e-5, rtol=0)
