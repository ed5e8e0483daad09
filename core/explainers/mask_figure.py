"""Pictures of a mask result: the region's outline on the upload, and what f saw."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.explainers.render import to_bytes
from core.explainers.results import MaskResult
from core.images import animate
from core.images.frame import resize
from core.images.picture import Prepared

LINE = np.array([255, 176, 46], dtype=np.uint8)


def mask_figure(result: MaskResult, prepared: Prepared, side: int = 384) -> bytes:
    """The picture with the region's outline and every filled sample with f's answer, as one PNG."""
    fills = [to_bytes(f[0] if f.shape[0] == 1 else f.transpose(1, 2, 0)) for f in result.fills]
    large = [np.asarray(Image.fromarray(f).resize((side, side), Image.Resampling.BICUBIC)) for f in fills]
    tiles = [outlined(prepared, result, side), *map(_rgb, large)]
    captions = [f"{result.method} {result.infill}, {result.kind} {result.area:.1%}: f = {result.query:.2f}"]
    captions += [f"filled: f = {p:.2f}" for p in result.after]
    return animate.strip(np.stack(tiles), captions, side=side)


def outlined(prepared: Prepared, result: MaskResult, side: int) -> np.ndarray:
    """[side, side, 3] uint8: the view with the border of the region drawn on it."""
    view = _rgb(to_bytes(resize(prepared.view, side, side)))
    inside = resize(result.mask, side, side) > result.threshold
    border = np.zeros_like(inside)
    border[:-1] |= inside[:-1] != inside[1:]
    border[:, :-1] |= inside[:, :-1] != inside[:, 1:]
    thick = border.copy()
    thick[1:] |= border[:-1]
    thick[:, 1:] |= border[:, :-1]
    view[thick] = LINE
    return view


def mask_picture(result: MaskResult) -> bytes:
    """The mask as an 8-bit grey PNG at network size: 255 belongs to the region. The notice is in its text."""
    buffer, text = io.BytesIO(), PngInfo()
    text.add_text("Comment", animate.NOTICE)
    Image.fromarray(to_bytes(result.mask)).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()
