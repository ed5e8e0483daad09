"""Every attribution by name, behind one call: (score, x, baselines) -> signed maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.attributions.deeplift import deeplift
from core.attributions.gradient import gradient
from core.attributions.integrated import SAMPLES, STEPS, expected_gradients, integrated_gradients
from core.attributions.occlusion import occlusion
from core.attributions.score import Score
from core.errors import UserError


@dataclass(frozen=True)
class Method:
    """One attribution. complete: whether its map should sum to S(x) - S(baseline); units: of a pixel's value; alone:
    the method that it is, exactly or in expectation, against a single picture.
    """

    name: str
    title: str
    paper: str
    complete: bool
    units: str
    run: Callable[[Score, Tensor, Tensor], Tensor]
    alone: str | None = None


MOST_STEPS = 10_000  # more is a slip of the finger
_CHANGE = "logits this pixel adds against the baseline"
METHODS = {
    m.name: m
    for m in (
        Method("ig", "Integrated Gradients", "Sundararajan et al., ICML 2017", True, _CHANGE, integrated_gradients),
        Method("deeplift", "DeepLIFT", "Shrikumar et al., ICML 2017", True, _CHANGE, deeplift),
        Method(
            "occlusion", "Occlusion", "Zeiler and Fergus, ECCV 2014", False,
            "logits lost when a window here is replaced, a pixel of it", occlusion,
        ),
        Method("deepshap", "DeepSHAP", "Lundberg and Lee, NeurIPS 2017", True, _CHANGE, deeplift, alone="deeplift"),
        Method(
            "eg", "Expected Gradients", "Erion et al., Nature Machine Intelligence 2021", True, _CHANGE,
            expected_gradients, alone="ig",
        ),
        Method("gradient", "Gradient", "Simonyan et al., ICLR 2014", False, "logits per unit of grey", gradient),
    )
}  # fmt: skip


def attribute(name: str, score: Score, x: Tensor, baselines: Tensor, seed: int = 0, steps: int | None = None) -> Tensor:
    """[N, C, H, W] signed map. baselines: [N, B, C, H, W]; steps: to each baseline for Integrated Gradients, in all for
    Expected Gradients; the other methods take none. Raises UserError for an unknown method and too few or many steps.

    With one baseline DeepSHAP is DeepLIFT and Expected Gradients samples the line that Integrated Gradients walks. Over
    many baselines Integrated Gradients takes fewer steps to each, four times as many in all, and Occlusion looks at
    the first eight.
    """
    if name not in METHODS:
        raise UserError(f"There is no attribution '{name}'; choose one of {', '.join(METHODS)}.")
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise UserError(f"Steps are a number from 1 to {MOST_STEPS}, not {steps}.")
    run = METHODS[name].run
    many = baselines.shape[1]
    if name == "eg":
        run = partial(expected_gradients, seed=seed, samples=steps or SAMPLES)
    elif name == "ig":
        run = partial(integrated_gradients, steps=steps or (STEPS if many == 1 else max(16, 4 * STEPS // many)))
    elif name == "occlusion":
        baselines = baselines[:, :8]
    return run(score, x, baselines)


@torch.no_grad()
def residual(score: Score, x: Tensor, baselines: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """([N] S(x) minus the mean S of its baselines, [N] sum of the map minus that)."""
    n, b = baselines.shape[:2]
    change = score(x) - score(baselines.flatten(0, 1)).view(n, b).mean(1)
    return change, maps.flatten(1).sum(1) - change
