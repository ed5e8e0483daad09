"""xGEM: the picture on an autoencoder's manifold that f answers as asked and that is nearest to the query.

Joshi, Koyejo, Kim, Ghosh: "xGEMs: Generating Examplars to Explain Black-Box Models", arXiv 1806.08867 (2018):
z* = argmin_z  l(f(G(z)), t) + lambda ||x - G(z)||^2, by gradient descent from the query's code. The comparison in
Singla et al., ICLR 2020 (section 4). l is the cross-entropy to the requested probability t, so that its least value
is at f = t; the squared difference is a mean over pixels and channels, so that lambda means the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.latent import Found, LatentConfig, LatentMethod, explain_latent
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.results import Sweep
from core.images.picture import Prepared
from core.networks.autoencoder import Autoencoder


@dataclass(frozen=True)
class XgemConfig(LatentConfig):
    """Settings of one search, beside those of every sweep.

    fidelity: lambda, the nats that a mean squared difference of 1 costs; steps: of Adam; rate: its first step, in
    standard deviations of the prior, falling to 0.
    """

    fidelity: float = 10.0
    steps: int = 60
    rate: float = 0.1


class Xgem(LatentMethod):
    """Gradient descent on the codes of all pictures and requests at once; no row depends on another."""

    head = "xgem"

    def __init__(self, autoencoder: Autoencoder, config: XgemConfig | None = None) -> None:
        """Raises UserError for less than one step and a negative fidelity."""
        super().__init__(autoencoder)
        self.config = config or XgemConfig()
        if self.config.steps < 1 or not 0 < self.config.rate < inf or not 0 <= self.config.fidelity < inf:
            raise UserError("xGEM takes at least one step, a rate above 0, and a fidelity of 0 or more.")

    def find(self, f: BlackBox, x: Tensor, goal: Tensor, progress: Progress | None = None) -> Found:
        """See `LatentMethod.find`. Of all iterates of a request the one with the least objective is kept."""
        config, requests = self.config, goal.shape[1]
        query, wanted = x.repeat_interleave(requests, 0), goal.flatten()
        z = self.embed(query).clone().requires_grad_()
        best, least = z.detach().clone(), torch.full((len(z),), float("inf"), device=z.device)
        optimiser = torch.optim.Adam([z], config.rate)
        for step in range(config.steps + 1):
            for group in optimiser.param_groups:
                group["lr"] = config.rate * (1 - step / config.steps)
            with torch.enable_grad():
                cost = self.objective(f, query, self.autoencoder.decode(z), wanted)
                (z.grad,) = torch.autograd.grad(cost.sum(), z)
            better = cost.detach() < least
            best[better], least[better] = z.detach()[better], cost.detach()[better]
            optimiser.step()
            if progress is not None and step:
                progress(step, config.steps)
        with torch.no_grad():
            frames = self.autoencoder.decode(best)
        return Found(frames.view(len(x), requests, *x.shape[1:]), ("",) * len(x))

    def objective(self, f: BlackBox, x: Tensor, picture: Tensor, wanted: Tensor) -> Tensor:
        """[N] cross-entropy in nats plus fidelity times the mean squared difference; wanted: [N] probabilities."""
        nats = F.binary_cross_entropy_with_logits(f.logit(picture), wanted, reduction="none")
        return nats + self.config.fidelity * (x - picture).square().mean((1, 2, 3))


def explain(
    subject: Subject, prepared: Prepared, target: str, config: XgemConfig, progress: Progress | None = None
) -> Sweep:
    """Sweep one prepared picture. Raises UserError for requests outside (0, 1) and a study without an autoencoder."""
    return explain_latent(Xgem(subject.autoencoder(), config), subject, prepared, target, config, progress)


register(
    Explainer(
        name="xgem",
        purpose="Search an autoencoder's manifold for the nearest picture that the classifier answers as asked.",
        paper="Joshi et al., xGEMs: Generating Examplars to Explain Black-Box Models, arXiv 1806.08867, 2018",
        needs=("classifier", "autoencoder"),
        cost="60 gradient steps on a batch of 21 frames; about 10 seconds on a CPU",
        config=XgemConfig,
        run=explain,
    )
)
