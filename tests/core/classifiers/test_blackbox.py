"""The black box: normalisation and calibration inside, the right output outside, a gradient through it."""

from __future__ import annotations

import pytest
import torch

from core.classifiers.blackbox import Classifier
from core.classifiers.store import load_classifier, save_classifier
from core.errors import UserError
from core.explainers.words import percent


@pytest.fixture
def classifier():
    model = Classifier("resnet", 1, ("a", "b", "c"), 8, 32)
    model.mean.fill_(0.3)
    model.std.fill_(0.2)
    model.temperature.copy_(torch.tensor([1.0, 2.0, 4.0]))
    model.bias.copy_(torch.tensor([0.0, 0.5, -1.0]))
    return model.freeze()


X = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_normalisation_is_inside(classifier):
    torch.testing.assert_close(classifier(X), classifier.net((X - 0.3) / 0.2))


def test_calibration_by_hand(classifier):
    raw = classifier(X)
    expected = torch.stack([raw[:, 0], raw[:, 1] / 2 + 0.5, raw[:, 2] / 4 - 1], 1)
    torch.testing.assert_close(classifier.logit(X), expected)
    torch.testing.assert_close(classifier.posterior(X), torch.sigmoid(expected))


@pytest.mark.parametrize(("name", "column"), [("a", 0), ("b", 1), ("c", 2)])
def test_a_target_is_its_own_column(classifier, name, column):
    f = classifier.target(name)
    assert f.logit(X).shape == (3,)
    torch.testing.assert_close(f.logit(X), classifier.logit(X)[:, column])
    torch.testing.assert_close(f.posterior(X), classifier.posterior(X)[:, column])


def test_an_unknown_target_names_the_known_ones(classifier):
    with pytest.raises(UserError, match="no target 'd'; it has: a, b, c"):
        classifier.target("d")


def test_no_classifier_is_certain(classifier):
    # Log-odds of 40 are a probability of 1 in float32, which would be read as "100 %".
    classifier.bias.fill_(40.0)
    for p in (classifier.posterior(X), classifier.target("b").posterior(X)):
        assert (p < 1).all()
        assert p.min() > 1 - 1e-6
        assert percent(float(p.flatten()[0])) == ">\u00a099.9\u00a0%"


def test_frozen_but_differentiable_in_the_picture(classifier):
    assert not classifier.training
    x = X.clone().requires_grad_()
    classifier.target("b").logit(x).sum().backward()
    assert x.grad.norm() > 0
    assert all(p.grad is None for p in classifier.parameters())


def test_a_picture_alone_is_as_in_a_batch(classifier):
    torch.testing.assert_close(classifier.logit(X)[1:2], classifier.logit(X[1:2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ["resnet", "densenet"])
def test_outputs_are_cut_off_and_the_rest_stays(architecture):
    model = Classifier(architecture, 1, ("a", "aux", "b"), 8, 32)
    model.temperature.copy_(torch.tensor([1.0, 5.0, 2.0]))
    model.freeze()
    small = model.keep(("b", "a")).freeze()
    assert small.targets == ("b", "a")
    torch.testing.assert_close(small.logit(X), model.logit(X)[:, [2, 0]])


@pytest.mark.parametrize("architecture", ["resnet", "densenet"])
def test_features_are_what_the_last_layer_reads(architecture):
    model = Classifier(architecture, 1, ("a", "b"), 8, 32).freeze()
    last = model.net.fc if architecture == "resnet" else model.net.classifier
    torch.testing.assert_close(last(model.features(X)), model(X))
    assert not last._forward_pre_hooks


def test_there_and_back(classifier, tmp_path):
    save_classifier(classifier, tmp_path / "c.safetensors")
    again = load_classifier(tmp_path / "c.safetensors")
    assert again.targets == classifier.targets
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    torch.testing.assert_close(again.posterior(X), classifier.posterior(X), atol=5e-3, rtol=0)


def test_an_exaggerator_is_no_classifier(tmp_path):
    from toys import small_config

    from core.networks.exaggerator import Exaggerator
    from core.networks.store import save_exaggerator

    save_exaggerator(Exaggerator(small_config()), tmp_path / "e.safetensors")
    with pytest.raises(UserError, match=r"e\.safetensors does not hold a classifier"):
        load_classifier(tmp_path / "e.safetensors")
