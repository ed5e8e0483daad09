"""Progressive Exaggeration: one picture, and what f would call less and more of a finding.

Singla, Pollack, Chen, Batmanghelich: "Explanation by Progressive Exaggeration", ICLR 2020. I_f(x, delta) is
asked for a list of probabilities, in one batch; f's answer to every frame is measured, and so is that of an
independent network. In `direct` mode the condition is the request itself. In `calibrated` mode the condition
is searched, per frame, for the one at which f answers what was asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.render import render_views
from core.explainers.results import Provenance, Sweep
from core.images.picture import Prepared
from core.networks.exaggerator import Change, Exaggerator, condition_of

MODES = ("direct", "calibrated")
REQUESTS = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.99)

# How far past the outermost bins the calibrated search may go: two bins, where the fields still extrapolate well.
REACH = 2.0


@dataclass(frozen=True)
class ExaggerationConfig:
    """Settings of one sweep.

    mode: 'direct' or 'calibrated'; head: one of the study's heads, by default its first; requests: probabilities
    in (0, 1), increasing; tolerance: on the probability, for `reached`; view_side: longest side of the rendered
    views in pixels.
    """

    mode: str = "calibrated"
    head: str | None = None
    requests: tuple[float, ...] = REQUESTS
    tolerance: float = 0.02
    view_side: int = 768
    seed: int = 0


def check_requests(requests: Sequence[float]) -> np.ndarray:
    """[K] float64, increasing and distinct. Raises UserError for requests outside (0, 1), and for none."""
    wanted = np.unique(np.asarray(requests, dtype=np.float64))
    if not len(wanted) or not ((wanted > 0) & (wanted < 1)).all():
        raise UserError("The requested probabilities must lie strictly between 0 and 1.")
    return wanted


def add_query(wanted: np.ndarray, query: float) -> tuple[np.ndarray, int]:
    """The requests with f(x) in its place among them, and that place; a request right beside it gives way."""
    wanted = wanted[np.abs(wanted - query) > 0.005]
    requested = np.sort(np.append(wanted, query))
    return requested, int(np.searchsorted(requested, query))


@torch.no_grad()
def explain(
    subject: Subject, prepared: Prepared, target: str, config: ExaggerationConfig, progress: Progress | None = None
) -> Sweep:
    """Sweep one prepared picture. Raises UserError for an unknown mode or requests outside (0, 1)."""
    if config.mode not in MODES:
        raise UserError(f"There is no mode '{config.mode}'; choose one of {', '.join(MODES)}.")
    wanted = check_requests(config.requests)
    start = time.perf_counter()
    f, network = subject.blackbox(target), subject.exaggerator(target, config.head)
    x = torch.from_numpy(prepared.tensor)[None].to(subject.device)
    query = float(f.posterior(x)[0])
    requested, origin = add_query(wanted, query)
    goal = torch.as_tensor(requested, dtype=torch.float32, device=x.device)
    change, achieved = sweep_batch(network, f, x, goal, config.mode)
    reached = np.abs(achieved - requested) <= config.tolerance
    witness = subject.witness(target)
    return Sweep(
        study=subject.name,
        target=target,
        head=network.config.head,
        mode=config.mode,
        digest=prepared.digest,
        query=query,
        requested=requested,
        achieved=achieved,
        witness=None if witness is None else witness.posterior(change.x).cpu().numpy().astype(np.float64),
        distance=(change.x - x).abs().mean((1, 2, 3)).cpu().numpy().astype(np.float64),
        reached=reached,
        origin=origin,
        frames=change.x.cpu().numpy(),
        displacement=change.displacement.cpu().numpy(),
        residual=change.residual.cpu().numpy(),
        views=render_views(prepared, change, config.view_side, keep=origin if network.config.head != "paper" else None),
        provenance=Provenance(
            stop=_stop(requested, achieved, reached, origin, config),
            seed=config.seed,
            seconds=time.perf_counter() - start,
            device=str(subject.device),
        ),
    )


@torch.no_grad()
def sweep_batch(network: Exaggerator, f: BlackBox, x: Tensor, goal: Tensor, mode: str) -> tuple[Change, np.ndarray]:
    """All frames of one picture x [1, C, S, S] for requests goal [K]; (change, achieved [K] float64)."""
    config = network.config
    features = network.encode(x)
    p = f.posterior(x)
    start = condition_of(p, config.bins, config.continuous).expand(len(goal))
    condition = condition_of(goal, config.bins, config.continuous)
    if mode == "calibrated":
        condition = _search(network, f, x, features, start, goal)
    change = network.change(x, features, start, condition)
    return change, f.posterior(change.x).cpu().numpy().astype(np.float64)


def _search(
    network: Exaggerator, f: BlackBox, x: Tensor, features: list[Tensor], start: Tensor, goal: Tensor, rounds: int = 3
) -> Tensor:
    """[K] conditions at which f's log-odds come nearest to those of `goal`.

    One coarse batch brackets every request, then a few rounds of bisection by linear interpolation in log-odds
    (regula falsi, kept a twentieth of the bracket away from its ends) close in, all requests at once.
    """
    bins = network.config.bins
    grid = torch.linspace(-0.5 - REACH, bins - 0.5 + REACH, 2 * bins + 9, device=x.device)
    grid = torch.cat([grid, start[:1]]).sort().values
    answer = f.logit(network.change(x, features, start[:1].expand(len(grid)), grid).x)
    wanted = torch.logit(goal.clamp(1e-6, 1 - 1e-6))  # a request that rounds to 0 or 1 is still a number
    # For each request, the bracketing pair nearest to the query: the smallest change that does it.
    gap = answer[None] - wanted[:, None]  # [K, G]
    crosses = (gap[:, :-1] <= 0) != (gap[:, 1:] <= 0)
    middle = (grid[:-1] + grid[1:]) / 2
    cost = (middle[None] - start[:1, None]).abs().expand_as(crosses).masked_fill(~crosses, float("inf"))
    cell = cost.argmin(1)
    found = crosses.any(1)
    nearest = grid[gap.abs().argmin(1)]
    low, high = grid[cell], grid[cell + 1]
    rows = torch.arange(len(goal), device=x.device)
    gap_low, gap_high = gap[rows, cell], gap[rows, cell + 1]
    best, best_gap = nearest.clone(), gap.abs().amin(1)
    for _ in range(rounds):
        share = (gap_low / (gap_low - gap_high).where(found, torch.ones_like(gap_low))).clamp(0.05, 0.95)
        at = torch.where(found, low + share * (high - low), nearest)
        now = f.logit(network.change(x, features, start, at).x) - wanted
        better = now.abs() < best_gap
        best, best_gap = torch.where(better, at, best), torch.where(better, now.abs(), best_gap)
        left = (now <= 0) == (gap_low <= 0)
        low, gap_low = torch.where(left, at, low), torch.where(left, now, gap_low)
        high, gap_high = torch.where(left, high, at), torch.where(left, gap_high, now)
    # Whoever asks for what f says already gets the picture itself, also where f's answer is flat.
    return torch.where(goal == f.posterior(x), start, best)


def _stop(
    requested: np.ndarray, achieved: np.ndarray, reached: np.ndarray, origin: int, config: ExaggerationConfig
) -> str:
    # The frame at the query's own answer was not asked for; the head `paper` may redraw it with another answer.
    missed, asked = int((~np.delete(reached, origin)).sum()), len(requested) - 1
    if not missed:
        return "finished: every request was met"
    low, high = float(achieved.min()), float(achieved.max())
    if config.mode == "calibrated":
        return (
            f"finished: {missed} of {asked} requests lie beyond what this generator can do with this "
            f"picture; f stays between {low:.2f} and {high:.2f}"
        )
    return (
        f"finished: {missed} of {asked} requests were missed by more than {config.tolerance:g}; "
        f"f ranges from {low:.2f} to {high:.2f} (the calibrated mode searches for the exact condition)"
    )


register(
    Explainer(
        name="exaggeration",
        purpose="Turn a knob: the picture as the classifier would call it less, or more, of a finding.",
        paper="Singla et al., Explanation by Progressive Exaggeration, ICLR 2020",
        needs=("classifier", "exaggerator"),
        cost="one batch of 22 frames; under a second on a CPU",
        config=ExaggerationConfig,
        run=explain,
    )
)
