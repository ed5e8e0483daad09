"""One crop for every source: from a decoded picture to the square frame a classifier was trained on.

A frame is where in the upload the classifier looks. It is kept beside the tensor, because what an explainer
changes inside the frame has to be put back into the upload.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

# Wider or taller than this and a radiograph is cut to its centre before it is squeezed into a square.
MAX_ASPECT = 1.35


@dataclass(frozen=True)
class Frame:
    """An axis-aligned box in upload pixels: left, top, right, bottom (right and bottom exclusive)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in upload pixels."""
        return self.bottom - self.top, self.right - self.left

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part of [H, W] or [H, W, C] inside the frame."""
        return pixels[self.top : self.bottom, self.left : self.right]


def chest_frame(pixels: np.ndarray) -> Frame:
    """The frame of a frontal chest x-ray: uniform borders trimmed, extreme aspect ratios cut at the centre.

    pixels: [H, W] in [0, 1].
    """
    height, width = pixels.shape
    top, bottom = _inside(pixels, axis=1)
    left, right = _inside(pixels, axis=0)
    h, w = bottom - top, right - left
    if h < 0.5 * height or w < 0.5 * width:  # a mostly uniform picture is not a bordered radiograph
        top, bottom, left, right = 0, height, 0, width
        h, w = height, width
    if w > h * MAX_ASPECT:
        cut = int(w - h * MAX_ASPECT) // 2
        left, right = left + cut, right - cut
    elif h > w * MAX_ASPECT:
        cut = int(h - w * MAX_ASPECT) // 2
        top, bottom = top + cut, bottom - cut
    return Frame(left, top, right, bottom)


def centre_frame(height: int, width: int) -> Frame:
    """The largest square in the middle of a picture."""
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return Frame(left, top, left + side, top + side)


def _inside(pixels: np.ndarray, axis: int) -> tuple[int, int]:
    """First and one-past-last line along the other axis that is not a uniform border."""
    spread = np.quantile(pixels, 0.95, axis=axis) - np.quantile(pixels, 0.05, axis=axis)
    inside = np.flatnonzero(spread > 0.03)
    if len(inside) == 0:
        return 0, len(spread)
    return int(inside[0]), int(inside[-1]) + 1


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased resize of [H, W] or [H, W, C] float32 in [0, 1], with one filter for the whole project."""
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., c], dtype=np.float32), mode="F").resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for c in range(planes.shape[2])
    ]
    return np.clip(resized[0] if pixels.ndim == 2 else np.stack(resized, axis=-1), 0.0, 1.0)
