"""Classifier architectures at small sizes."""

from __future__ import annotations

import pytest
import torch

from core.errors import UserError
from core.networks.classifier import ARCHITECTURES, make_classifier


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 64)])
def test_pictures_in_logits_out(architecture, channels, size):
    net = make_classifier(architecture, channels, 5, width=8).eval()
    with torch.no_grad():
        assert net(torch.rand(2, channels, size, size)).shape == (2, 5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_first_pooling(architecture):
    net = make_classifier(architecture, 1, 1, width=8)
    assert isinstance(net.maxpool if architecture == "resnet" else net.features.pool0, torch.nn.Identity)


def test_an_unknown_architecture_names_the_known_ones():
    with pytest.raises(UserError, match="'vit'; choose one of densenet, resnet"):
        make_classifier("vit", 1, 1, 8)
