"""The ordinal critic, against the sums of the paper's Eq. 3 and 4."""

from __future__ import annotations

import pytest
import torch

from core.networks.critic import OrdinalCritic, critic_hinge, generator_hinge

BINS = 10


@pytest.fixture(scope="module")
def critic():
    torch.manual_seed(0)
    return OrdinalCritic(channels=1, base=8, bins=BINS, size=32).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def x():
    return torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def scores(critic, x):
    """[N, bins]: the score of every picture in every bin."""
    return torch.stack([critic(x, torch.full((len(x),), k)) for k in range(BINS)], 1)


def test_bin_zero_is_psi_alone(critic, x):
    phi = critic.phi(x)
    torch.testing.assert_close(scores(critic, x)[:, 0], phi @ critic.psi.weight[0] + critic.psi.bias)


def test_each_further_bin_adds_its_own_vector(critic, x):
    s, v = scores(critic, x), critic.ordinal.weight  # [N, bins], [bins - 1, D]
    torch.testing.assert_close(s[:, 1:] - s[:, :-1], critic.phi(x) @ v.T)


def test_there_is_one_vector_for_every_border(critic):
    assert critic.ordinal.weight.shape[0] == BINS - 1
    assert critic.ordinal.bias is None
    assert len(torch.unique(critic.ordinal.weight, dim=0)) == BINS - 1


def test_the_score_is_not_affine_in_the_bin(critic, x):
    # One vector shared by all borders would make the second difference vanish.
    second = scores(critic, x).diff(dim=1).diff(dim=1)
    assert second.abs().max() > 1e-3 * scores(critic, x).abs().max()


def test_a_shared_vector_would_be_caught(critic, x):
    shared = critic.ordinal.weight[:1].expand(BINS - 1, -1)
    steps = (critic.phi(x) @ shared.T).cumsum(1)
    assert steps.diff(dim=1).diff(dim=1).abs().max() < 1e-4


def test_bins_may_differ_within_a_batch(critic, x):
    mixed = torch.tensor([0, 3, 9, 9, 1])
    torch.testing.assert_close(critic(x, mixed), scores(critic, x)[torch.arange(5), mixed])


def test_every_layer_is_spectrally_normalised(critic):
    for name, module in critic.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            assert torch.nn.utils.parametrize.is_parametrized(module, "weight"), name


def test_features_are_sum_pooled(critic, x):
    phi = critic.phi(x)
    assert phi.shape == (5, 32)
    maps = torch.relu(critic.blocks(critic.stem(x * 2 - 1)))
    torch.testing.assert_close(phi, maps.flatten(2).sum(2))


@pytest.mark.parametrize("size", [32, 64, 96])
def test_any_study_size_fits(size):
    critic = OrdinalCritic(channels=3, base=4, bins=BINS, size=size)
    assert critic(torch.rand(2, 3, size, size), torch.tensor([0, 9])).shape == (2,)


def test_hinge_is_two_at_zero_for_the_critic():
    assert critic_hinge(torch.zeros(4), torch.zeros(4)) == 2


def test_hinge_by_hand():
    # real: max(0, 1 - [2, .5]) = [0, .5]; fake: max(0, 1 + [-3, .5]) = [0, 1.5]
    assert critic_hinge(torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])) == 0.25 + 0.75


def test_the_generator_wants_a_high_score():
    assert generator_hinge(torch.tensor([1.0, 3.0])) == -2
