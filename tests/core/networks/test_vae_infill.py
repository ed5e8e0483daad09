"""The conditional VAE that fills holes."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from core.networks.vae_infill import Gaussian, VaeInfillConfig, VaeInfiller


@pytest.fixture
def network():
    torch.manual_seed(1)
    return VaeInfiller(VaeInfillConfig(32, 1, 4, 6))


@pytest.fixture
def hole():
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., 6:20, 10:26] = 1
    return mask


def gaussians(seed: int = 0) -> tuple[Gaussian, Gaussian]:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(3, 4, 5, 5, dtype=torch.double, generator=generator) for _ in range(4)]
    return Gaussian(parts[0], parts[1]), Gaussian(parts[2], parts[3])


@pytest.mark.parametrize("seed", range(4))
def test_the_divergence_is_torchs(seed):
    one, two = gaussians(seed)
    expected = kl_divergence(Normal(one.mean, one.log_std.exp()), Normal(two.mean, two.log_std.exp()))
    torch.testing.assert_close(one.divergence(two), expected.sum((1, 2, 3)))


def test_the_divergence_by_hand():
    # KL(N(1, 1) || N(0, 2)) = ln 2 + (1 + 1) / 8 - 1/2
    one = Gaussian(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    two = Gaussian(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0).log())
    assert float(one.divergence(two)) == pytest.approx(0.6931472 + 0.25 - 0.5, abs=1e-6)


def test_the_divergence_from_itself_is_nothing():
    one, _ = gaussians()
    torch.testing.assert_close(one.divergence(one), torch.zeros(3, dtype=torch.double), atol=1e-12, rtol=0)


def test_samples_have_the_mean_and_the_spread():
    law = Gaussian(torch.full((4000, 1, 2, 2), 3.0), torch.full((4000, 1, 2, 2), -1.0))
    drawn = law.sample(torch.Generator().manual_seed(0))
    se = torch.e**-1 / drawn.numel() ** 0.5
    assert float(drawn.mean()) == pytest.approx(3, abs=4 * float(se))
    assert float(drawn.std()) == pytest.approx(float(torch.e**-1), rel=0.03)


def test_a_sample_has_slopes_in_mean_and_spread():
    mean, log_std = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 2, 2, requires_grad=True)
    drawn = Gaussian(mean, log_std).sample(torch.Generator().manual_seed(0))
    drawn.sum().backward()
    assert torch.equal(mean.grad, torch.ones(1, 1, 2, 2))
    torch.testing.assert_close(log_std.grad, drawn.detach())  # d(exp(s) noise) at s = 0


def test_two_samples_differ_and_the_same_seed_repeats(network, hole):
    x, generator = torch.rand(2, 1, 32, 32), torch.Generator().manual_seed(3)
    one, two = network.sample(x, hole, generator), network.sample(x, hole, generator)
    again = network.sample(x, hole, torch.Generator().manual_seed(3))
    assert one.shape == x.shape
    assert not torch.equal(one, two)
    assert torch.equal(one, again)
    assert one.min() >= 0
    assert one.max() <= 1


def test_nothing_hidden_is_read_but_by_the_posterior(network, hole):
    x = torch.rand(2, 1, 32, 32)
    other = torch.where(hole > 0.5, torch.rand_like(x), x)
    seen = [network.context(p, hole) for p in (x, other)]
    for a, b in zip(seen[0][0], seen[1][0], strict=True):
        assert torch.equal(a, b)
    assert torch.equal(seen[0][1].mean, seen[1][1].mean)
    assert torch.equal(seen[0][1].log_std, seen[1][1].log_std)
    posteriors = [network.encode(p, seen[0][0]) for p in (x, other)]
    assert not torch.equal(posteriors[0].mean, posteriors[1].mean)


def test_every_weight_learns(network, hole):
    x = torch.rand(2, 1, 32, 32)
    context, prior = network.context(x, hole)
    posterior = network.encode(x, context)
    filled = network.decode(posterior.sample(torch.Generator().manual_seed(0)), context)
    ((filled - x).abs().mean() + posterior.divergence(prior).mean()).backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().max() > 0, name


def test_the_spread_is_kept_within_reason(network, hole):
    with torch.no_grad():
        network.prior[-1].bias += 1e3
    _, prior = network.context(torch.rand(2, 1, 32, 32), hole)
    assert prior.log_std.max() == 2
    assert torch.isfinite(network.sample(torch.rand(2, 1, 32, 32), hole)).all()


def test_the_settings_are_kept():
    config = VaeInfillConfig(32, 1, 8, 5)
    assert VaeInfillConfig(**config.to_dict()) == config
