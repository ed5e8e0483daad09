"""Train Progressive Exaggeration (Singla et al., ICLR 2020) against a frozen classifier.

min over E, G and max over D of  l_gan L_gan + l_f KL(f(x) + d || f(x_d)) + l_rec (L_rec + L_cyc), Eq. 9, with
gradients flowing through the frozen f. Beside the paper: f sees x_d through random small views, weights are
averaged, the critic is trained under differentiable augmentation, and the morph head pays for what it moves.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox, Classifier
from core.networks.critic import OrdinalCritic, critic_hinge, generator_hinge
from core.networks.exaggerator import Change, Exaggerator, ExaggeratorConfig, bin_of, condition_of
from core.networks.store import load_exaggerator
from core.training.augment import EXPECTATION_VIEW, diff_augment, random_view
from core.training.binned import BinnedPictures
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import EMA, average_gradients, world
from core.training.losses import compatibility
from core.training.restraints import Restraints
from core.training.sheet import save_sheet
from core.training.state import Resumable


class ExaggeratorTrainer(Resumable):
    """Alternating hinge updates with uniform target bins over a bin-balanced stream of training pictures."""

    def __init__(
        self,
        config: ExaggeratorConfig,
        training: ExaggeratorTraining,
        f: BlackBox,
        images: np.ndarray,
        device: torch.device,
        siblings: Sequence[BlackBox] = (),
        recogniser: Classifier | None = None,
    ) -> None:
        """images: [N, C, S, S] uint8, training split only; f, siblings and recogniser: frozen, on `device`."""
        torch.manual_seed(training.seed)
        self.config, self.training, self.f, self.device = config, training, f, device
        self.pictures = BinnedPictures(torch.from_numpy(images).to(device), f, config.bins)
        model = Exaggerator(config)
        first = load_exaggerator(Path(training.init), device) if training.init else None
        if first is not None:
            old, new = first.state_dict(), model.state_dict()
            model.load_state_dict({n: old[n] if n in old and old[n].shape == t.shape else t for n, t in new.items()})
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.restraints = Restraints(training, config, siblings, recogniser, first)
        self.critic = (
            OrdinalCritic(config.channels, training.critic_base, config.bins, config.size)
            .to(device)
            .to(memory_format=torch.channels_last)
        )
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.Adam(self.model.parameters(), training.rate, betas=(0.0, 0.9))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), training.critic_rate, betas=(0.0, 0.9))
        rank, _ = world()
        self.rng = np.random.default_rng([training.seed, rank])
        torch.manual_seed(training.seed * 1000 + rank)
        self._forward = torch.compile(self._generate) if training.compile else self._generate

    def _batch(self) -> Tensor:
        training = self.training
        return self.pictures.draw(self.rng, training.batch, natural=training.natural, flip=training.flip)

    def _targets(self, n: int) -> Tensor:
        """[n] wanted probabilities: a uniform bin, then uniform inside it; bin centres for the binned condition."""
        bins = self.config.bins
        k = self.rng.integers(bins, size=n)
        inside = self.rng.random(n) if self.config.continuous else np.full(n, 0.5)
        t = torch.as_tensor((k + inside) / bins, dtype=torch.float32, device=self.device)
        return t.clamp(self.training.margin, 1 - self.training.margin)

    def _condition(self, p: Tensor) -> Tensor:
        return condition_of(p, self.config.bins, self.config.continuous)

    def _generate(self, x: Tensor, p: Tensor, target: Tensor) -> tuple[Change, list[Tensor]]:
        features = self.model.encode(x)
        return self.model.change(x, features, self._condition(p), self._condition(target)), features

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """`critic_steps` critic updates and one generator update. Returns the losses and how far f is from target."""
        training = self.training
        decay = 1.0 if fraction < 0.6 else max(0.05, (1 - fraction) / 0.4)
        for optimiser, rate in ((self.optimiser, training.rate), (self.critic_optimiser, training.critic_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * decay * min(1.0, (index + 1) / 50)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        logs: dict[str, Tensor] = {}
        for _ in range(training.critic_steps):
            x = self._batch()
            with torch.no_grad(), autocast:
                p = self.f.posterior(x).float()
            target = self._targets(len(x))
            with autocast:
                change, features = self._forward(x, p, target)
                logs["critic"] = self._critic_update(x, p, change.x.detach(), target)
        logs |= self._generator_update(index, x, p, target, change, features, autocast)
        self.ema.update(self.model)
        # Once for all numbers: every single one would wait for the GPU.
        return dict(zip(logs, torch.stack([v.detach().float() for v in logs.values()]).tolist(), strict=True))

    def _critic_update(self, x: Tensor, p: Tensor, fake: Tensor, target: Tensor) -> Tensor:
        bins = self.config.bins
        seen = diff_augment(torch.cat([x, fake]))
        scores = self.critic(seen, torch.cat([bin_of(p, bins), bin_of(target, bins)])).float()
        loss = critic_hinge(scores[: len(x)], scores[len(x) :])
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.critic.parameters())
        self.critic_optimiser.step()
        return loss.detach()

    def _generator_update(
        self, index: int, x: Tensor, p: Tensor, target: Tensor, change: Change, features: list[Tensor], autocast: Any
    ) -> dict[str, Tensor]:
        training, config = self.training, self.config
        self.critic.requires_grad_(False)
        with autocast:
            score = self.critic(diff_augment(change.x), bin_of(target, config.bins)).float()
            # Half of the batch as it is, half through a random view: f must be moved by what survives both.
            half = len(x) // 2
            seen = torch.cat([change.x[:half], random_view(change.x[half:], EXPECTATION_VIEW)])
            seen = seen.contiguous(memory_format=torch.channels_last)
            logit = self.f.logit(seen).float()
            losses = {
                "gan": training.gan * generator_hinge(score),
                "f": training.f * compatibility(logit, target),
            }
            losses |= self.restraints(self.model, x, seen, p, target, change)
            # L1 on [-1, 1] as in the paper, hence the 2.
            if config.head == "paper":
                again = self.model.change(x, features, self._condition(p), self._condition(p)).x
                losses["rec"] = training.rec * 2 * (x - again).abs().mean()
            if config.head == "paper" or index % training.cycle_every == 0:
                back = self.model.change(
                    change.x, self.model.encode(change.x), self._condition(target), self._condition(p)
                ).x
                losses["cycle"] = training.rec * 2 * (x - back).abs().mean()
            if config.head != "paper":
                losses |= self.restraints.prices(change)
            loss = torch.stack([v.float() for v in losses.values()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.critic.requires_grad_(True)
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        reached = torch.sigmoid(logit.detach())
        return losses | {
            "error": (reached - target)[:half].abs().mean(),
            "moved": (change.x.detach() - x).abs().mean(),
        }

    @torch.no_grad()
    def sample(self, path: Path) -> None:
        """A sheet: training pictures of low, middle and high f(x) as rows, requests from 0 to 1 as columns."""
        bins = self.pictures.rows
        rows = [int(group[i]) for group in (bins[0], bins[len(bins) // 2], bins[-1]) for i in (0, -1)]
        x = self.pictures.images[rows].float() / 255
        p = self.f.posterior(x)
        model = self.finished()
        columns, captions = [x], [[f"f={float(v):.2f}" for v in p]]
        for wanted in (0.05, 0.25, 0.5, 0.75, 0.95):
            changed = model(x, p, torch.full_like(p, wanted)).x
            columns.append(changed)
            captions.append([f"{wanted:.2f}: {float(v):.2f}" for v in self.f.posterior(changed)])
        save_sheet(columns, captions, path)

    def finished(self) -> Exaggerator:
        """The averaged network, or where `blend` stops on the way to it."""
        model = self.ema.module
        assert isinstance(model, Exaggerator)
        first = self.restraints.first
        if first is not None and self.training.blend < 1:
            # Wortsman et al., CVPR 2022: on this line what either end learned is often kept together.
            model = copy.deepcopy(model)
            old = first.state_dict()
            for name, weight in model.state_dict().items():
                if name in old and old[name].shape == weight.shape and weight.is_floating_point():
                    weight.lerp_(old[name].to(weight), 1 - self.training.blend)
        return model
