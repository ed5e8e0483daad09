"""Grad-CAM: where the last spatial features that speak for an answer are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError


def gradcam(f: object, x: Tensor, sign: Tensor | None = None) -> Tensor:
    """[N, 1, H, W] of 0 and more, in log-odds of the answer, bilinear from the grid of the last features.

    f: a `BinaryTarget`, one target of a classifier that is a ResNet (features after layer4), a MobileNetV2 or a
    DenseNet (after the last norm and relu); x: [N, C, H, W] in [0, 1]; sign: [N], +1 where the finding's presence is
    explained and -1 where its absence is, by default all +1. Selvaraju et al., "Grad-CAM", ICCV 2017, Eq. 1 and 2.
    Raises UserError for any other f.
    """
    classifier, index = getattr(f, "classifier", None), getattr(f, "index", 0)
    temperature = getattr(classifier, "temperature", None)
    if not isinstance(classifier, nn.Module) or not isinstance(temperature, Tensor):
        raise UserError("Grad-CAM looks into a binary classifier of this package; this black box is another.")
    with torch.no_grad():
        features = last_features(classifier, x)
    features.requires_grad_()
    # All architectures end alike; DenseNet's own forward would cut a second time and lose the slope at 0.
    last = classifier.get_submodule("net.fc" if hasattr(classifier.net, "fc") else "net.classifier")
    logit = last(features.mean((2, 3)))[:, index] / temperature[index]
    (slope,) = torch.autograd.grad(logit.sum(), features)
    signs = torch.ones(len(x), device=x.device) if sign is None else sign
    weight = signs[:, None, None, None] * slope.mean((2, 3), keepdim=True)
    coarse = (weight * features.detach()).sum(1, keepdim=True).relu()
    return F.interpolate(coarse, x.shape[2:], mode="bilinear", align_corners=False)


def last_features(classifier: nn.Module, x: Tensor) -> Tensor:
    """[N, C, H, W] in [0, 1] -> [N, D, h, w], what is averaged over its places for the last layer."""
    layer = classifier.get_submodule("net.layer4" if hasattr(classifier.net, "layer4") else "net.features")
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        kept.append(out.clone())  # DenseNet cuts them at 0 in place

    hook = layer.register_forward_hook(keep)
    try:
        classifier(x)
    finally:
        hook.remove()
    return kept[0].relu()
