"""Train the contextual-attention in-painter.

L1 on the hole and, lightly, on what is visible, and a hinge SN-PatchGAN; the published losses (Yu et al., CVPR
2018) without the second stage. Holes follow the law of `holes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.infills.holes import random_holes
from core.networks.critic import critic_hinge, generator_hinge
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.patch_critic import PatchCritic
from core.training.loop import EMA, average_gradients, world
from core.training.sheet import save_sheet
from core.training.state import Resumable


@dataclass(frozen=True)
class InfillTraining:
    """Settings shared by both trained infills. gan, visible and critic_* concern the in-painter alone."""

    batch: int = 24
    rate: float = 1e-3
    visible: float = 0.2
    gan: float = 0.004
    gan_from: float = 0.35  # share of the budget after which the critic joins
    critic_rate: float = 4e-4
    critic_base: int = 16
    ema: float = 0.998
    flip: bool = False
    seed: int = 0


class PictureStream:
    """Random training pictures with random holes, the same for every infill; one seed a process."""

    def __init__(self, images: np.ndarray, training: InfillTraining, device: torch.device) -> None:
        """images: [N, C, S, S] uint8, training split only."""
        self.images, self.training, self.device = torch.from_numpy(images), training, device
        self.rng = np.random.default_rng([training.seed, world()[0]])

    def batch(self) -> tuple[Tensor, Tensor]:
        """(x [B, C, S, S] in [0, 1], holes [B, 1, S, S] of 0 and 1)."""
        rows = torch.from_numpy(self.rng.integers(len(self.images), size=self.training.batch))
        x = self.images[rows].to(self.device).float() / 255
        if self.training.flip:
            mirror = torch.from_numpy(self.rng.random(len(x)) < 0.5).to(self.device)
            x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
        holes = random_holes(len(x), x.shape[-1], self.rng).to(self.device)
        return x.contiguous(memory_format=torch.channels_last), holes

    def fixed(self, n: int) -> tuple[Tensor, Tensor]:
        """The first n pictures with holes that never change, for sample sheets."""
        x = self.images[:n].to(self.device).float() / 255
        return x, random_holes(n, x.shape[-1], np.random.default_rng(7)).to(self.device)


def hole_l1(x: Tensor, filled: Tensor, hole: Tensor) -> Tensor:
    """Mean |x - filled| over hidden pixels and channels, every picture weighing the same."""
    inside = (hole * (x - filled).abs()).sum((1, 2, 3))
    return (inside / (hole.sum((1, 2, 3)) * x.shape[1]).clamp_min(1)).mean()


def warm_cosine(fraction: float, start: float = 0.02) -> float:
    """Factor of the learning rate: up over the first part of the budget, then a cosine down to a fiftieth."""
    if fraction < start:
        return 0.1 + 0.9 * fraction / start
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (fraction - start) / (1 - start)))


class InpainterTrainer(Resumable):
    """Adam under a cosine; the critic joins once the L1 has placed the large shapes."""

    def __init__(
        self, config: InpainterConfig, training: InfillTraining, images: np.ndarray, device: torch.device
    ) -> None:
        torch.manual_seed(training.seed)
        self.training, self.device = training, device
        self.stream = PictureStream(images, training, device)
        self.rng = self.stream.rng
        self.model = Inpainter(config).to(device).to(memory_format=torch.channels_last)
        self.critic = PatchCritic(config.channels, training.critic_base).to(device)
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.Adam(self.model.parameters(), training.rate, betas=(0.5, 0.95))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), training.critic_rate, betas=(0.0, 0.9))

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One step of the in-painter, and of the critic once it has joined."""
        training = self.training
        for group in self.optimiser.param_groups:
            group["lr"] = training.rate * warm_cosine(fraction)
        x, hole = self.stream.batch()
        proposal = self.model(x, hole)
        filled = torch.where(hole > 0.5, proposal, x)
        hidden = hole_l1(x, proposal, hole)
        visible = ((1 - hole) * (x - proposal).abs()).mean()
        loss = hidden + training.visible * visible
        numbers = {"hole": float(hidden.detach()), "visible": float(visible.detach())}
        if fraction >= training.gan_from and training.gan:
            fooled = generator_hinge(self.critic(filled, hole))
            loss = loss + training.gan * fooled
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update(self.model)
        if fraction >= training.gan_from and training.gan:
            scores = self.critic(torch.cat([x, filled.detach()]), torch.cat([hole, hole]))
            real, fake = scores.chunk(2)
            critic_loss = critic_hinge(real, fake)
            self.critic_optimiser.zero_grad(set_to_none=True)
            critic_loss.backward()
            average_gradients(self.critic.parameters())
            self.critic_optimiser.step()
            numbers["critic"] = float(critic_loss.detach())
        return numbers

    def finished(self) -> Inpainter:
        """The averaged network, frozen."""
        assert isinstance(self.ema.module, Inpainter)
        return self.ema.module

    @torch.no_grad()
    def sample(self, path: Path) -> None:
        """Pictures, holes, fills."""
        x, hole = self.stream.fixed(8)
        filled = torch.where(hole > 0.5, self.ema.module(x, hole), x)
        save_sheet([x, x * (1 - hole), filled], [["picture"] * 8, ["hole"] * 8, ["filled"] * 8], path)
