"""Organs outlined in every frame of a sweep, for drawing on it, with what the outlines measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from skimage.measure import approximate_polygon, find_contours

from core.evaluation.heart import HeartSize, heart_size, largest, segment_frames
from core.explainers.results import Sweep
from core.images.frame import resize
from core.images.picture import Prepared
from core.networks.unet import UNet

PARTS = {"heart": 1, "lungs": 2}  # connected parts an organ has; specks beside them are errors


@dataclass(frozen=True)
class Outlines:
    """lines: one frame a list of (organ, [P, 2] (x, y) in fractions of the picture's sides); sizes: one a frame."""

    lines: list[list[tuple[str, np.ndarray]]]
    sizes: list[HeartSize]


def outline_sweep(segmenter: UNet, prepared: Prepared, sweep: Sweep) -> Outlines:
    """Segment every view of a sweep of a chest x-ray. The views are brought to the canonical tone first, as the
    classifier's pictures are.
    """
    side = segmenter.config.size
    frames = np.stack([resize(prepared.tone.apply(v.astype(np.float32) / 255), side, side) for v in sweep.views])
    masks = segment_frames(segmenter, torch.from_numpy(frames)[:, None])
    organs = segmenter.config.organs
    lines, sizes = [], []
    for frame in masks:
        kept = {o: largest(m, PARTS.get(o, 1)) for o, m in zip(organs, frame, strict=True)}
        lines.append([(o, line) for o, mask in kept.items() for line in contours(mask)])
        if {"heart", "lungs"} <= kept.keys():
            sizes.append(heart_size(kept["heart"], kept["lungs"]))
    return Outlines(lines, sizes)


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """[H, W] bool -> closed lines around its parts, each [P, 2] (x, y) in fractions of the sides, thinned out."""
    padded = np.pad(mask.astype(np.float32), 1)
    found = [approximate_polygon(line, 0.35) for line in find_contours(padded, 0.5)]
    height, width = mask.shape
    return [(line[:, ::-1] - 0.5) / np.array([width, height]) for line in found if len(line) > 4]
