"""Heart size under the knob: organs outlined in every frame, and what the outlines measure.

Singla et al., ICLR 2020, section 4.2, carry the query's masks over to the explanation by registration. Here every
frame is segmented anew, by a network that has never seen the knob, so that nothing is assumed about what moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.evaluation.pixels import to_unit
from core.evaluation.sweeps import CENTRES
from core.explainers.exaggeration import sweep_batch
from core.networks.exaggerator import Change, Exaggerator
from core.networks.fields import enlarge, warp
from core.networks.unet import UNet

MEASURES = ("ctr", "area")
LEAST_HEART = 0.02  # of the square of the chest's width; hearts have .1 and more, and less is a speck


@dataclass(frozen=True)
class HeartSize:
    """One frame's outlines in numbers; NaN where an organ was not found.

    ctr: cardiothoracic ratio, the heart's greatest horizontal width by the greatest inner width of the chest, which
    is taken as the extent of both lungs and the heart; area: the heart's area by the square of that width, so that
    neither the crop nor the size of the patient counts.
    """

    ctr: float
    area: float


def largest(mask: np.ndarray, parts: int) -> np.ndarray:
    """[H, W] bool -> the same without all but its largest connected parts."""
    labels, found = ndimage.label(mask)
    if found <= parts:
        return mask
    sizes = ndimage.sum_labels(mask, labels, np.arange(1, found + 1))
    return np.isin(labels, 1 + np.argsort(sizes)[-parts:])


def heart_size(heart: np.ndarray, lungs: np.ndarray) -> HeartSize:
    """From two [H, W] bool masks of one frame. An outline too small to be an organ counts as not found."""
    nothing = HeartSize(float("nan"), float("nan"))
    heart, lungs = largest(heart, 1), largest(lungs, 2)
    if not heart.any() or not lungs.any():
        return nothing
    width = _greatest_extent(heart)
    chest = _greatest_extent(lungs | heart)
    area = float(heart.sum()) / chest**2
    if area < LEAST_HEART or _greatest_extent(lungs) < width:
        return nothing
    return HeartSize(width / chest, area)


def _greatest_extent(mask: np.ndarray) -> int:
    """The span from the leftmost to the rightmost column in use, over all rows: both borders need not share a row."""
    columns = np.flatnonzero(mask.any(0))
    return int(columns[-1] - columns[0] + 1)


def enlarged(x: Tensor, change: Change) -> Tensor:
    """A change found at network size, applied to the same picture at another: x [1, C, L, L] -> [K, C, L, L]."""
    side = x.shape[-1]
    moved = warp(x.expand(len(change.x), -1, -1, -1), enlarge(change.displacement, side, side))
    return (moved + enlarge(change.residual, side, side)).clamp(0, 1)


@torch.no_grad()
def segment_frames(segmenter: UNet, frames: Tensor) -> np.ndarray:
    """[K, C, L, L] at any size -> [K, organs, S, S] bool at the segmenter's."""
    side = segmenter.config.size
    if frames.shape[-1] != side:
        frames = F.interpolate(frames, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return segmenter.segment(frames).cpu().numpy()


@dataclass(frozen=True)
class HeartTable:
    """N pictures, K requests. ctr, area: [N, 1 + K], the picture itself first; query: [N] f(x); achieved: [N, K]."""

    requested: np.ndarray
    query: np.ndarray
    achieved: np.ndarray
    ctr: np.ndarray
    area: np.ndarray


@torch.no_grad()
def run_hearts(
    network: Exaggerator,
    f: BlackBox,
    segmenter: UNet,
    small: np.ndarray,
    large: np.ndarray,
    *,
    mode: str = "calibrated",
    requests: tuple[float, ...] = CENTRES,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> HeartTable:
    """Sweep every picture and measure the heart in every frame.

    small: [N, C, S, S] uint8 at the classifier's size; large: [N, C, L, L] uint8, the same at the segmenter's.
    Raises ValueError for a head that paints the whole picture: its frames have no more than the classifier's pixels.
    """
    if network.config.head == "paper":
        raise ValueError("the head 'paper' changes no larger picture")
    goal = torch.tensor([float(r) for r in requests], device=device)
    queries, answers, sizes = [], [], []
    for i in range(len(small)):
        x = to_unit(small[[i]], device)
        change, achieved = sweep_batch(network, f, x, goal, mode)
        view = to_unit(large[[i]], device)
        organs = segment_frames(segmenter, torch.cat([view, enlarged(view, change)]))
        found = dict(zip(segmenter.config.organs, organs.swapaxes(0, 1), strict=True))
        sizes.append([heart_size(h, lungs) for h, lungs in zip(found["heart"], found["lungs"], strict=True)])
        queries.append(float(f.posterior(x)[0]))
        answers.append(achieved)
        if progress is not None:
            progress(i + 1, len(small))
    ctr, area = (np.array([[getattr(s, name) for s in row] for row in sizes]) for name in MEASURES)
    return HeartTable(np.asarray(requests), np.array(queries), np.stack(answers), ctr, area)
