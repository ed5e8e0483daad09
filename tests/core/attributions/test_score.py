"""What is attributed: one logit or the difference of two, and its plain slope."""

from __future__ import annotations

import pytest
import torch
from toys import as_choice, bar_network, bump_network

from core.attributions.gradient import gradient
from core.attributions.score import KINDS, TITLES, Score, gradient_of
from core.errors import UserError


def test_by_hand():
    network = bump_network()
    x = torch.rand(4, 1, 8, 8)
    logits = network(x)
    torch.testing.assert_close(Score(network, 2, 0, "own")(x), logits[:, 2])
    torch.testing.assert_close(Score(network, 2, 0)(x), logits[:, 2] - logits[:, 0])
    assert set(TITLES) == set(KINDS)


def test_an_unknown_kind_is_a_sentence():
    with pytest.raises(UserError, match="no score 'softmax'; choose one of own, contrast"):
        Score(bump_network(), 0, 1, "softmax")


def test_the_gradient_of_a_linear_score_is_its_weight():
    network = as_choice(bar_network(2, 8))
    score, x = Score(network, 0, 1), torch.rand(3, 1, 8, 8)
    weight = (network.net.fc.weight[0] - network.net.fc.weight[1]).view(1, 1, 8, 8).expand(3, -1, -1, -1)
    torch.testing.assert_close(gradient_of(score, x), weight)
    torch.testing.assert_close(gradient(score, x, torch.empty(0)), weight)
    assert not x.requires_grad


def test_pictures_of_a_batch_do_not_mix():
    score, x = Score(bump_network(), 0, 1), torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(gradient_of(score, x)[1:2], gradient_of(score, x[1:2]))
