"""A photographed, scanned or drawn digit brought to MNIST's frame."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from core.errors import UserError
from core.images.frame import resize
from core.images.picture import Picture, Prepared

INSIDE = 20 / 28  # MNIST's digits fill a box of 20 of 28 pixels and are centred by mass


def prepare_digit(picture: Picture, size: int = 28) -> Prepared:
    """White on black, the digit's box scaled to 20 of 28 pixels, its centre of mass in the middle.

    A picture that has MNIST's frame already (28 x 28, black border) passes unharmed. Raises UserError where there is
    nothing to see.
    """
    grey = picture.grey
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    inverted = float(np.median(border)) > 0.5
    ink = 1 - grey if inverted else grey
    if grey.shape == (size, size) and not inverted and float(ink[[0, -1]].max(initial=0)) < 0.05:
        return _prepared(picture, ink[None], "The picture already has MNIST's frame.")
    ink = np.clip((ink - np.quantile(ink, 0.05)) / max(1e-6, float(ink.max() - np.quantile(ink, 0.05))), 0, 1)
    marked = ink > 0.35
    if not marked.any() or marked.mean() > 0.7:
        raise UserError("There is no digit to see: it should be dark on light, or light on dark, and alone.")
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest = max(1, round(INSIDE * size))
    scale = longest / max(box.shape)
    small = resize(box, max(1, round(box.shape[0] * scale)), max(1, round(box.shape[1] * scale)))
    canvas = np.zeros((size, size), dtype=np.float32)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    y, x = ndimage.center_of_mass(canvas)
    canvas = ndimage.shift(canvas, (round((size - 1) / 2 - y), round((size - 1) / 2 - x)), order=0)
    note = "The digit was cut out, scaled and centred as MNIST's are" + (
        ", and turned to white on black." if inverted else "."
    )
    return _prepared(picture, canvas[None], note)


def _prepared(picture: Picture, tensor: np.ndarray, note: str) -> Prepared:
    tensor = np.clip(tensor, 0, 1).astype(np.float32)
    return Prepared(tensor=tensor, view=tensor[0], digest=picture.digest, placement=np.eye(2, 3), notes=(note,))
