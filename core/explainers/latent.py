"""What xGEM and Latent Shift share: both look for pictures G(z) on the manifold of an autoencoder.

Only what the autoencoder keeps of a picture can come back, so with nothing asked for the picture is G(mu(x)) and not
x. Every result says so, with f's answer to it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.explainers.exaggeration import REQUESTS, add_query, check_requests
from core.explainers.registry import Progress, Subject
from core.explainers.render import render_views
from core.explainers.results import Provenance, Sweep
from core.images.picture import Prepared
from core.networks.autoencoder import Autoencoder
from core.networks.exaggerator import Change


@dataclass(frozen=True)
class LatentConfig:
    """Settings of every sweep through codes: requests, probabilities in (0, 1); tolerance: on the probability, for
    `reached`; view_side: longest side of the rendered views in pixels.
    """

    requests: tuple[float, ...] = REQUESTS
    tolerance: float = 0.02
    view_side: int = 768
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """frames: [N, M, C, S, S] in [0, 1]; stops: [N] a clause on how each picture's search ended, or ''."""

    frames: Tensor
    stops: tuple[str, ...]


class LatentMethod(ABC):
    """A search over codes; a `core.explainers.changer.Changer`. Pictures are [N, C, S, S] in [0, 1]."""

    head: str
    modes: tuple[str, ...] = ("direct",)

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder

    @abstractmethod
    def find(self, f: BlackBox, x: Tensor, goal: Tensor, progress: Progress | None = None) -> Found:
        """Pictures x [N, C, S, S], each with its own probabilities goal [N, M]; all of them in one batch."""

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """[N, D] mu(x)."""
        return self.autoencoder.embed(x)

    @torch.no_grad()
    def still(self, f: BlackBox, x: Tensor) -> Tensor:
        """G(mu(x)), [N, C, S, S]."""
        return self.autoencoder.decode(self.autoencoder.embed(x))

    def sweep(self, f: BlackBox, x: Tensor, goal: Tensor, mode: str = "direct") -> tuple[Change, np.ndarray]:
        """All frames of one picture x [1, C, S, S] for goal [K], and f's answers [K] float64. There is one mode."""
        frames = self.find(f, x, goal[None]).frames[0]
        return as_change(x, frames), _answers(f, frames)

    def back(self, f: BlackBox, x: Tensor, achieved: Tensor, query: Tensor) -> Tensor:
        """Changed pictures x [K, C, S, S], each a new query of its own, asked for query [1]: [K, C, S, S]."""
        return self.find(f, x, query.expand(len(x), 1)).frames[:, 0]


def as_change(x: Tensor, frames: Tensor) -> Change:
    """Frames [K, C, S, S] of x [1, C, S, S] as something added to it: nothing is displaced."""
    return Change(frames, frames.new_zeros(len(frames), 2, *frames.shape[2:]), frames - x)


def explain_latent(
    method: LatentMethod, subject: Subject, prepared: Prepared, target: str, config: LatentConfig,
    progress: Progress | None = None,
) -> Sweep:  # fmt: skip
    """Sweep one prepared picture. Raises UserError for requests outside (0, 1)."""
    wanted = check_requests(config.requests)
    start = time.perf_counter()
    f, witness = subject.blackbox(target), subject.witness(target)
    x = torch.from_numpy(prepared.tensor)[None].to(subject.device)
    query = float(_answers(f, x)[0])
    requested, origin = add_query(wanted, query)
    still = method.still(f, x)
    found = Found(x[None, :0], ("",))
    if len(requested) > 1:
        goal = torch.as_tensor(np.delete(requested, origin), dtype=torch.float32, device=x.device)
        found = method.find(f, x, goal[None], progress)
    change = as_change(x, torch.cat([found.frames[0, :origin], still, found.frames[0, origin:]]))
    achieved = _answers(f, change.x)
    distance = change.residual.abs().mean((1, 2, 3)).cpu().numpy().astype(np.float64)
    reached = np.abs(achieved - requested) <= config.tolerance
    exact = distance[origin] == 0
    return Sweep(
        study=subject.name,
        target=target,
        head=method.head,
        mode=method.modes[0],
        digest=prepared.digest,
        query=query,
        requested=requested,
        achieved=achieved,
        witness=None if witness is None else _answers(witness, change.x),
        distance=distance,
        reached=reached,
        origin=origin,
        frames=change.x.cpu().numpy(),
        displacement=change.displacement.cpu().numpy(),
        residual=change.residual.cpu().numpy(),
        views=render_views(prepared, change, config.view_side, keep=origin if exact else None),
        provenance=Provenance(
            stop=_stop(requested, achieved, reached, origin, found.stops[0], config.tolerance)
            + ("" if exact else _reconstructed(query, achieved[origin], distance[origin])),
            seed=config.seed,
            seconds=time.perf_counter() - start,
            device=str(subject.device),
        ),
        method=method.head,
    )


@torch.no_grad()
def _answers(f: BlackBox, x: Tensor) -> np.ndarray:
    return f.posterior(x).cpu().numpy().astype(np.float64)


def _stop(
    requested: np.ndarray, achieved: np.ndarray, reached: np.ndarray, origin: int, clause: str, tolerance: float
) -> str:
    missed = int((~np.delete(reached, origin)).sum())
    if not missed:
        return "finished: every request was met"
    said = (
        f"finished: {missed} of {len(requested) - 1} requests were missed by more than {tolerance:g}; "
        f"f ranges from {achieved.min():.2f} to {achieved.max():.2f}"
    )
    return f"{said}; {clause}" if clause else said


def _reconstructed(query: float, answer: float, distance: float) -> str:
    return (
        f"; with nothing asked for, the picture is the autoencoder's reconstruction and not the upload "
        f"(f says {answer:.2f} in place of {query:.2f}, mean change {distance:.3f})"
    )
