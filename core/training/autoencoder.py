"""Train the autoencoder: evidence lower bound with a Laplace likelihood, the KL let in slowly.

L1 in place of a squared error keeps edges sharper. With the likelihood's scale b the bound, divided by the number of
values and times b, is mean |x - G(z)| + b KL / values. The KL's weight climbs from 0 to its full one over the first
part of the budget, so that no latent number is given up before the decoder has learned to use it (Bowman et al.,
CoNLL 2016; Sonderby et al., NeurIPS 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.networks.autoencoder import Autoencoder, AutoencoderConfig, active_units, divergence
from core.training.inpainter import warm_cosine
from core.training.loop import EMA, average_gradients, world
from core.training.sheet import save_sheet
from core.training.state import Resumable


@dataclass(frozen=True)
class AutoencoderTraining:
    """scale: of the Laplace likelihood on [0, 1], which weighs the KL; warm_up: share of the budget over which the KL
    comes in; flip: mirror half of the pictures.
    """

    batch: int = 32
    rate: float = 2e-3
    scale: float = 0.05
    warm_up: float = 0.25
    ema: float = 0.995
    flip: bool = False
    seed: int = 0


class AutoencoderTrainer(Resumable):
    """Adam under a cosine, weights averaged."""

    def __init__(
        self, config: AutoencoderConfig, training: AutoencoderTraining, images: np.ndarray, device: torch.device
    ) -> None:
        """images: [N, C, S, S] uint8, training split only."""
        torch.manual_seed(training.seed)
        self.training, self.device = training, device
        self.images = torch.from_numpy(images)
        self.model = Autoencoder(config).to(device).to(memory_format=torch.channels_last)
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.Adam(self.model.parameters(), training.rate, betas=(0.9, 0.99))
        self.rng = np.random.default_rng([training.seed, world()[0]])
        torch.manual_seed(training.seed * 1000 + world()[0])  # every process draws codes of its own

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One step on the negative bound; mean |x - G(z)| on [0, 1] and the KL in nats a picture."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate * warm_cosine(fraction)
        x = self._batch()
        mean, log_variance = self.model.encode(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = (x - self.model.decode(z)).abs().mean()
        nats = divergence(mean, log_variance).sum(1).mean()
        weight = min(1.0, fraction / self.training.warm_up) if self.training.warm_up else 1.0
        loss = error + weight * self.training.scale * nats / x[0].numel()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update(self.model)
        return {"error": float(error.detach()), "nats": float(nats.detach())}

    def _batch(self) -> Tensor:
        rows = torch.from_numpy(self.rng.integers(len(self.images), size=self.training.batch))
        x = self.images[rows].to(self.device).float() / 255
        if self.training.flip:
            mirror = torch.from_numpy(self.rng.random(len(x)) < 0.5).to(self.device)
            x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
        return x.contiguous(memory_format=torch.channels_last)

    def finished(self) -> Autoencoder:
        """The averaged network, frozen."""
        assert isinstance(self.ema.module, Autoencoder)
        return self.ema.module

    @torch.no_grad()
    def sample(self, path: Path) -> None:
        """Pictures, their reconstructions, and pictures of codes drawn from the prior."""
        x = self.images[:8].to(self.device).float() / 255
        model = self.finished()
        noise = torch.randn(len(x), model.config.latent, generator=torch.Generator().manual_seed(0))
        columns = [x, model.decode(model.embed(x)), model.decode(noise.to(self.device))]
        save_sheet(columns, [[name] * len(x) for name in ("picture", "reconstruction", "drawn")], path)


@torch.no_grad()
def reconstruction_report(model: Autoencoder, images: np.ndarray, batch: int = 256) -> dict[str, Any]:
    """Mean |x - G(E(x))| on [0, 1], the KL in nats a picture and the active units, on images [N, C, S, S] uint8."""
    device = next(model.parameters()).device
    errors, nats, means = [], [], []
    for start in range(0, len(images), batch):
        x = torch.from_numpy(images[start : start + batch]).to(device).float() / 255
        mean, log_variance = model.encode(x)
        errors.append((x - model.decode(mean)).abs().mean((1, 2, 3)))
        nats.append(divergence(mean, log_variance).sum(1))
        means.append(mean)
    return {
        "n": len(images),
        "error": round(float(torch.cat(errors).mean()), 5),
        "nats": round(float(torch.cat(nats).mean()), 2),
        "active": active_units(torch.cat(means)),
        "latent": model.config.latent,
    }
