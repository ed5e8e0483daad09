"""Extremal perturbation: of all regions of a given area, the one that keeps the answer best, or destroys it most.

Fong, Patrick, Vedaldi: "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV 2019. The
area is a constraint, not a price: sorted pixels of the mask are compared with as many zeros and ones as the area
says. Masks are smooth by construction: a smooth maximum of kernels on a coarse grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.masking import (
    DESTROYING,
    SUFFICIENT,
    Found,
    area_penalty,
    begin,
    finish,
    hidden_of,
    measure,
    says,
)
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.results import MaskResult
from core.images.picture import Prepared
from core.infills.infill import Infill, compose

KINDS = {"preserve": SUFFICIENT, "delete": DESTROYING}
COLDNESS = 20.0
CELLS = 16  # grid cells along a side


@dataclass(frozen=True)
class ExtremalConfig:
    """Settings of one search over several areas at once.

    areas: shares of the picture in (0, 1); weight: of the area constraint, grown by `growth` over all steps from
    little: a strong constraint at the start would choose an area before f had said anything (the published 300 goes
    with scores far larger than our log-odds); sigma:
    of the kernel, in pixels of a 224-pixel picture and scaled to this one; flip: show f the mirror image on every
    other step, for pictures whose mirror image means the same.
    """

    kind: str = "preserve"
    infill: str = "blur"
    areas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    steps: int = 300
    rate: float = 0.05
    weight: float = 3.0
    growth: float = 1000.0
    sigma: float = 21.0
    flip: bool = False
    answer: str = "predicted"
    seed: int = 0


class SmoothMask:
    """From a grid of values to a full mask: at every pixel a smooth maximum of the grid's kernels around it."""

    def __init__(self, side: int, sigma: float, device: torch.device | str = "cpu") -> None:
        """side: of the picture; sigma: of the kernel exp(-2 max(0, d / sigma - 1/2)^2), in pixels."""
        # Nothing in the mask is finer than the kernel: a few pixels a sigma are enough, the rest is interpolated.
        fine = min(side, max(2 * CELLS, round(3 * side / sigma)))
        self.side, self.cells = side, min(CELLS, side)
        side, sigma = fine, sigma * fine / side
        step = side / self.cells
        self.radius = max(1, math.ceil(2 * sigma / step))
        centres = (torch.arange(self.cells, device=device) + 0.5) * step
        pixels = torch.arange(side, device=device) + 0.5
        self.cell = (pixels / step).long().clamp(max=self.cells - 1)  # [S] the cell a pixel is in
        offsets = torch.arange(-self.radius, self.radius + 1, device=device)
        # Distance from every pixel to the centres of the cells around its own, along one axis.
        gap = (pixels - centres[self.cell])[:, None] - offsets[None] * step  # [S, T]
        distance = torch.sqrt(gap[:, None, :, None] ** 2 + gap[None, :, None, :] ** 2)  # [S, S, T, T]
        self.weight = torch.exp(-2 * (distance / sigma - 0.5).clamp(min=0) ** 2).flatten(2).permute(2, 0, 1)

    def __call__(self, grid: Tensor) -> Tensor:
        """[N, 1, cells, cells] in [0, 1] -> [N, 1, side, side] in [0, 1]."""
        span = 2 * self.radius + 1
        around = F.unfold(F.pad(grid, [self.radius] * 4, mode="replicate"), span)  # [N, T*T, cells^2]
        around = around.view(len(grid), span * span, self.cells, self.cells)
        values = self.weight * around[:, :, self.cell][..., self.cell]
        share = torch.softmax(COLDNESS * values, 1)
        mask = (share * values).sum(1, keepdim=True).clamp(0, 1)
        return F.interpolate(mask, (self.side, self.side), mode="bilinear", align_corners=False)


