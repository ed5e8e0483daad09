"""Exaggerators on disk."""

from __future__ import annotations

import pytest
import torch
from toys import shaken, small_config

from core.errors import UserError
from core.networks.exaggerator import HEADS, Band, Exaggerator, config_dict
from core.networks.store import load_exaggerator, save_exaggerator
from core.weights import read_weights, save_weights


@pytest.mark.parametrize("head", HEADS)
def test_a_network_comes_back_as_it_was(head, tmp_path):
    network = shaken(Exaggerator(small_config(head, bands=(Band(8, 0.3), Band(32, 0.1)))), 0.05)
    save_exaggerator(network, tmp_path / "e.safetensors", target="Smiling")
    again = load_exaggerator(tmp_path / "e.safetensors")
    assert again.config == network.config
    x, p, t = torch.rand(2, 1, 32, 32), torch.tensor([0.3, 0.9]), torch.tensor([0.8, 0.1])
    torch.testing.assert_close(again(x, p, t).x, network(x, p, t).x, atol=5e-3, rtol=0)


def test_it_comes_back_frozen(tmp_path):
    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors")
    again = load_exaggerator(tmp_path / "e.safetensors")
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_what_it_was_trained_for_is_kept(tmp_path):
    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors", target="Young")
    assert read_weights(tmp_path / "e.safetensors")[1]["target"] == "Young"


def test_another_networks_weights_are_refused(tmp_path):
    save_weights(torch.nn.Linear(3, 3), tmp_path / "l.safetensors", {"network": config_dict(small_config())})
    with pytest.raises(UserError, match=r"l\.safetensors does not hold an exaggerator"):
        load_exaggerator(tmp_path / "l.safetensors")


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    save_weights(torch.nn.Linear(3, 3), tmp_path / "l.safetensors", {"targets": ["a"]})
    with pytest.raises(UserError, match="does not hold an exaggerator"):
        load_exaggerator(tmp_path / "l.safetensors")


def test_a_head_of_a_later_version_is_refused_with_a_sentence(tmp_path):
    network = Exaggerator(small_config())
    settings = config_dict(network.config) | {"head": "diffusion"}
    save_weights(network, tmp_path / "e.safetensors", {"network": settings})
    with pytest.raises(UserError, match="does not hold an exaggerator"):
        load_exaggerator(tmp_path / "e.safetensors")
