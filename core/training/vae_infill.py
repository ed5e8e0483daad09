"""Train the conditional VAE infill: Laplace likelihood on the hole, and the KL of posterior and prior in full."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from core.networks.vae_infill import VaeInfillConfig, VaeInfiller
from core.training.inpainter import InfillTraining, PictureStream, hole_l1, warm_cosine
from core.training.loop import EMA, average_gradients
from core.training.sheet import save_sheet
from core.training.state import Resumable

# Scale of the Laplace likelihood on [0, 1]: with it, L1 + SCALE * KL / hidden values is the negative ELBO.
SCALE = 0.05


class VaeInfillTrainer(Resumable):
    """Adam under a cosine; the posterior sees the whole picture, the prior only what is visible."""

    def __init__(
        self, config: VaeInfillConfig, training: InfillTraining, images: np.ndarray, device: torch.device
    ) -> None:
        torch.manual_seed(training.seed)
        self.training, self.device = training, device
        self.stream = PictureStream(images, training, device)
        self.rng = self.stream.rng
        self.model = VaeInfiller(config).to(device).to(memory_format=torch.channels_last)
        self.ema = EMA(self.model, training.ema)
        self.optimiser = torch.optim.Adam(self.model.parameters(), training.rate, betas=(0.9, 0.99))

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One step on the negative evidence lower bound."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate * warm_cosine(fraction)
        x, hole = self.stream.batch()
        context, prior = self.model.context(x, hole)
        posterior = self.model.encode(x, context)
        hidden = hole_l1(x, self.model.decode(posterior.sample(), context), hole)
        values = hole.sum((1, 2, 3)) * x.shape[1]
        divergence = (posterior.divergence(prior) / values.clamp_min(1)).mean()
        loss = hidden + SCALE * divergence
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update(self.model)
        return {"hole": float(hidden.detach()), "divergence": float(divergence.detach())}

    def finished(self) -> VaeInfiller:
        """The averaged network, frozen."""
        assert isinstance(self.ema.module, VaeInfiller)
        return self.ema.module

    @torch.no_grad()
    def sample(self, path: Path) -> None:
        """Pictures, holes, and two samples of the prior."""
        x, hole = self.stream.fixed(8)
        generator = torch.Generator(x.device).manual_seed(0)
        fills = [torch.where(hole > 0.5, self.finished().sample(x, hole, generator), x) for _ in range(2)]
        captions = [[name] * 8 for name in ("picture", "hole", "sample 1", "sample 2")]
        save_sheet([x, x * (1 - hole), *fills], captions, path)
