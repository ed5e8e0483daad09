"""Image classifiers: torchvision's DenseNet, ResNet and MobileNetV2 at the sizes small pictures need.

The stems of the first two were made for 224-pixel photographs. At 64 to 128 pixels the first max-pooling throws away
half of what is left, so it is taken out; everything else is torchvision's. MobileNetV2 stays as it is, so that weights
learned on ImageNet fit.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.errors import UserError

ARCHITECTURES = ("densenet", "mobilenet", "resnet")


def fitted(x: Tensor, size: int | None) -> Tensor:
    """[N, C, H, W] at a network's own size, by the filter that pictures are prepared with; differentiable. The same
    tensor where its size is right already, or any will do.
    """
    if size is None or x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)


def make_classifier(architecture: str, channels: int, outputs: int, width: int) -> nn.Module:
    """A classifier [N, channels, H, W] -> [N, outputs] logits, randomly initialised.

    width: DenseNet's growth rate, or the channels of ResNet's or MobileNetV2's first stage (64 and 32 as published).
    """
    # torchvision takes a second to import, and whoever only reads results does not need it.
    from torchvision.models import DenseNet, MobileNetV2, ResNet
    from torchvision.models.resnet import BasicBlock

    if architecture == "densenet":
        dense = DenseNet(
            growth_rate=width,
            block_config=(3, 4, 6, 4),
            num_init_features=2 * width,
            bn_size=2,
            num_classes=outputs,
        )
        dense.features.conv0 = nn.Conv2d(channels, 2 * width, 5, stride=2, padding=2, bias=False)
        dense.features.pool0 = nn.Identity()
        return dense
    if architecture == "mobilenet":
        mobile = MobileNetV2(num_classes=outputs, width_mult=width / 32)
        if channels != 3:
            old = mobile.features[0][0]
            mobile.features[0][0] = nn.Conv2d(channels, old.out_channels, 3, stride=2, padding=1, bias=False)
        # Without its dropout the last layer is a plain one, as in the others.
        mobile.classifier = nn.Linear(mobile.last_channel, outputs)
        return mobile
    if architecture == "resnet":
        net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=outputs)
        # torchvision fixes the stage widths at 64 to 512; scaled down, they fit a few thousand images.
        net.inplanes = width
        net.conv1 = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
        net.bn1 = nn.BatchNorm2d(width)
        net.maxpool = nn.Identity()
        for i, stage in enumerate(("layer1", "layer2", "layer3", "layer4")):
            blocks = 1 if i in (0, 3) else 2
            setattr(net, stage, net._make_layer(BasicBlock, width * 2**i, blocks, stride=1 if i == 0 else 2))
        net.fc = nn.Linear(width * 8, outputs)
        return net
    raise UserError(f"There is no architecture '{architecture}'; choose one of {', '.join(ARCHITECTURES)}.")


def fold_norms(net: nn.Module) -> None:
    """Batch normalisation that follows a convolution becomes part of it, in place; for networks of `make_classifier`
    in eval mode. The answers stay the same to rounding, and both they and their gradients take less time.
    """
    for parent in list(net.modules()):
        # In all three architectures whatever follows a convolution among its siblings also receives its output.
        for (before, conv), (after, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(conv, norm))
                setattr(parent, after, nn.Identity())
