"""A displacement field as arrows and as a sentence: what moves, where to, and how far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

# Shifts below this fraction of the side are not worth a word: half a pixel on a 64-pixel network.
_LEAST = 0.008


@dataclass(frozen=True)
class Movement:
    """The strongest sideways movement in one half of a picture.

    side: 'left' or 'right' of the picture as shown; shift: fraction of the width, positive away from the
    middle; height: where, as a fraction from the top.
    """

    side: str
    shift: float
    height: float


def arrows(displacement: np.ndarray, *, grid: int = 12, least: float = _LEAST / 2) -> np.ndarray:
    """[M, 4] of (x, y, dx, dy) as fractions of the side, in the direction things move.

    displacement: [2, S, S], where each output pixel was sampled from, so contents move the opposite way. Only
    arrows longer than `least` are kept; (x, y) is where the content was.
    """
    field = F.adaptive_avg_pool2d(torch.from_numpy(np.asarray(displacement, np.float32))[None], grid)[0].numpy()
    centres = (np.arange(grid) + 0.5) / grid
    x, y = np.meshgrid(centres, centres)
    dx, dy = -field[0], -field[1]
    keep = np.hypot(dx, dy) >= least
    return np.stack([x[keep] - dx[keep], y[keep] - dy[keep], dx[keep], dy[keep]], axis=1)


def strongest(displacement: np.ndarray) -> tuple[Movement, ...]:
    """The strongest sideways movement in the left and in the right half, where there is one worth a word."""
    moved = -np.asarray(displacement[0], np.float32)  # contents, in x
    size = moved.shape[1]
    found = []
    for side, outward, part in (("left", -1.0, moved[:, : size // 2]), ("right", 1.0, moved[:, size // 2 :])):
        row, column = np.unravel_index(int(np.abs(part).argmax()), part.shape)
        shift = outward * float(part[row, column])
        if abs(shift) >= _LEAST:
            found.append(Movement(side, shift, (float(row) + 0.5) / size))
    return tuple(found)


def sentence(displacement: np.ndarray, modality: str, width: int, spacing: tuple[float, float] | None = None) -> str:
    """What moves, in plain words. width: of the shown picture in pixels; spacing: mm between its rows, columns."""
    movements = strongest(displacement)
    if not movements:
        return "Nothing moves by as much as half a network pixel; what changes is brightness."
    parts = []
    for m in movements:
        place = (
            {"left": "patient's right", "right": "patient's left"}[m.side] if modality == "chest" else f"{m.side} half"
        )
        where = "upper" if m.height < 1 / 3 else "middle" if m.height < 2 / 3 else "lower"
        distance = f"{abs(m.shift) * width:.0f} px"
        if spacing is not None:
            distance += f" ({abs(m.shift) * width * spacing[1]:.0f} mm)"
        direction = "outwards" if m.shift > 0 else "inwards"
        parts.append(f"{distance} {direction} at the {where} {place}")
    return "The largest sideways movement is " + ", and ".join(parts) + "."
