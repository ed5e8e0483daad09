"""Does a knob turn its own target and leave the others? Singla et al., ICLR 2020, section 4.5 and Figure 7.

Every picture is asked for the opposite of what f says of the knob's target; the share of pictures whose answer to each
of f's targets crosses one half is a row of the matrix. A knob that discriminates has a high diagonal; what is beside
it is how far f itself ties two targets together, or the knob does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import Classifier
from core.evaluation.confounding import ENDS
from core.evaluation.interval import bootstrap
from core.evaluation.pixels import to_unit
from core.explainers.exaggeration import sweep_batch
from core.networks.exaggerator import Exaggerator


@torch.no_grad()
def discrimination_row(
    network: Exaggerator,
    f: Classifier,
    knob: str,
    images: np.ndarray,
    *,
    mode: str = "calibrated",
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """One row: turn `knob` on images [N, C, S, S] uint8; for each of f's targets the share flipped, with interval.

    flipped_unasked: the same for the knob asked for what f says already (no change of answer was asked for): what
    turning the knob at all does.
    """
    own = f.target(knob)
    flips, still = [], []
    goals = torch.tensor(list(ENDS.values()), device=device)
    for i in range(len(images)):
        x = to_unit(images[[i]], device)
        before = f.posterior(x)[0] > 0.5
        change, _ = sweep_batch(network, own, x, goals, mode)
        after = f.posterior(change.x) > 0.5  # [2, K]: asked for more, for less
        opposite = 1 if bool(before[f.targets.index(knob)]) else 0
        flips.append((after[opposite] != before).cpu().numpy())
        still.append((after[1 - opposite] != before).cpu().numpy())
        if progress is not None:
            progress(i + 1, len(images))
    found = {name: np.stack(rows).astype(float) for name, rows in (("flipped", flips), ("flipped_unasked", still))}
    return {"n": len(images)} | {
        name: {
            t: bootstrap(lambda v: float(v.mean()), rows[:, k], seed=seed).to_dict() for k, t in enumerate(f.targets)
        }
        for name, rows in found.items()
    }
