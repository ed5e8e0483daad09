"""The in-painter."""

from __future__ import annotations

import pytest
import torch

from core.networks.inpainter import GatedConv, Inpainter, InpainterConfig
from core.networks.patch_critic import PatchCritic

# The network


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3)])
def test_it_gives_a_picture_and_reads_nothing_hidden(attention, size, channels):
    torch.manual_seed(1)
    network = Inpainter(InpainterConfig(size, channels, 4, attention))
    x, hole = torch.rand(2, channels, size, size), (torch.rand(2, 1, size, size) < 0.3).float()
    out = network(x, hole)
    assert out.shape == x.shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(out, network(torch.where(hole > 0.5, torch.rand_like(x), x), hole))


def test_every_weight_learns():
    torch.manual_seed(1)
    network = Inpainter(InpainterConfig(32, 1, 4))
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., 8:20, 8:20] = 1
    (network(torch.rand(2, 1, 32, 32), hole) - 0.3).square().mean().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().max() > 0, name


def test_a_gate_closes():
    layer = GatedConv(1, 2)
    with torch.no_grad():
        layer.conv.weight.zero_()
        layer.conv.bias.copy_(torch.tensor([1.0, -0.5, 30.0, -30.0]))
    out = layer(torch.rand(1, 1, 4, 4))
    torch.testing.assert_close(out[:, 0], torch.ones(1, 4, 4))
    torch.testing.assert_close(out[:, 1], torch.zeros(1, 4, 4))


def test_the_settings_are_kept():
    config = InpainterConfig(32, 1, 8, attention=False)
    assert InpainterConfig(**config.to_dict()) == config


# The critic


def test_the_patch_critic_scores_patches_and_sees_the_hole():
    torch.manual_seed(1)
    critic = PatchCritic(3, 4).eval()
    x, hole = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    scores = critic(x, hole)
    assert scores.shape == (2, 1, 2, 2)
    assert not torch.equal(scores, critic(x, 1 - hole))
