"""BBMP: one mask, found by gradient descent, that deletes the evidence for an answer or preserves it.

Fong and Vedaldi: "Interpretable Explanations of Black Boxes by Meaningful Perturbation", ICCV 2017. m = 1 keeps a
pixel. Deletion minimises l1 |1 - m| + l2 TV_beta(m) + E[p(phi(x jittered; m))]; preservation minimises
l1 |m| + l2 TV_beta(m) - E[p]. With a contextual-attention infill this is BBMP-CA: the in-painter must be told what is
missing, and is told m < .5 (Chang et al., ICLR 2019, used both .5 and 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.masking import DESTROYING, SUFFICIENT, Found, begin, finish
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.results import MaskResult
from core.images.picture import Prepared
from core.infills.heuristic import gaussian_blur
from core.infills.infill import Infill, compose

KINDS = {"deletion": DESTROYING, "preservation": SUFFICIENT}
GRID = 28  # of the published mask
MISSING = 0.5  # an infill that must know what is missing is told m < MISSING


@dataclass(frozen=True)
class BbmpConfig:
    """Settings of one search; defaults are the published ones, made independent of the mask's size.

    sparsity: 1e-4 a mask pixel, times 28 x 28; smooth: 1e-2 likewise, beta: exponent of the total variation;
    grid: side of the mask, by default a quarter of the picture's, at most 28; blur: of the upsampled mask, and
    jitter: greatest shift, both in pixels of a 224-pixel picture and scaled to this one.
    """

    kind: str = "deletion"
    infill: str = "blur"
    sparsity: float = 0.0784
    smooth: float = 7.84
    beta: float = 3.0
    steps: int = 300
    rate: float = 0.1
    grid: int | None = None
    blur: float = 5.0
    jitter: float = 4.0
    answer: str = "predicted"
    seed: int = 0


def total_variation(mask: Tensor, beta: float) -> Tensor:
    """[N] mean over a grid of (dx^2 + dy^2)^(beta / 2); mask: [N, 1, g, g].

    Slopes are taken per 1/28 of the side, the published grid's cell, so that a shape costs the same on every grid.
    """
    mask = mask * (mask.shape[-1] / GRID)
    dy = F.pad(mask[..., 1:, :] - mask[..., :-1, :], (0, 0, 0, 1))
    dx = F.pad(mask[..., :, 1:] - mask[..., :, :-1], (0, 1, 0, 0))
    squared = dx.square() + dy.square()
    # The root of 0 has no slope, so it is taken of a little more than 0.
    return ((squared + 1e-12) ** (beta / 2) - 1e-12 ** (beta / 2)).mean((1, 2, 3))


def optimise(
    f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, config: BbmpConfig, progress: Progress | None = None
) -> Found:
    """One mask for each of N pictures. x: [N, C, S, S] in [0, 1]; sign: [N], +1 or -1."""
    side = x.shape[-1]
    grid = config.grid or max(4, min(GRID, side // 4))
    sigma, reach = config.blur * side / 224, max(1, round(config.jitter * side / 224)) if config.jitter else 0
    generator = torch.Generator(x.device).manual_seed(config.seed)
    deletion = config.kind == "deletion"
    keep = _start(f, infill, x, sign, grid, deletion=deletion, generator=generator).requires_grad_()
    optimiser = torch.optim.Adam([keep], config.rate)
    trace = []
    for step in range(config.steps):
        hide = 1 - full_size(keep, side, sigma)
        told = (hide.detach() > 1 - MISSING).to(hide)
        with torch.no_grad():
            proposal = infill.propose(x, told, generator)
        # The picture moves under the mask and takes its infill along (Eq. 4): a mask must not hang on one pixel.
        there, filled = _shift(torch.stack([x, proposal[:, 0]]), reach, generator)
        shown = compose(there, filled[:, None], hide)[:, 0]
        p = torch.sigmoid(sign * f.logit(shown))
        size = (1 - keep if deletion else keep).mean((1, 2, 3))
        loss = config.sparsity * size + config.smooth * total_variation(keep, config.beta) + (p if deletion else -p)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        with torch.no_grad():
            keep.clamp_(0, 1)
        trace.append(loss.detach())
        if progress is not None:
            progress(step + 1, config.steps)
    mask = full_size(keep.detach(), side, sigma)
    return Found(1 - mask if deletion else mask, torch.stack(trace))


def full_size(mask: Tensor, side: int, sigma: float) -> Tensor:
    """[N, 1, g, g] -> [N, 1, side, side]: upsampled and blurred, still in [0, 1]."""
    return gaussian_blur(F.interpolate(mask, (side, side), mode="bilinear", align_corners=False), sigma).clamp(0, 1)


@torch.no_grad()
def _start(
    f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, grid: int, *, deletion: bool, generator: torch.Generator
) -> Tensor:
    """[N, 1, grid, grid]: a blurred disc in the middle, the smallest that has 99 % of the whole effect.

    From nothing hidden, a confident classifier has no slope to follow. Radii in steps of 1/45 of the side, as in
    the published code.
    """
    side = x.shape[-1]
    line = (torch.arange(grid, device=x.device) + 0.5) / grid - 0.5
    distance = torch.sqrt(line[:, None] ** 2 + line[None] ** 2)
    discs = [(distance <= r / 45).to(x) for r in range(0, 35)]
    discs = [gaussian_blur(d[None, None], 10 / 224 * grid).clamp(0, 1) for d in discs]
    scores = []
    for disc in discs:
        hide = F.interpolate(disc if deletion else 1 - disc, (side, side), mode="bilinear", align_corners=False)
        hide = hide.expand(len(x), -1, -1, -1)
        proposal = infill.propose(x, (hide > 0.5).to(hide), generator)
        scores.append(torch.sigmoid(sign * f.logit(compose(x, proposal, hide)[:, 0])))
    table = torch.stack(scores)  # [R, N]
    before, after = table[0], table[-1]
    effect = (table - before) / torch.where((after - before).abs() < 1e-6, torch.ones_like(after), after - before)
    first = (effect >= 0.99).float().argmax(0)  # the first radius that reaches it; the last always does
    chosen = torch.cat(discs)[first]
    return (1 - chosen if deletion else chosen).clone()


def _shift(x: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """[..., C, H, W] moved by up to `reach` pixels either way, all alike, edges repeated."""
    if not reach:
        return x
    dy, dx = torch.randint(0, 2 * reach + 1, (2,), device=x.device, generator=generator).tolist()
    height, width = x.shape[-2:]
    padded = F.pad(x.reshape(-1, 1, height, width), (reach, reach, reach, reach), mode="replicate")
    return padded[:, 0, dy : dy + height, dx : dx + width].reshape(x.shape)


def explain(
    subject: Subject, prepared: Prepared, target: str, config: BbmpConfig, progress: Progress | None = None
) -> MaskResult:
    """One picture. Raises UserError for an unknown kind or an infill the study lacks."""
    if config.kind not in KINDS:
        raise UserError(f"BBMP plays 'deletion' or 'preservation', not '{config.kind}'.")
    work = begin(subject, prepared, target, "bbmp", KINDS[config.kind], config)
    return finish(work, optimise(work.f, work.infill, work.x, work.sign, config, progress))


register(
    Explainer(
        name="bbmp",
        purpose="One smooth mask that deletes the evidence for an answer, or preserves just enough of it.",
        paper="Fong and Vedaldi, Interpretable Explanations of Black Boxes by Meaningful Perturbation, ICCV 2017",
        needs=("classifier", "infill"),
        cost="300 steps of one mask; a few seconds on two CPU cores",
        config=BbmpConfig,
        run=explain,
    )
)
