"""A conditional VAE that fills holes.

Chang et al., ICLR 2019, used one whose KL term was divided by the size of the data set, and so in effect a plain
autoencoder of which the mean picture was shown. Here prior p(z | visible) and posterior q(z | picture) are both
learned, the KL between them counts in full, and a fill is a sample of the prior.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.inpainter import ConvElu, GatedConv


@dataclass(frozen=True)
class VaeInfillConfig:
    """size: of the pictures, a multiple of 8; latent: channels of z at an eighth of the resolution."""

    size: int = 64
    channels: int = 3
    width: int = 16
    latent: int = 16

    def to_dict(self) -> dict[str, object]:
        """For the checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian. mean, log_std: [N, Z, s, s]."""

    mean: Tensor
    log_std: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw, differentiable in mean and log_std."""
        noise = torch.randn(self.mean.shape, device=self.mean.device, generator=generator)
        return self.mean + noise * self.log_std.exp()

    def divergence(self, prior: Gaussian) -> Tensor:
        """[N] KL(self || prior) in nats."""
        ratio = self.log_std - prior.log_std
        shift = (self.mean - prior.mean) * torch.exp(-prior.log_std)
        return (0.5 * (torch.exp(2 * ratio) + shift.square() - 1) - ratio).sum((1, 2, 3))


class VaeInfiller(nn.Module):
    """Visible pixels -> context and prior; whole picture -> posterior; context and z -> picture."""

    def __init__(self, config: VaeInfillConfig) -> None:
        super().__init__()
        self.config = config
        w, c, z = config.width, config.channels, config.latent
        self.stem = GatedConv(c + 1, w, 5)
        self.down1 = GatedConv(w, 2 * w, stride=2)
        self.down2 = GatedConv(2 * w, 4 * w, stride=2)
        self.far = nn.ModuleList(ConvElu(4 * w, 4 * w, dilation=d) for d in (1, 2, 4))
        self.prior = nn.Sequential(ConvElu(4 * w, 4 * w, stride=2), nn.Conv2d(4 * w, 2 * z, 3, padding=1))
        self.whole = nn.Sequential(
            ConvElu(c, w, 5), ConvElu(w, 2 * w, stride=2), ConvElu(2 * w, 4 * w, stride=2), ConvElu(4 * w, 4 * w)
        )
        self.posterior = nn.Sequential(ConvElu(8 * w, 4 * w, stride=2), nn.Conv2d(4 * w, 2 * z, 3, padding=1))
        self.widen = ConvElu(z, 4 * w)
        self.mix = nn.Sequential(ConvElu(8 * w, 4 * w), ConvElu(4 * w, 4 * w))
        self.up1 = ConvElu(4 * w + 2 * w, 2 * w)
        self.up2 = ConvElu(2 * w + w, w)
        self.out = nn.Conv2d(w, c, 3, padding=1)

    def context(self, x: Tensor, mask: Tensor) -> tuple[list[Tensor], Gaussian]:
        """What is visible, at three resolutions, and the prior it implies. Nothing under the mask is read."""
        full = self.stem(torch.cat([(x * 2 - 1) * (1 - mask), mask], 1))
        half = self.down1(full)
        h = self.down2(half)
        for block in self.far:
            h = h + block(h)
        return [full, half, h], _gaussian(self.prior(h))

    def encode(self, x: Tensor, context: list[Tensor]) -> Gaussian:
        """q(z | x, visible): x [N, C, S, S] in [0, 1], the whole picture."""
        return _gaussian(self.posterior(torch.cat([self.whole(x * 2 - 1), context[2]], 1)))

    def decode(self, z: Tensor, context: list[Tensor]) -> Tensor:
        """[N, Z, S/8, S/8] and what is visible -> [N, C, S, S] in [0, 1]."""
        full, half, quarter = context
        h = self.widen(F.interpolate(z, scale_factor=2.0, mode="nearest"))
        h = self.mix(torch.cat([h, quarter], 1))
        h = self.up1(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), half], 1))
        h = self.up2(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), full], 1))
        return torch.sigmoid(self.out(h))

    def sample(self, x: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A whole picture for x [N, C, S, S] and mask [N, 1, S, S], z drawn from the prior."""
        context, prior = self.context(x, mask)
        return self.decode(prior.sample(generator), context)


def _gaussian(raw: Tensor) -> Gaussian:
    mean, log_std = raw.chunk(2, 1)
    return Gaussian(mean, log_std.clamp(-5, 2))
