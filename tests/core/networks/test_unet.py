"""The organ segmenter's network, and on disk."""

from __future__ import annotations

import pytest
import torch
from toys import shaken, small_config

from core.errors import UserError
from core.networks.exaggerator import Exaggerator
from core.networks.store import load_segmenter, save_exaggerator, save_segmenter
from core.networks.unet import UNet, UNetConfig
from core.weights import read_weights, save_weights

SMALL = UNetConfig(32, ("heart", "lungs"), 1, 4, 3)


@pytest.fixture
def network():
    return shaken(UNet(SMALL), 0.1)


@pytest.mark.parametrize("config", [SMALL, UNetConfig(16, ("heart",), 3, 8, 4), UNetConfig(64, ("a", "b", "c"), 1, 4)])
def test_one_map_an_organ_at_the_pictures_size(config):
    logits = UNet(config)(torch.rand(2, config.channels, config.size, config.size))
    assert logits.shape == (2, len(config.organs), config.size, config.size)


def test_an_organ_is_where_it_is_more_likely_than_not(network):
    x = torch.rand(2, 1, 32, 32)
    found = network.segment(x)
    assert found.dtype == torch.bool
    assert torch.equal(found, torch.sigmoid(network(x)) > 0.5)
    assert 0 < found.float().mean() < 1


def test_organs_may_overlap(network):
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([1.0, 1.0]))
    assert network.segment(torch.rand(1, 1, 32, 32)).all()


def test_a_picture_is_segmented_alone(network):
    # Group statistics: who else is in the batch does not matter.
    x = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]), atol=1e-4, rtol=1e-4)


def test_both_the_coarsest_and_the_finest_level_count(network):
    x = torch.rand(1, 1, 32, 32)
    for part in (network.down[-1], network.join[-1]):
        kept = [p.clone() for p in part.parameters()]
        before = network(x)
        with torch.no_grad():
            for p in part.parameters():
                p.add_(0.5)
        assert (network(x) - before).abs().max() > 1e-3
        with torch.no_grad():
            for p, old in zip(part.parameters(), kept, strict=True):
                p.copy_(old)


def test_every_weight_is_learned():
    network = UNet(SMALL)
    network(torch.rand(2, 1, 32, 32)).square().mean().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


# On disk


def test_a_segmenter_comes_back_as_it_was(network, tmp_path):
    save_segmenter(network, tmp_path / "s.safetensors", seed=3)
    again = load_segmenter(tmp_path / "s.safetensors")
    assert again.config == SMALL
    assert again.config.organs == ("heart", "lungs")  # a tuple again, not JSON's list
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    assert read_weights(tmp_path / "s.safetensors")[1]["seed"] == 3
    x = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(again(x), network(x), atol=2e-2, rtol=2e-2)  # kept in half precision


def test_other_networks_are_no_segmenter(network, tmp_path):
    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors")
    with pytest.raises(UserError, match=r"e\.safetensors does not hold a segmenter"):
        load_segmenter(tmp_path / "e.safetensors")
    save_weights(torch.nn.Linear(3, 3), tmp_path / "l.safetensors", {"segmenter": SMALL.to_dict()})
    with pytest.raises(UserError, match="does not hold a segmenter"):
        load_segmenter(tmp_path / "l.safetensors")


@pytest.mark.parametrize("changes", [{"depth": 4}, {"base": 8}, {"organs": ["heart"]}, {"wide": 1}, {"organs": None}])
def test_a_segmenter_of_another_shape_is_refused(network, changes, tmp_path):
    save_weights(network, tmp_path / "s.safetensors", {"segmenter": SMALL.to_dict() | changes})
    with pytest.raises(UserError, match="does not hold a segmenter"):
        load_segmenter(tmp_path / "s.safetensors")


def test_a_missing_or_damaged_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*no\.safetensors"):
        load_segmenter(tmp_path / "no.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(UserError, match=r"bad\.safetensors is not a readable"):
        load_segmenter(tmp_path / "bad.safetensors")
