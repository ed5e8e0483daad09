"""Grad-CAM: the same as captum's, and by hand where the last features are known."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toys import WindowBox, shaken

from core.attributions.gradcam import gradcam, last_features
from core.classifiers.blackbox import Classifier
from core.errors import UserError


def make(architecture: str) -> Classifier:
    torch.manual_seed(4)
    model = Classifier(architecture, 3, ("a", "b"), 8, 32)
    model.temperature.copy_(torch.tensor([0.5, 2.0]))
    model.bias.copy_(torch.tensor([0.3, -0.2]))
    return shaken(model, 0.02)


class Explicit(nn.Module):
    """A DenseNet whose last relu is a layer, so that captum can take what comes out of it."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model, self.cut = copy.deepcopy(model), nn.ReLU()

    def forward(self, x):
        m = self.model
        features = self.cut(m.net.features((x - m.mean) / m.std))
        return m.net.classifier(F.adaptive_avg_pool2d(features, 1).flatten(1)) / m.temperature + m.bias


@pytest.mark.parametrize("architecture", ["resnet", "densenet"])
@pytest.mark.parametrize(("target", "index"), [("a", 0), ("b", 1)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_as_captums(architecture, target, index, sign):
    attr = pytest.importorskip("captum.attr")
    model, x = make(architecture), torch.rand(3, 3, 32, 32)
    twin = Explicit(model)
    forward, layer = (model.logit, model.net.layer4) if architecture == "resnet" else (twin, twin.cut)
    torch.testing.assert_close(forward(x), model.logit(x))
    theirs = attr.LayerGradCam(lambda v: sign * forward(v), layer).attribute(
        x.clone().requires_grad_(), target=index, relu_attributions=True
    )
    theirs = attr.LayerAttribution.interpolate(theirs, (32, 32), "bilinear").detach()
    ours = gradcam(model.target(target), x, sign * torch.ones(3))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    assert ours.shape == (3, 1, 32, 32)
    assert ours.min() >= 0


@pytest.mark.parametrize("architecture", ["resnet", "densenet", "mobilenet"])
def test_the_features_are_what_the_last_layer_averages(architecture):
    model, x = make(architecture), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(last_features(model, x).mean((2, 3)), model.features(x))


def test_by_hand():
    # One feature speaks for the answer and one against it; only the first one's place is shown, both in halves.
    model = make("resnet")
    with torch.no_grad():
        model.net.fc.weight.zero_()
        model.net.fc.weight[0, :2] = torch.tensor([6.0, -1.0])
    x = torch.rand(2, 3, 32, 32)
    features = last_features(model, x)
    places = features.shape[-1] ** 2
    wanted = ((6 * features[:, :1] - features[:, 1:2]) / places / 0.5).relu()
    wanted = F.interpolate(wanted, (32, 32), mode="bilinear")
    torch.testing.assert_close(gradcam(model.target("a"), x), wanted)
    assert gradcam(model.target("b"), x).max() == 0


def test_each_picture_has_its_own_answer():
    model, x = make("densenet"), torch.rand(2, 3, 32, 32)
    f, signs = model.target("a"), torch.tensor([1.0, -1.0])
    both = gradcam(f, x, signs)
    for i in range(2):
        torch.testing.assert_close(both[[i]], gradcam(f, x[[i]], signs[[i]]))


def test_nothing_stays_on_the_network():
    model = make("densenet")
    gradcam(model.target("a"), torch.rand(1, 3, 32, 32))
    assert not any(m._forward_hooks for m in model.modules())


def test_another_black_box_is_a_sentence():
    with pytest.raises(UserError, match="binary classifier of this package"):
        gradcam(WindowBox(), torch.rand(1, 1, 32, 32))
