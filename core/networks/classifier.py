"""Image classifiers: torchvision's DenseNet and ResNet at the sizes small pictures need.

Their stems were made for 224-pixel photographs. At 64 to 128 pixels the first max-pooling throws away half of
what is left, so it is taken out; everything else is torchvision's.
"""

from __future__ import annotations

from torch import nn

from core.errors import UserError

ARCHITECTURES = ("densenet", "resnet")


def make_classifier(architecture: str, channels: int, outputs: int, width: int) -> nn.Module:
    """A classifier [N, channels, H, W] -> [N, outputs] logits, randomly initialised.

    width: DenseNet's growth rate, or the channels of ResNet's first stage.
    """
    # torchvision takes a second to import, and whoever only reads results does not need it.
    from torchvision.models import DenseNet, ResNet
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
