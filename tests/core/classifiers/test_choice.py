"""A classifier file with exclusive targets, read as one network of many classes."""

from __future__ import annotations

import pytest
import torch

from core.classifiers.blackbox import Classifier
from core.classifiers.multiclass import MultiClass
from core.classifiers.store import load_choice, save_classifier
from core.errors import UserError
from core.networks.classifier import ARCHITECTURES

TARGETS = ("cat", "dog", "cow")


@pytest.fixture(params=ARCHITECTURES)
def saved(request, tmp_path):
    """(classifier with a temperature of 2.5 and its own normalisation, its file)"""
    torch.manual_seed(1)
    model = Classifier(request.param, 3, TARGETS, 4, 32)
    model.temperature.fill_(2.5)
    model.mean.copy_(torch.tensor([0.1, 0.4, 0.7])[:, None, None])
    model.std.copy_(torch.tensor([0.2, 0.3, 0.4])[:, None, None])
    save_classifier(model.freeze(), tmp_path / "c.safetensors")
    return model, tmp_path / "c.safetensors"


def test_the_posterior_is_the_softmax_of_logits_over_temperature(saved):
    model, path = saved
    choice, x = load_choice(path), torch.rand(6, 3, 32, 32)
    assert isinstance(choice, MultiClass)
    assert choice.classes == TARGETS
    with torch.no_grad():
        posterior = choice.posterior(x)
        torch.testing.assert_close(posterior.sum(1), torch.ones(6))
        torch.testing.assert_close(posterior, torch.softmax(model(x) / 2.5, 1), atol=2e-3, rtol=0)  # stored in half


def test_it_is_frozen_and_has_a_gradient_in_the_picture(saved):
    choice = load_choice(saved[1])
    assert not choice.training
    assert not any(p.requires_grad for p in choice.parameters())
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    choice.target("dog").logit(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_the_mean_is_the_training_pictures(saved):
    torch.testing.assert_close(load_choice(saved[1]).mean.flatten(), torch.tensor([0.1, 0.4, 0.7]))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UserError):
        load_choice(tmp_path / "none.safetensors")
