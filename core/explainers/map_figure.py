"""Pictures of a signed map: one diverging table of colours, one symmetric scale."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.attributions.methods import METHODS
from core.baselines.baseline import TITLES
from core.explainers.render import to_bytes
from core.explainers.results import Attribution
from core.images import animate

# The one diverging map: blue for darker, black for no change, orange for brighter. Black in the middle because
# the films lie on black; blue and orange because every common colour blindness keeps them apart; lightness
# rises evenly on both sides, so it also reads in grey. Stops: position, red, green, blue.
_STOPS = (
    (-1.0, 198, 230, 255),
    (-0.75, 120, 188, 255),
    (-0.4, 42, 118, 214),
    (0.0, 8, 10, 12),
    (0.4, 190, 92, 10),
    (0.75, 250, 158, 50),
    (1.0, 255, 226, 178),
)


def diverging_table(size: int = 256) -> np.ndarray:
    """[size, 3] uint8; entry size // 2 is no change, entries 1 and size - 1 the two ends."""
    place = (np.arange(size) - size // 2) / (size - 1 - size // 2)
    stops = np.array(_STOPS)
    columns = [np.interp(place, stops[:, 0], stops[:, c]) for c in (1, 2, 3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


DIVERGING = diverging_table()


def shared_limit(maps: list[np.ndarray]) -> float:
    """The end of the one symmetric scale: covers 99 % of the pixels of most maps, in two figures.

    The median over maps, so that one map with a few extreme pixels does not turn all others dark.
    """
    if not maps:
        return 1.0
    reach = float(np.median([np.quantile(np.abs(m), 0.99) for m in maps]))
    return float(f"{reach:.2g}") if reach > 0 else 1.0


def coded(values: np.ndarray, limit: float) -> np.ndarray:
    """[S, S] signed -> uint8, 128 + 127 v / limit, beyond the ends cut."""
    return np.rint(128 + 127 * np.clip(values / limit, -1, 1)).astype(np.uint8)


def coloured(values: np.ndarray, limit: float, side: int) -> np.ndarray:
    """[S, S] signed -> [side, side, 3] uint8 in the diverging colours, enlarged without smoothing."""
    return _enlarged(DIVERGING[coded(values, limit)], side)


def map_picture(a: Attribution, limit: float, side: int = 224) -> np.ndarray:
    """[side, side, 3] uint8: the map alone in the diverging colours."""
    return coloured(a.flat, limit, side)


def tensor_pixels(tensor: np.ndarray) -> np.ndarray:
    """[C, S, S] in [0, 1] -> [S, S] or [S, S, 3] uint8."""
    return to_bytes(tensor[0] if tensor.shape[0] == 1 else tensor.transpose(1, 2, 0))


def tensor_picture(tensor: np.ndarray, side: int = 224) -> np.ndarray:
    """[C, S, S] in [0, 1] -> uint8, enlarged without smoothing."""
    return _enlarged(tensor_pixels(tensor), side)


def map_figure(a: Attribution, limit: float, side: int = 384) -> bytes:
    """The map as a PNG with the question, the method, the baseline and the ends of its scale below."""
    text = (
        f"{a.origin} against {a.target}, {METHODS[a.method].title}, {TITLES[a.baseline]}; orange +{limit:g}, "
        f"blue -{limit:g}"
    )
    return animate.strip(map_picture(a, limit, side)[None], [text], side=side)


def baseline_figure(a: Attribution) -> bytes:
    """What the picture was compared with as a PNG at network size, so that it can be read again. The notice is in its
    text.
    """
    buffer, text = io.BytesIO(), PngInfo()
    text.add_text("Comment", animate.NOTICE)
    Image.fromarray(tensor_pixels(a.picture)).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST))