def optimise(
    f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, config: ExtremalConfig, progress: Progress | None = None
) -> Found:
    """One mask for each of N pictures and A areas, together: mask [N*A, 1, S, S], areas fastest."""
    areas = torch.tensor(config.areas, device=x.device).repeat(len(x))
    x, sign = x.repeat_interleave(len(config.areas), 0), sign.repeat_interleave(len(config.areas))
    side = x.shape[-1]
    smooth = SmoothMask(side, config.sigma * side / 224, x.device)
    generator = torch.Generator(x.device).manual_seed(config.seed)
    grid = torch.full((len(x), 1, smooth.cells, smooth.cells), 0.5, device=x.device, requires_grad=True)
    optimiser = torch.optim.Adam([grid], config.rate)
    preserve = config.kind == "preserve"
    trace = []
    for step in range(config.steps):
        weight = config.weight * config.growth ** (step / config.steps)
        region = smooth(grid)
        hide = 1 - region if preserve else region
        with torch.no_grad():
            proposal = infill.propose(x, (hide > 0.5).to(hide), generator)
        shown = compose(x, proposal, hide)[:, 0]
        score = sign * f.logit(shown.flip(-1) if config.flip and step % 2 == 0 else shown)
        loss = weight * area_penalty(region, areas) - (score if preserve else -score)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        with torch.no_grad():
            grid.clamp_(0, 1)
        trace.append(loss.detach())
        if progress is not None:
            progress(step + 1, config.steps)
    return Found(smooth(grid.detach()), torch.stack(trace))


def explain(
    subject: Subject, prepared: Prepared, target: str, config: ExtremalConfig, progress: Progress | None = None
) -> MaskResult:
    """One picture: the mask of the smallest area that does it, or else the one that comes nearest; `ladder` has all.

    Raises UserError for an unknown kind, areas outside (0, 1) or an infill the study lacks.
    """
    if config.kind not in KINDS:
        raise UserError(f"Extremal perturbation can 'preserve' or 'delete', not '{config.kind}'.")
    if not config.areas or not all(0 < a < 1 for a in config.areas):
        raise UserError("Areas of extremal perturbation are shares of the picture, strictly between 0 and 1.")
    work = begin(subject, prepared, target, "extremal", KINDS[config.kind], config)
    found = optimise(work.f, work.infill, work.x, work.sign, config, progress)
    x = work.x.expand(len(found.mask), -1, -1, -1)
    fills, after = measure(work.f, work.infill, x, hidden_of(found.mask > 0.5, work.kind), 4, config.seed)
    says_so = says(work.f, fills.flatten(0, 1)).view(after.shape) == (work.sign > 0)
    best = smallest_that_does(after.mean(1), says_so.float().mean(1), config.areas, work.kind, bool(work.sign[0] > 0))
    one = Found(found.mask[best : best + 1], found.trace[:, best : best + 1])
    ladder = tuple(zip(config.areas, after.mean(1).tolist(), strict=True))
    return finish(work, one, ladder=ladder, note={"area": config.areas[best]})


def smallest_that_does(after: Tensor, stands: Tensor, areas: tuple[float, ...], kind: str, answer: bool) -> int:
    """Index of the smallest area whose fills do what was wanted; the nearest miss where none does.

    after: [A] mean f; stands: [A] share of the samples in which the answer stands.
    """
    towards = after if (kind == SUFFICIENT) == answer else 1 - after
    good = [i for i in range(len(areas)) if (stands[i] >= 0.5) == (kind == SUFFICIENT)]
    return min(good, key=lambda i: areas[i]) if good else int(towards.argmax())


register(
    Explainer(
        name="extremal",
        purpose="Of all smooth regions of a given area, the one that keeps the answer best.",
        paper="Fong, Patrick and Vedaldi, Understanding Deep Networks via Extremal Perturbations, ICCV 2019",
        needs=("classifier", "infill"),
        cost="300 steps of one mask for each of four areas; about ten seconds on two CPU cores",
        config=ExtremalConfig,
        run=explain,
    )
)
