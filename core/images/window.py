"""The viewer's window and level. Display only: what the classifier sees never passes through here."""

from __future__ import annotations

import numpy as np

from core.errors import UserError
from core.images.picture import Picture


def apply_window(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Linear window of DICOM PS3.3 C.11.2.1.2.1: [H, W] of any unit -> float32 in [0, 1]. width must be >= 1."""
    if not width >= 1:
        raise UserError("The width of a window must be at least 1.")
    if width == 1:
        return (values > centre - 0.5).astype(np.float32)
    toned = (np.asarray(values, np.float64) - (centre - 0.5)) / (width - 1) + 0.5
    return np.clip(toned, 0, 1).astype(np.float32)


def display(
    picture: Picture, *, centre: float | None = None, width: float | None = None, invert: bool = False
) -> np.ndarray:
    """What a viewer shows: [H, W] or [H, W, 3] float32 in [0, 1].

    centre, width: in the file's units for DICOM, on 0 to 255 for ordinary pictures; without them, the picture as
    decoded. MONOCHROME1 is turned here too; `invert` turns the result once more.
    """
    if centre is None or width is None:
        shown = picture.pixels
    elif picture.values is not None:
        shown = apply_window(picture.values, centre, width)
        shown = 1 - shown if picture.inverted else shown
    else:
        shown = apply_window(picture.pixels * 255, centre, width)
    return 1 - shown if invert else shown
