"""The network behind the knob: an unconditional encoder, a conditional decoder, and one of three heads.

`paper`     x_d = G(E(x), c)                                   as published
`residual`  x_d = x + G(E(x), c_d) - G(E(x), c_0)
`morph`     x_d = warp(x, u) + r, with u and r again differences between c_d and c_0

The last two give back x exactly when nothing is asked for. `morph` can move and shade but not paint: u is a
bounded, smoothed displacement field and r a pyramid of residual bands of limited height, so an invisible
pattern that only fools the classifier is out of its reach, and both fields apply at any resolution. Its decoder
runs once for a picture: it predicts one increment of u and r for every border between two bins, and a request
adds up those of the borders it crosses (the ordinal idea of the paper's Eq. 4, applied to the generator).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.blocks import ConditionalNorm, ResidualBlock
from core.networks.fields import crossed, enlarge, gaussian, increments, smoothed, warp

HEADS = ("paper", "residual", "morph")


@dataclass(frozen=True)
class Band:
    """One band of the residual: its side in pixels, its greatest height on [0, 1], luminance only or colour."""

    side: int
    limit: float
    colour: bool = False


@dataclass(frozen=True)
class ExaggeratorConfig:
    """Shape of the network.

    shift is the greatest displacement as a fraction of the side (0: none); `field` is the side of the grid the
    displacement lives on; `blur` is the standard deviation, in cells, of the Gaussian that smooths the displacement
    and a band at the picture's own size; `soften` the same for a finest band below that size. `skips` hands encoder
    features to the decoder (the paper has none). `depth` is how often the encoder halves the picture after its stem,
    which halves it too; the paper halves 128 pixels five times. `mirror` averages the fields of `residual` and `morph`
    with those of the mirrored picture, where left and right mean the same: what is drawn on one side alone is halved.
    """

    head: str = "morph"
    size: int = 64
    channels: int = 1
    base: int = 24
    bins: int = 10
    continuous: bool = True
    shift: float = 0.12
    field: int = 32
    bands: tuple[Band, ...] = (Band(16, 0.3),)
    skips: bool = True
    blur: float = 1.0
    soften: float = 0.0
    depth: int = 3
    mirror: bool = False

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ExaggeratorConfig:
        """From what `asdict` gave, after a trip through JSON."""
        return ExaggeratorConfig(**(values | {"bands": tuple(Band(**b) for b in values["bands"])}))


@dataclass(frozen=True)
class Change:
    """A changed picture and what changed it: x [N, C, S, S]; displacement [N, 2, S, S]; residual [N, C, S, S]."""

    x: Tensor
    displacement: Tensor
    residual: Tensor


def bin_of(p: Tensor, bins: int) -> Tensor:
    """Bin of a probability: min(bins - 1, floor(bins * p)). p = 1 belongs to the last bin."""
    return (p * bins).floor().long().clamp(0, bins - 1)


def condition_of(p: Tensor, bins: int, continuous: bool) -> Tensor:
    """[N] probabilities -> [N] conditions: the bin, or a place on the same axis where bin k's centre is k."""
    if not continuous:
        return bin_of(p, bins).to(p.dtype)
    return p.clamp(0, 1) * bins - 0.5  # in [-0.5, bins - 0.5]


def ordinal_code(condition: Tensor, bins: int) -> Tensor:
    """[N] conditions -> [N, bins - 1]: how far each bin border has been passed, 0 to 1.

    A whole condition k gives k ones, then zeros. Beyond the first and the last centre the outer increment is
    continued in a straight line, so that .95 and .99 remain different requests.
    """
    steps = condition[:, None] - torch.arange(bins - 1, device=condition.device, dtype=condition.dtype)
    code = steps.clamp(0, 1)
    code[:, 0] = steps[:, 0].clamp(max=1)
    code[:, -1] = steps[:, -1].clamp(min=0)
    return code


