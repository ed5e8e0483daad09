"""Classifier architectures at small sizes."""

from __future__ import annotations

import pytest
import torch

from core.errors import UserError
from core.images.frame import resize
from core.networks.classifier import ARCHITECTURES, fitted, fold_norms, make_classifier


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 64)])
def test_pictures_in_logits_out(architecture, channels, size):
    net = make_classifier(architecture, channels, 5, width=8).eval()
    with torch.no_grad():
        assert net(torch.rand(2, channels, size, size)).shape == (2, 5)


@pytest.mark.parametrize("architecture", ["densenet", "resnet"])
def test_no_first_pooling(architecture):
    net = make_classifier(architecture, 1, 1, width=8)
    assert isinstance(net.maxpool if architecture == "resnet" else net.features.pool0, torch.nn.Identity)


def test_an_unknown_architecture_names_the_known_ones():
    with pytest.raises(UserError, match="'vit'; choose one of densenet, mobilenet, resnet"):
        make_classifier("vit", 1, 1, 8)


def test_mobilenet_is_torchvisions_so_that_its_weights_fit():
    from torchvision.models import mobilenet_v2

    ours, theirs = make_classifier("mobilenet", 3, 4, width=32), mobilenet_v2()
    shapes = {n: t.shape for n, t in theirs.state_dict().items() if not n.startswith("classifier")}
    assert shapes == {n: t.shape for n, t in ours.state_dict().items() if not n.startswith("classifier")}
    assert ours.classifier.weight.shape == (4, 1280)


def test_another_size_is_resampled_by_the_filter_of_uploads():
    x = torch.rand(2, 3, 64, 64)
    assert fitted(x, 64) is x
    assert fitted(x, None) is x
    small = fitted(x, 24)
    wanted = [resize(p.permute(1, 2, 0).numpy(), 24, 24) for p in x]
    for a, b in zip(small, wanted, strict=True):
        assert torch.allclose(a, torch.from_numpy(b).permute(2, 0, 1), atol=1e-5)


def test_a_gradient_flows_through_the_resampling():
    x = torch.rand(1, 1, 64, 64, requires_grad=True)
    fitted(x, 32).square().sum().backward()
    assert (x.grad != 0).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folded_normalisation_changes_neither_answers_nor_gradients(architecture):
    torch.manual_seed(0)
    net = make_classifier(architecture, 3, 4, width=8)
    net.train()
    for _ in range(3):  # means and spreads of its own, so that folding has something to fold
        net(torch.rand(8, 3, 32, 32) * 2 - 0.7)
    net.eval().requires_grad_(False)

    def answer() -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
        logits = net(x)
        return logits, torch.autograd.grad(logits.square().sum(), x)[0]

    def norms() -> int:
        return sum(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())

    (logits, gradient), many = answer(), norms()
    fold_norms(net)
    assert norms() < many / 1.5
    folded_logits, folded_gradient = answer()
    torch.testing.assert_close(folded_logits, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(folded_gradient, gradient, rtol=1e-3, atol=1e-5)
