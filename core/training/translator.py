"""Train GANMEX's translator against a frozen classifier.

L_G = L_adv + l_cls CE(S(G(x, t)), t) + l_sim |x - G(x, t)| + l_rec |x - G(G(x, t), o)| (Shih, Tien, Karnin, ICML
2021): the classifier itself takes the role of StarGAN's class head, so the counterfactual is one of *this*
classifier. Hinge loss in place of the saturating log(1 - D).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.critic import critic_hinge, generator_hinge
from core.networks.translator import RealismCritic, Translator, TranslatorConfig
from core.training.augment import View, diff_augment, random_view
from core.training.inpainter import warm_cosine
from core.training.loop import EMA, average_gradients, world
from core.training.sheet import save_sheet
from core.training.state import Resumable


@dataclass(frozen=True)
class TranslatorTraining:
    """Weights of the losses and settings of the optimisers."""

    batch: int = 64
    adversarial: float = 1.0
    classes: float = 1.0
    similarity: float = 10.0
    reconstruction: float = 0.0
    rate: float = 4e-4
    critic_rate: float = 8e-4
    critic_base: int = 24
    ema: float = 0.998
    flip: bool = False
    seed: int = 0


RAMP = 0.25  # share of the budget over which the similarity loss grows to its weight
# The classifier sees half of the counterfactuals through small views, so that they do not hang on single pixels.
VIEW = View(rotate=4, shift=0.03, scale=0.04, gain=0.05, bias=0.03, blur=0.6, noise=0.05)


class TranslatorTrainer(Resumable):
    """Alternating hinge updates; every picture goes to a random other class."""

    def __init__(
        self,
        config: TranslatorConfig,
        training: TranslatorTraining,
        classifier: nn.Module,
        images: np.ndarray,
        labels: np.ndarray,
        device: torch.device,
    ) -> None:
        """classifier: frozen, [N, C, S, S] in [0, 1] -> [N, K] logits; images: [N, C, S, S] uint8, training split;
        labels: [N] class numbers.
        """
        torch.manual_seed(training.seed)
        self.training, self.config, self.classifier, self.device = training, config, classifier, device
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
        self.by_class = [np.flatnonzero(labels == k) for k in range(config.classes)]
        self.model = Translator(config).to(device).to(memory_format=torch.channels_last)
        self.critic = RealismCritic(config.channels, training.critic_base, config.size).to(device)
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.Adam(self.model.parameters(), training.rate, betas=(0.0, 0.95))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), training.critic_rate, betas=(0.0, 0.95))
        self.rng = np.random.default_rng([training.seed, world()[0]])

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """(x in [0, 1], its class, another class), every class as likely as the next."""
        size, classes = self.training.batch, self.config.classes
        origin = self.rng.integers(classes, size=size)
        target = (origin + self.rng.integers(1, classes, size=size)) % classes
        rows = torch.as_tensor([int(self.rng.choice(self.by_class[k])) for k in origin])
        x = self.images[rows].to(self.device).float() / 255
        if self.training.flip:
            mirror = torch.from_numpy(self.rng.random(size) < 0.5).to(self.device)
            x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
        x = x.contiguous(memory_format=torch.channels_last)
        return x, torch.from_numpy(origin).to(self.device), torch.from_numpy(target).to(self.device)

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One step of the critic and one of the translator."""
        training = self.training
        for optimiser, rate in ((self.optimiser, training.rate), (self.critic_optimiser, training.critic_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * warm_cosine(fraction)
        x, origin, target = self._batch()
        made = self.model(x, target)
        scores = self.critic(diff_augment(torch.cat([x, made.detach()]), cutout=0.25))
        critic_loss = critic_hinge(*scores.chunk(2))
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()
        average_gradients(self.critic.parameters())
        self.critic_optimiser.step()

        fooled = generator_hinge(self.critic(diff_augment(made, cutout=0.25)))
        half = len(x) // 2
        seen = torch.cat([made[:half], random_view(made[half:], VIEW)])
        called = F.cross_entropy(self.classifier(seen), target)
        moved = (x - made).abs().mean()
        # Similarity comes in slowly: from the start, the easiest thing is to change nothing and to stay there.
        similarity = training.similarity * min(1.0, fraction / RAMP)
        loss = training.adversarial * fooled + training.classes * called + similarity * moved
        if training.reconstruction:
            loss = loss + training.reconstruction * (x - self.model(made, origin)).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.ema.update(self.model)
        with torch.no_grad():
            success = (self.classifier(made).argmax(1) == target).float().mean()
        numbers = {"critic": critic_loss, "fooled": fooled, "class": called, "moved": moved, "success": success}
        return {name: float(value.detach()) for name, value in numbers.items()}

    def finished(self) -> Translator:
        """The averaged network, frozen."""
        assert isinstance(self.ema.module, Translator)
        return self.ema.module

    @torch.no_grad()
    def sample(self, path: Path) -> None:
        """A picture of every class, and it as every class."""
        rows = torch.as_tensor([int(own[0]) for own in self.by_class])
        x = self.images[rows].to(self.device).float() / 255
        columns = [self.ema.module(x, torch.full((len(x),), k, device=self.device)) for k in range(self.config.classes)]
        captions = [[str(k)] * len(x) for k in range(self.config.classes)]
        save_sheet([x, *columns], [["picture"] * len(x), *captions], path, cell=72)
