"""FIDO: the smallest region that destroys an answer, and the smallest that suffices for it.

Chang, Creager, Goldenberg, Duvenaud: "Explaining Image Classifiers by Counterfactual Generation", ICLR 2019. A
Bernoulli law over masks is fitted by gradient descent through a concrete relaxation, with what is hidden drawn
from an infill. z = 1 means hidden. SDR minimises E[s(phi)] + lambda E|z|; SSR minimises E[-s(phi)] + lambda E|1 - z|,
s the log-odds of the answer. Against the released code: masks are drawn on a grid and upsampled, so that holes are
coherent; sparsity weighs the mean of the mask instead of a sum over pixels, so it means the same at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.masking import DESTROYING, SUFFICIENT, Found, area_penalty, begin, finish
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.replay import Replay, adam, set_rate
from core.explainers.results import MaskResult
from core.images.picture import Prepared
from core.infills.infill import Infill, compose

KINDS = {"sdr": DESTROYING, "ssr": SUFFICIENT}
GRAINS = ("grid", "pixel")
TEMPERATURE = 0.1


@dataclass(frozen=True)
class FidoConfig:
    """Settings of one search.

    kind: 'ssr' or 'sdr'; infill: one of the study's; sparsity: log-odds a mean mask of 1 costs; area: the wanted share
    of the picture in (0, 1), which takes the place of a price: the region is held to it as extremal perturbation
    does; grid: side of the mask, by
    default a quarter of the picture's; grain: 'pixel' draws every pixel for itself, as the released code does;
    hard_edges: f sees rounded masks (straight-through), so that no pixel is half hidden; answer: 'predicted',
    'present' or 'absent'.
    """

    kind: str = "ssr"
    infill: str = "ca"
    sparsity: float = 10.0
    area: float | None = None
    steps: int = 300
    samples: int = 8
    rate: float = 0.05
    grid: int | None = None
    grain: str = "grid"
    hard_edges: bool = False
    answer: str = "predicted"
    seed: int = 0


def relax(logit: Tensor, noise: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """A concrete sample of a Bernoulli law: sigmoid((logit + log u - log(1 - u)) / T), noise u in (0, 1)."""
    eps = torch.finfo(noise.dtype).eps
    return torch.sigmoid((logit + torch.logit(noise, eps=eps)) / temperature)


def optimise(
    f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, config: FidoConfig, progress: Progress | None = None
) -> Found:
    """Fit the masks of N pictures together; each keeps its own law, and its result does not depend on the others'
    content. x: [N, C, S, S] in [0, 1]; sign: [N], +1 or -1 (`masking.sign_of`).
    """
    n, _, height, width = x.shape
    grid = config.grid or max(4, height // 4)
    generator = torch.Generator(x.device).manual_seed(config.seed)
    logit = torch.zeros(n, 1, grid, grid, device=x.device, requires_grad=True)
    optimiser = adam([logit], config.rate)
    price = torch.zeros((), device=x.device)
    area = None if config.area is None else torch.full((n,), config.area, device=x.device)

    def descend() -> Tensor:
        chance = _upsample(torch.sigmoid(logit), height, width)
        soft = _draw(logit, chance, config, generator)
        hard = (soft > 0.5).to(soft).detach()
        with torch.no_grad():
            proposal = infill.propose(x, hard, generator)
        mask = hard + soft - soft.detach() if config.hard_edges else soft
        score = sign * f.logit(compose(x, proposal, mask).flatten(0, 1)).view(n, -1).mean(1)
        evidence = chance if config.kind == "sdr" else 1 - chance
        size = evidence.mean((1, 2, 3)) if area is None else area_penalty(evidence, area)
        loss = (score if config.kind == "sdr" else -score) + price * size
        (logit.grad,) = torch.autograd.grad(loss.sum(), [logit])
        optimiser.step()
        return loss.detach()

    step = Replay(descend, x.device, generator)
    trace = []
    for index in range(config.steps):
        set_rate(optimiser, config.rate * (1 - index / config.steps))
        if area is None:
            price.fill_(min(1.0, index / (0.1 * config.steps)) * config.sparsity)
        else:
            # A price searched step by step overshoots while the mask comes down from one half; a constraint does not.
            price.fill_(10 * 300 ** (index / config.steps))
        trace.append(step())
        if progress is not None:
            progress(index + 1, config.steps)
    hidden = _upsample(torch.sigmoid(logit.detach()), height, width)
    return Found(hidden if config.kind == "sdr" else 1 - hidden, torch.stack(trace))


def _draw(logit: Tensor, chance: Tensor, config: FidoConfig, generator: torch.Generator) -> Tensor:
    """[N, samples, S, S] soft masks."""
    if config.grain == "pixel":
        source = torch.logit(chance, eps=1e-6)
        noise = torch.rand(len(chance), config.samples, *chance.shape[2:], device=chance.device, generator=generator)
        return relax(source, noise)
    noise = torch.rand(len(logit), config.samples, *logit.shape[2:], device=logit.device, generator=generator)
    return _upsample(relax(logit, noise), *chance.shape[2:])


def _upsample(mask: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(mask, (height, width), mode="bilinear", align_corners=False)


def explain(
    subject: Subject, prepared: Prepared, target: str, config: FidoConfig, progress: Progress | None = None
) -> MaskResult:
    """One picture. Raises UserError for settings that make no sense or an infill the study lacks."""
    if config.kind not in KINDS:
        raise UserError(f"FIDO looks for 'ssr' or 'sdr', not '{config.kind}'.")
    if config.grain not in GRAINS:
        raise UserError(f"FIDO draws masks by 'grid' or by 'pixel', not by '{config.grain}'.")
    if config.area is not None and not 0 < config.area < 1:
        raise UserError(f"The wanted area is a share of the picture between 0 and 1, not {config.area:g}.")
    if not (math.isfinite(config.sparsity) and config.sparsity >= 0):
        raise UserError(f"The sparsity is a price, 0 or more, not {config.sparsity:g}.")
    work = begin(subject, prepared, target, "fido", KINDS[config.kind], config)
    return finish(work, optimise(work.f, work.infill, work.x, work.sign, config, progress))


register(
    Explainer(
        name="fido",
        purpose="The smallest region that decides: hidden, it destroys the answer; alone, it suffices.",
        paper="Chang et al., Explaining Image Classifiers by Counterfactual Generation, ICLR 2019",
        needs=("classifier", "infill"),
        cost="300 steps of 8 masks; about a second on a GPU, a quarter of a minute on two CPU cores",
        config=FidoConfig,
        run=explain,
    )
)
