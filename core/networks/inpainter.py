"""A one-stage in-painter with contextual attention.

Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018: dilated convolutions see far, and
attention copies features of visible patches into the hole. Against the published net: one stage instead of two
and narrow, for 64 to 128 pixels; size-general. Visible pixels pass through bit for bit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.attention import contextual_attention


@dataclass(frozen=True)
class InpainterConfig:
    """size: of the pictures, a multiple of 8; width: channels at full resolution, four times that at a quarter."""

    size: int = 64
    channels: int = 3
    width: int = 16
    attention: bool = True

    def to_dict(self) -> dict[str, object]:
        """For the checkpoint."""
        return asdict(self)


class GatedConv(nn.Module):
    """A convolution whose output is gated by a second one: holes are not features (Yu et al., ICCV 2019)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs * 2, kernel, stride, padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H', W']."""
        value, gate = self.conv(x).chunk(2, 1)
        return F.elu(value) * torch.sigmoid(gate)


class ConvElu(nn.Sequential):
    """Convolution and ELU, no normalisation: statistics over holes mislead."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation), nn.ELU())


class Inpainter(nn.Module):
    """[N, C, S, S] and a hole -> the picture with the hole filled."""

    def __init__(self, config: InpainterConfig) -> None:
        super().__init__()
        self.config = config
        w, c = config.width, config.channels
        self.stem = GatedConv(c + 1, w, 5)
        self.down1 = GatedConv(w, 2 * w, stride=2)
        self.down2 = GatedConv(2 * w, 4 * w, stride=2)
        self.far = nn.ModuleList(ConvElu(4 * w, 4 * w, dilation=d) for d in (1, 2, 4, 8, 1))
        self.query = ConvElu(4 * w, 2 * w)
        self.mix = ConvElu(6 * w if config.attention else 4 * w, 4 * w)
        self.up1 = ConvElu(4 * w + 2 * w, 2 * w)
        self.up2 = ConvElu(2 * w + w, w)
        self.out = nn.Conv2d(w, c, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [N, C, S, S] in [0, 1]; mask: [N, 1, S, S], 1 where hidden -> [N, C, S, S] in [0, 1], a whole picture.

        Nothing under the mask is read.
        """
        shown = (x * 2 - 1) * (1 - mask)
        full = self.stem(torch.cat([shown, mask], 1))
        half = self.down1(full)
        quarter = self.down2(half)
        h = quarter
        for block in self.far:
            h = h + block(h)
        if self.config.attention:
            seen = self.query(h)
            hole = F.max_pool2d(mask, 4)
            h = torch.cat([h, contextual_attention(seen, hole)], 1)
        h = self.mix(h)
        h = self.up1(torch.cat([_twice(h), half], 1))
        h = self.up2(torch.cat([_twice(h), full], 1))
        return (self.out(h) * 0.5 + 0.5).clamp(0, 1)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
