"""The autoencoder for whole pictures: its shapes, its divergence, and what counts as a latent number in use."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from toys import shaken

from core.errors import UserError
from core.networks.autoencoder import Autoencoder, AutoencoderConfig, active_units, divergence
from core.networks.store import load_autoencoder, save_autoencoder, save_exaggerator


def small(size: int = 32, channels: int = 1, latent: int = 5) -> Autoencoder:
    torch.manual_seed(2)
    return shaken(Autoencoder(AutoencoderConfig(size, channels, 8, latent)), 0.1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 29, 32, 33, 48, 64, 100, 128])
def test_every_size_comes_back(size, channels):
    network, x = small(size, channels), torch.rand(2, channels, size, size)
    mean, log_variance = network.encode(x)
    assert mean.shape == log_variance.shape == (2, 5)
    picture = network.decode(mean)
    assert picture.shape == x.shape
    assert picture.min() >= 0
    assert picture.max() <= 1


@pytest.mark.parametrize(("size", "channels"), [(27, 1), (129, 1), (64, 2), (64, 4)])
def test_other_shapes_are_refused(size, channels):
    with pytest.raises(ValueError, match="28 to 128 pixels and 1 or 3 channels"):
        Autoencoder(AutoencoderConfig(size, channels))


def test_a_picture_does_not_depend_on_its_companions():
    network, x = small(), torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(network.embed(x)[1:2], network.embed(x[1:2]), atol=1e-5, rtol=0)
    z = network.embed(x)
    torch.testing.assert_close(network.decode(z)[1:2], network.decode(z[1:2]), atol=1e-5, rtol=0)


def test_the_embedding_is_the_mean():
    network, x = small(), torch.rand(2, 1, 32, 32)
    assert torch.equal(network.embed(x), network.encode(x)[0])


def test_every_latent_number_has_a_slope_in_the_picture():
    network, z = small(), torch.zeros(1, 5, requires_grad=True)
    weight = torch.rand(1, 1, 32, 32)
    (network.decode(z) * weight).sum().backward()
    assert (z.grad != 0).all()


def test_the_last_row_of_an_odd_size_is_seen():
    # 33 pixels are padded to 40: the edge must reach the code.
    network, x = small(33), torch.rand(1, 1, 33, 33)
    other = x.clone()
    other[..., -1, :] = 1 - other[..., -1, :]
    assert not torch.allclose(network.embed(x), network.embed(other), atol=1e-4)


def test_the_divergence_is_torchs():
    mean, log_variance = torch.randn(3, 4, dtype=torch.double), torch.randn(3, 4, dtype=torch.double)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_the_divergence_by_hand():
    # N(1, 1) against N(0, 1): 1/2; N(0, e) against it: (e - 2) / 2.
    found = divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.5, (torch.e - 2) / 2]]))


def test_units_in_use_by_hand():
    # Variances 2, 0.005 and 0: one is above 0.01.
    means = torch.tensor([[1.0, 0.05, 3.0], [-1.0, -0.05, 3.0]])
    assert active_units(means) == 1
    assert active_units(means, least=0.001) == 2


def test_it_comes_back_from_disk_frozen(tmp_path):
    network, x = small(channels=3), torch.rand(2, 3, 32, 32)
    save_autoencoder(network, tmp_path / "a.safetensors")
    again = load_autoencoder(tmp_path / "a.safetensors")
    assert again.config == network.config
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    torch.testing.assert_close(again.embed(x), network.embed(x), atol=2e-2, rtol=0)
    torch.testing.assert_close(again.decode(network.embed(x)), network.decode(network.embed(x)), atol=5e-3, rtol=0)


def test_another_network_is_refused(tmp_path):
    from toys import small_config

    from core.networks.exaggerator import Exaggerator

    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors")
    with pytest.raises(UserError, match=r"e\.safetensors does not hold an autoencoder of this version"):
        load_autoencoder(tmp_path / "e.safetensors")
