"""What a picture is compared with: one interface for every kind of baseline.

"Why o and not t?" needs a picture that is t, or nothing at all. Of the seven kinds, only the nearest training sample
and GANMEX look at the class that was asked about.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from core.errors import UserError
from core.infills.heuristic import gaussian_blur

NAMES = ("ganmex", "mdts", "expected", "mean", "blur", "zero", "max")
TITLES = {
    "zero": "Zero",
    "max": "Max",
    "blur": "Blur",
    "mean": "Mean picture",
    "mdts": "Nearest training sample",
    "expected": "Training distribution",
    "ganmex": "GANMEX",
}


class Baseline(Protocol):
    """One kind of baseline. `one_vs_one` says whether it depends on the class asked about."""

    name: str
    one_vs_one: bool

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """x: [N, C, H, W] in [0, 1] -> [N, B, C, H, W] in [0, 1], B baselines for each picture."""
        ...


class ConstantBaseline:
    """One grey level everywhere: 0 for `zero`, 1 for `max`."""

    one_vs_one = False

    def __init__(self, name: str, level: float) -> None:
        self.name, self.level = name, level

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`."""
        return torch.full_like(x, self.level)[:, None]


class BlurBaseline:
    """The picture itself under a Gaussian blur."""

    name, one_vs_one = "blur", False

    def __init__(self, share: float = 0.1) -> None:
        """share: sigma as a fraction of the side."""
        self.share = share

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`."""
        return gaussian_blur(x, self.share * x.shape[-1])[:, None]


class MeanBaseline:
    """The mean training picture."""

    name, one_vs_one = "mean", False

    def __init__(self, mean: Tensor) -> None:
        """mean: [C, H, W] in [0, 1]."""
        self.mean = mean

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`."""
        return self.mean.to(x).expand(len(x), 1, -1, -1, -1)


class NearestSample:
    """MDTS: of the training pictures of the target class, the one at the least squared distance."""

    name, one_vs_one = "mdts", True

    def __init__(self, pictures: Tensor, labels: Tensor) -> None:
        """pictures: [M, C, H, W] uint8, training split; labels: [M] class numbers."""
        self.pictures, self.labels = pictures, labels

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`. Raises UserError where no picture of the class is kept."""
        own = self.pictures[self.labels == target]
        if not len(own):
            raise UserError(f"No training picture of class {target} is kept; `contralens references` keeps some.")
        flat = own.flatten(1).to(x) / 255
        nearest = torch.cdist(x.flatten(1), flat).argmin(1)
        return (own[nearest.to(own.device)].to(x) / 255)[:, None]


class TrainingDistribution:
    """A fixed random draw of training pictures of all classes, for Expected Gradients and DeepSHAP."""

    name, one_vs_one = "expected", False

    def __init__(self, pictures: Tensor, count: int = 32, seed: int = 0) -> None:
        """pictures: [M, C, H, W] uint8, training split."""
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
        self.pictures = pictures[order[:count]]

    def of(self, x: Tensor, origin: int, target: int) -> Tensor:
        """See `Baseline.of`."""
        return (self.pictures.to(x) / 255).expand(len(x), -1, -1, -1, -1)
