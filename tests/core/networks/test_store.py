"""Exaggerators and infills on disk."""

from __future__ import annotations

import pytest
import torch
from toys import shaken, small_config

from core.errors import UserError
from core.networks.exaggerator import HEADS, Band, Exaggerator, config_dict
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.store import load_exaggerator, load_infill, save_exaggerator, save_infill
from core.networks.vae_infill import VaeInfillConfig, VaeInfiller
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


# Infills


INFILLS = [
    Inpainter(InpainterConfig(32, 3, 4)),
    Inpainter(InpainterConfig(16, 1, 4, attention=False)),
    VaeInfiller(VaeInfillConfig(32, 1, 4, 5)),
]
KINDS = ["ca", "plain", "vae"]


@pytest.mark.parametrize("network", INFILLS, ids=KINDS)
def test_an_infill_comes_back_as_it_was(network, tmp_path):
    network = shaken(network, 0.05)
    save_infill(network, tmp_path / "i.safetensors", seed=3)
    again = load_infill(tmp_path / "i.safetensors")
    assert type(again) is type(network)
    assert again.config == network.config
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    assert read_weights(tmp_path / "i.safetensors")[1]["seed"] == 3
    x = torch.rand(1, network.config.channels, network.config.size, network.config.size)
    hole = (torch.rand(1, 1, *x.shape[2:]) < 0.3).float()
    if isinstance(network, VaeInfiller):
        one, two = (n.sample(x, hole, torch.Generator().manual_seed(0)) for n in (network, again))
    else:
        one, two = network(x, hole), again(x, hole)
    torch.testing.assert_close(one, two, atol=5e-3, rtol=0)


def test_an_exaggerator_is_no_infill_nor_the_other_way_round(tmp_path):
    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors")
    with pytest.raises(UserError, match=r"e\.safetensors does not hold an infill"):
        load_infill(tmp_path / "e.safetensors")
    save_infill(INFILLS[0], tmp_path / "i.safetensors")
    with pytest.raises(UserError, match=r"i\.safetensors does not hold an exaggerator"):
        load_exaggerator(tmp_path / "i.safetensors")


def test_an_infill_with_another_ones_weights_is_refused(tmp_path):
    settings = {"infill": "ca", "network": InpainterConfig(32, 1, 4).to_dict()}
    save_weights(INFILLS[2], tmp_path / "i.safetensors", settings)
    with pytest.raises(UserError, match="does not hold an infill"):
        load_infill(tmp_path / "i.safetensors")


@pytest.mark.parametrize("changes", [{"depth": 3}, {"width": "wide"}, {"width": 5}])
def test_an_infill_of_another_shape_is_refused(changes, tmp_path):
    network = InpainterConfig(32, 1, 4).to_dict() | changes
    save_weights(Inpainter(InpainterConfig(32, 1, 4)), tmp_path / "i.safetensors", {"infill": "ca", "network": network})
    with pytest.raises(UserError, match="does not hold an infill"):
        load_infill(tmp_path / "i.safetensors")


def test_a_missing_or_damaged_infill_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"no\.safetensors"):
        load_infill(tmp_path / "no.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(UserError, match=r"bad\.safetensors"):
        load_infill(tmp_path / "bad.safetensors")


def test_an_infill_of_an_unknown_kind_is_refused(tmp_path):
    # Weights and shape of a VAE under a kind that this version does not know.
    network = VaeInfiller(VaeInfillConfig(32, 1, 4, 5))
    save_weights(network, tmp_path / "i.safetensors", {"infill": "diffusion", "network": network.config.to_dict()})
    with pytest.raises(UserError, match="does not hold an infill"):
        load_infill(tmp_path / "i.safetensors")
