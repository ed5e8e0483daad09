"""Latent Shift (Gifsplanation): move a picture's code along f's gradient, in a straight line.

Cohen et al.: "Gifsplanation via Latent Shift: A Simple Autoencoder Approach to Counterfactual Generation for Chest
X-rays", MIDL 2021: z_l = z + l df(G(z))/dz, and l is searched outwards with growing steps. Needs no training but the
autoencoder's, so it works on any differentiable black box at once. Against the released code: f's log-odds are
differentiated, which is the same line; l counts the change of log-odds expected by the slope, so that a step means
the same for every autoencoder and for an f that is sure already; both directions are searched; and each request gets
its own l, between the points of the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.errors import UserError
from core.explainers.latent import Found, LatentConfig, LatentMethod, explain_latent
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.results import Sweep
from core.images.picture import Prepared
from core.networks.autoencoder import Autoencoder

MODES = ("published", "residual")
FLAT = "f is flat at the reconstruction"
TURNED = "f no longer moves that way"
CHANGED = "the picture has changed by more than the bound"
FALLEN = "f has moved by the greatest wanted difference"
LONG = "the search was long enough"


@dataclass(frozen=True)
class LatentShiftConfig(LatentConfig):
    """Settings of one search, beside those of every sweep.

    form: 'published' shows G(z_l); 'residual' shows x + G(z_l) - G(z), which is x itself for l = 0, and follows f's
    gradient there. step: of l, the expected change of log-odds; every further step is longer by a tenth of the way
    gone. change: the search ends when the mean change exceeds this share of the mean brightness. fall: and when f has
    moved by this much; the released code has .8, here the requests say how far to go. rounds: the most steps.
    """

    form: str = "published"
    step: float = 0.2
    change: float = 0.05
    fall: float | None = None
    rounds: int = 60


@dataclass
class Walk:
    """One picture's search in one direction: l and f's log-odds at each kept point, and why it ended ('': reached)."""

    shifts: list[float]
    answers: list[float]
    stop: str = ""


class LatentShift(LatentMethod):
    """The line search over all pictures at once; no picture depends on another."""

    head = "latent-shift"

    def __init__(self, autoencoder: Autoencoder, config: LatentShiftConfig | None = None) -> None:
        """Raises UserError for an unknown form and settings that are not above 0."""
        super().__init__(autoencoder)
        self.config = config = config or LatentShiftConfig()
        if config.form not in MODES:
            raise UserError(f"There is no form '{config.form}' of Latent Shift; choose one of {', '.join(MODES)}.")
        if not (0 < config.step < inf and 0 < config.change < inf and config.rounds > 0):
            raise UserError("Latent Shift takes a step, a change and a number of rounds above 0.")

    @torch.no_grad()
    def still(self, f: BlackBox, x: Tensor) -> Tensor:
        """G(mu(x)), or x itself in the residual form."""
        return x if self.config.form == "residual" else super().still(f, x)

    @torch.no_grad()
    def find(self, f: BlackBox, x: Tensor, goal: Tensor, progress: Progress | None = None) -> Found:
        """See `LatentMethod.find`. A request beyond the end of the search gets its last point."""
        z, base = self.embed(x), super().still(f, x)
        answer, direction = self.slope(f, x, z, base)
        wanted = torch.logit(goal.double()).cpu().numpy()
        down = self.walk(f, x, z, base, direction, answer, wanted.min(1), -1)
        up = self.walk(f, x, z, base, direction, answer, wanted.max(1), 1)
        shifts = np.empty(goal.shape)
        for i, start in enumerate(answer.tolist()):
            places = [*down[i].shifts[::-1], 0.0, *up[i].shifts]
            heard = [*down[i].answers[::-1], start, *up[i].answers]
            shifts[i] = np.interp(wanted[i], heard, places)
        frames = torch.stack(
            [
                self._shown(one[None], here + torch.as_tensor(way, dtype=x.dtype, device=x.device)[:, None] * line, g)
                for one, here, way, line, g in zip(x, z, shifts, direction, base, strict=True)
            ]
        )
        return Found(frames, tuple(_clause(d, u) for d, u in zip(down, up, strict=True)))

    def slope(self, f: BlackBox, x: Tensor, z: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """f's log-odds [N] at codes z [N, D], and [N, D] the direction in which they grow by 1 a unit of l.

        base: G(z). The direction is the gradient over its squared length, and 0 where f is flat.
        """
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            answer = f.logit(self._shown(x, z, base))
            (gradient,) = torch.autograd.grad(answer.sum(), z)
        length = gradient.square().sum(1, keepdim=True)
        return answer.detach(), torch.where(length > 1e-12, gradient / length.clamp_min(1e-12), 0.0)

    def _shown(self, x: Tensor, z: Tensor, base: Tensor) -> Tensor:
        picture = self.autoencoder.decode(z)
        return picture if self.config.form == "published" else (x + picture - base).clamp(0, 1)

    def walk(
        self, f: BlackBox, x: Tensor, z: Tensor, base: Tensor, direction: Tensor, start: Tensor, end: np.ndarray,
        sign: int,
    ) -> list[Walk]:  # fmt: skip
        """Search one way until f passes end [N] (log-odds), or until one of the published rules ends it.

        The point at which f turned back is not kept, so that answers are strictly monotone; others are, as published.
        """
        config = self.config
        still = x if config.form == "residual" else base
        room = config.change * still.abs().sum((1, 2, 3))
        walks = [Walk([], []) for _ in x]
        first, last = start.tolist(), start.tolist()
        going = []
        for i, line in enumerate(direction):
            if (end[i] - first[i]) * sign <= 0:
                continue
            if line.any():
                going.append(i)
            else:
                walks[i].stop = FLAT
        way = 0.0
        for _ in range(config.rounds):
            if not going:
                break
            way += config.step + way / 10
            picture = self._shown(x[going], z[going] + sign * way * direction[going], base[going])
            changed = (picture - still[going]).abs().sum((1, 2, 3)) > room[going]
            answers, ahead = f.logit(picture).tolist(), []
            for i, answer, far in zip(going, answers, changed.tolist(), strict=True):
                if (answer - last[i]) * sign <= 0:
                    walks[i].stop = TURNED
                    continue
                walks[i].shifts.append(sign * way)
                walks[i].answers.append(answer)
                last[i] = answer
                if (answer - end[i]) * sign >= 0:
                    continue
                if config.fall is not None and abs(_sigmoid(answer) - _sigmoid(first[i])) > config.fall:
                    walks[i].stop = FALLEN
                elif far:
                    walks[i].stop = CHANGED
                else:
                    ahead.append(i)
            going = ahead
        for i in going:
            walks[i].stop = LONG
        return walks


def _sigmoid(answer: float) -> float:
    return float(1 / (1 + np.exp(-answer)))


def _clause(down: Walk, up: Walk) -> str:
    """How the search ended where it did not reach the outermost request."""
    said = [f"{way} it ended because {walk.stop}" for way, walk in (("down", down), ("up", up)) if walk.stop]
    return " and ".join(said)


def explain(
    subject: Subject, prepared: Prepared, target: str, config: LatentShiftConfig, progress: Progress | None = None
) -> Sweep:
    """Sweep one prepared picture. Raises UserError for requests outside (0, 1) and a study without an autoencoder."""
    return explain_latent(LatentShift(subject.autoencoder(), config), subject, prepared, target, config, progress)


register(
    Explainer(
        name="latent-shift",
        purpose="Slide a picture along an autoencoder's code in the direction that raises or lowers the answer.",
        paper="Cohen et al., Gifsplanation via Latent Shift, MIDL 2021",
        needs=("classifier", "autoencoder"),
        cost="one gradient and some 20 small batches; about a second on a CPU",
        config=LatentShiftConfig,
        run=explain,
    )
)
