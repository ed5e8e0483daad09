"""A StarGAN-type translator: one network from any class to any other, and the critic that judges its pictures.

Choi et al., "StarGAN", CVPR 2018: encoder, residual blocks, decoder, instance normalisation. Against it: the target
class moves scales and shifts inside the residual blocks (tiled label channels at the input lose to the normalisation),
statistics are those of the picture itself and never tracked, and the output is a mix of the picture and new content, so
that what needs no change can stay exact.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class TranslatorConfig:
    """size: of the pictures, a multiple of 4; width: channels at full resolution; blocks: residual blocks."""

    classes: int
    size: int = 28
    channels: int = 1
    width: int = 24
    blocks: int = 3

    def to_dict(self) -> dict[str, int]:
        """For the checkpoint."""
        return asdict(self)


class ClassNorm(nn.Module):
    """Instance normalisation with a scale and a shift for each class."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.normal_(self.scale.weight, 1.0, 0.1)
        nn.init.normal_(self.shift.weight, 0.0, 0.1)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x: [N, D, h, w]; target: [N] class numbers."""
        scale, shift = self.scale(target)[:, :, None, None], self.shift(target)[:, :, None, None]
        return F.instance_norm(x, eps=1e-3) * scale + shift


class ClassBlock(nn.Module):
    """norm-ReLU-conv twice, added to its input; the norms know the target class."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ClassNorm(channels, classes), ClassNorm(channels, classes)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """[N, D, h, w] -> [N, D, h, w]."""
        h = self.conv1(F.relu(self.norm1(x, target)))
        return x + self.conv2(F.relu(self.norm2(h, target)))


class Translator(nn.Module):
    """(picture, target class) -> the picture as that class."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        w, c, k = config.width, config.channels, config.classes
        self.stem = nn.Conv2d(c, w, 5, padding=2)
        self.down1 = nn.Conv2d(w, 2 * w, 4, 2, 1)
        self.down2 = nn.Conv2d(2 * w, 4 * w, 4, 2, 1)
        self.blocks = nn.ModuleList(ClassBlock(4 * w, k) for _ in range(config.blocks))
        self.up1 = nn.Conv2d(4 * w + 2 * w, 2 * w, 3, padding=1)
        self.norm1 = ClassNorm(2 * w, k)
        self.up2 = nn.Conv2d(2 * w + w, w, 3, padding=1)
        self.out = nn.Conv2d(w, c + 1, 3, padding=1)
        assert self.out.bias is not None
        with torch.no_grad():
            self.out.bias[c] = 1.0  # mostly new content at first: a share near 0 would get no slope

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x: [N, C, S, S] in [0, 1]; target: [N] class numbers -> [N, C, S, S] in [0, 1]."""
        full = F.relu(self.stem(x * 2 - 1))
        half = F.relu(F.instance_norm(self.down1(full), eps=1e-3))
        h = self.down2(half)
        for block in self.blocks:
            h = block(h, target)
        h = F.relu(self.norm1(self.up1(torch.cat([_twice(h), half], 1)), target))
        h = F.relu(self.up2(torch.cat([_twice(h), full], 1)))
        raw = self.out(h)
        content, share = torch.sigmoid(raw[:, :-1]), torch.sigmoid(raw[:, -1:])
        return torch.lerp(x, content, share)


class RealismCritic(nn.Module):
    """Scores of patches, spectrally normalised; its depth stops before the map is smaller than three pixels."""

    def __init__(self, channels: int, base: int, size: int, most: int = 4) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width, inputs, side = base, channels, size
        while side // 2 >= 3 and len(layers) // 2 < most:
            layers += [spectral_norm(nn.Conv2d(inputs, width, 4, 2, 1)), nn.LeakyReLU(0.1)]
            inputs, width, side = width, min(2 * width, 8 * base), side // 2
        layers.append(spectral_norm(nn.Conv2d(inputs, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, S, S] in [0, 1] -> [N, 1, s, s] scores."""
        return self.layers(x * 2 - 1)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
