"""Train the organ segmenter: cross-entropy and soft Dice on pictures of which some organs have no mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.networks.unet import UNet, UNetConfig
from core.training.augment import CLASSIFIER_VIEW, View, random_view
from core.training.inpainter import warm_cosine
from core.training.loop import EMA, average_gradients, world
from core.training.sheet import save_sheet
from core.training.state import Resumable

_PLACE = View(rotate=12, shift=0.08, scale=0.15)  # picture and masks together; no mirror: the heart is on one side
_TONE = replace(CLASSIFIER_VIEW, rotate=0, shift=0, scale=0, gamma=0.3)


@dataclass(frozen=True)
class SegmenterTraining:
    """Settings of the optimiser."""

    batch: int = 12
    rate: float = 2e-3
    ema: float = 0.995
    seed: int = 0


def soft_dice_loss(logits: Tensor, masks: Tensor, known: Tensor) -> Tensor:
    """1 - Dice of probabilities, mean over the known (picture, organ) pairs (Milletari et al., 3DV 2016).

    logits, masks: [N, K, H, W]; known: [N, K] of 0 and 1. 0 when nothing is known.
    """
    p = torch.sigmoid(logits)
    overlap = 2 * (p * masks).sum((2, 3)) + 1
    dice = overlap / (p.square().sum((2, 3)) + masks.square().sum((2, 3)) + 1)
    return ((1 - dice) * known).sum() / known.sum().clamp_min(1)


class SegmenterTrainer(Resumable):
    """AdamW under a cosine, weights averaged; picture and masks are turned and shifted together."""

    def __init__(
        self, config: UNetConfig, training: SegmenterTraining, images: np.ndarray, masks: np.ndarray,
        device: torch.device,
    ) -> None:  # fmt: skip
        """images: [N, C, S, S] uint8; masks: [N, K, S, S] float16, 0, 1 or NaN all over where an organ has no mask."""
        torch.manual_seed(training.seed)
        self.training, self.device = training, device
        self.images, self.masks = torch.from_numpy(images), torch.from_numpy(masks)
        self.model = UNet(config).to(device).to(memory_format=torch.channels_last)
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), training.rate, weight_decay=0.01)
        self.rng = np.random.default_rng([training.seed, world()[0]])

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One update; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate * warm_cosine(fraction)
        rows = torch.from_numpy(self.rng.integers(len(self.images), size=self.training.batch))
        x = self.images[rows].to(self.device).float() / 255
        masks = self.masks[rows].to(self.device).float()
        known = (~masks[:, :, 0, 0].isnan()).float()
        channels = x.shape[1]
        placed = random_view(torch.cat([x, masks.nan_to_num()], 1), _PLACE)
        x, masks = random_view(placed[:, :channels], _TONE), (placed[:, channels:] > 0.5).float()
        logits = self.model(x.contiguous(memory_format=torch.channels_last))
        cross = F.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean((2, 3))
        loss = (cross * known).sum() / known.sum().clamp_min(1) + soft_dice_loss(logits, masks, known)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update(self.model)
        return {"loss": float(loss.detach())}

    def finished(self) -> UNet:
        """The averaged network, frozen."""
        assert isinstance(self.ema.module, UNet)
        return self.ema.module

    def sample(self, path: Path) -> None:
        """Pictures, and what is found in them."""
        x = self.images[:6].to(self.device).float() / 255
        found = self.finished().segment(x).float()
        shown = x * (1 - 0.5 * found.amax(1, keepdim=True)) + 0.5 * found[:, :1]
        organs = ", ".join(self.finished().config.organs)
        save_sheet([x, shown], [["picture"] * len(x), [organs] * len(x)], path)