class Exaggerator(nn.Module):
    """I_f(x, delta): see the module's text. Pictures are [N, C, S, S] in [0, 1]."""

    smoothing: Tensor
    softening: Tensor

    def __init__(self, config: ExaggeratorConfig) -> None:
        super().__init__()
        if config.head not in HEADS:
            raise ValueError(f"head must be one of {HEADS}, not {config.head!r}")
        self.config = config
        base = config.base
        # `morph` takes the condition in its last layer, as one field for every bin border; the other heads take it
        # in every block, as the paper does.
        steps = 0 if config.head == "morph" else config.bins - 1
        widths = [base, base * 2] + [base * 4] * (config.depth - 1)  # at S/2, S/4, S/8, S/16, ...
        self.stem = nn.Conv2d(config.channels, base, 4, stride=2, padding=1)
        self.down = nn.ModuleList(ResidualBlock(a, b, resample="down") for a, b in pairwise(widths))
        self.middle = ResidualBlock(widths[-1], widths[-1], steps=steps)
        self.up = nn.ModuleList(ResidualBlock(a, b, steps=steps, resample="up") for a, b in pairwise(widths[::-1]))
        self.merge = nn.ModuleList(nn.Conv2d(w, w, 1) for w in widths[-2::-1]) if config.skips else None
        self.norm = ConditionalNorm(base, steps)
        self.out_image, self.out_field, self.out_bands = None, None, nn.ModuleList()
        if config.head == "morph":
            borders = config.bins - 1
            self.out_field = increments(base, 2, borders) if config.shift else None
            for band in config.bands:
                outputs = (config.channels if band.colour else 1) * (4 if band.side == config.size else 1)
                self.out_bands.append(increments(base, outputs, borders))
        else:
            self.out_image = nn.Conv2d(base, config.channels * 4, 3, padding=1)  # four sub-pixels: S/2 -> S
            if config.head == "residual":
                nn.init.normal_(self.out_image.weight, std=0.02)
        self.register_buffer("smoothing", gaussian(config.blur), persistent=False)
        self.register_buffer("softening", gaussian(config.soften), persistent=False)

    def encode(self, x: Tensor) -> list[Tensor]:
        """E(x), what `change` asks for: features from fine to coarse, each [N, ...]; with `mirror` those of the N
        mirrored pictures follow, [2 N, ...].
        """
        return self._encode(torch.cat([x, x.flip(-1)]) if self._mirrored else x)

    @property
    def _mirrored(self) -> bool:
        return self.config.mirror and self.config.head != "paper"

    def _encode(self, x: Tensor) -> list[Tensor]:
        """Features from fine to coarse; the last, [N, D, s, s] with s = S / 2^(depth + 1), is the embedding."""
        features = [self.stem(x * 2 - 1)]
        for block in self.down:
            features.append(block(features[-1]))
        return features

    def embed(self, x: Tensor) -> Tensor:
        """[N, D * s^2], the flattened embedding; what latent space closeness compares."""
        return self._encode(x)[-1].flatten(1)

    def decode(self, features: list[Tensor], code: Tensor | None = None) -> Tensor:
        """Features and an ordinal code (not for `morph`, which decodes once for all codes) -> [N, base, S/2, S/2]."""
        h = self.middle(features[-1], code)
        for i, block in enumerate(self.up):
            h = block(h, code)
            if self.merge is not None:
                h = h + self.merge[i](features[-2 - i])
        return F.relu(self.norm(h, code))

    def change(self, x: Tensor, features: list[Tensor], origin: Tensor, wanted: Tensor) -> Change:
        """Turn x from one condition to others. x: [N, C, S, S] or, for a sweep of one picture, [1, C, S, S];
        features: encode(x); origin, wanted: [K] conditions, K = N or any number for N = 1.
        """
        config = self.config
        before, after = ordinal_code(origin, config.bins), ordinal_code(wanted, config.bins)
        x = x.expand(len(wanted), -1, -1, -1)
        if config.head == "paper":
            image = self._image([f.expand(len(x), -1, -1, -1) for f in features], after) * 0.5 + 0.5
            return Change(image, x.new_zeros(len(x), 2, *x.shape[2:]), image - x)
        sides = [f.chunk(2) for f in features] if self._mirrored else [(f,) for f in features]
        found = [self._fields(list(side), before, after) for side in zip(*sides, strict=True)]
        displacement, residual = found[0]
        if self._mirrored:
            u, r = (field.flip(-1) for field in found[1])
            displacement = (displacement + u * u.new_tensor([-1, 1])[:, None, None]) / 2
            residual = (residual + r) / 2
        moved = warp(x, displacement) if config.head == "morph" else x
        return Change((moved + residual).clamp(0, 1), displacement, residual)

    def _image(self, features: list[Tensor], code: Tensor) -> Tensor:
        """[N, C, S, S] in (-1, 1)."""
        assert self.out_image is not None
        return torch.tanh(F.pixel_shuffle(self.out_image(self.decode(features, code)), 2))

    def _fields(self, features: list[Tensor], before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Displacement [K, 2, S, S] and residual [K, C, S, S] between two ordinal codes [K, bins - 1]."""
        if self.config.head == "morph":
            return self._morph(self.decode(features), after - before)
        k, size = len(after), self.config.size
        features = [f.expand(k, -1, -1, -1) for f in features]
        image = self._image([torch.cat([f, f]) for f in features], torch.cat([after, before]))
        return image.new_zeros(k, 2, size, size), image[:k] - image[k:]

    def _morph(self, h: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """h: [N, base, S/2, S/2]; step: [K, bins - 1], how much of each bin border is to be crossed."""
        config = self.config
        size = config.size
        displacement = step.new_zeros(len(step), 2, size, size)
        if self.out_field is not None:
            u = config.shift * torch.tanh(crossed(self.out_field(h), step))
            u = F.adaptive_avg_pool2d(u, config.field)
            # Bicubic enlargement overshoots; the bound holds nevertheless.
            displacement = enlarge(smoothed(u, self.smoothing), size, size).clamp(-config.shift, config.shift)
        residual = step.new_zeros(len(step), config.channels, size, size)
        finest = max((band.side for band in config.bands), default=size)
        for band, layer in zip(config.bands, self.out_bands, strict=True):
            r = band.limit * torch.tanh(crossed(layer(h), step))
            # The finest band comes from sub-pixels, in which a checkerboard would otherwise hide.
            if band.side == size:
                r = smoothed(F.pixel_shuffle(r, 2), self.smoothing)
            else:
                r = F.adaptive_avg_pool2d(r, band.side)
                r = smoothed(r, self.softening) if band.side == finest else r
            residual = residual + enlarge(r, size, size).clamp(-band.limit, band.limit)
        return displacement, residual

    def forward(self, x: Tensor, origin: Tensor, wanted: Tensor) -> Change:
        """x: [N, C, S, S]; origin, wanted: [N] probabilities f(x) and f(x) + delta."""
        bins, continuous = self.config.bins, self.config.continuous
        return self.change(
            x, self.encode(x), condition_of(origin, bins, continuous), condition_of(wanted, bins, continuous)
        )


def config_dict(config: ExaggeratorConfig) -> dict[str, Any]:
    """For the checkpoint's settings."""
    return asdict(config)
