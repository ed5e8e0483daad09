"""The upload itself: full depth, window and level in the file's own units, zoom, inversion, ruler."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.images.frame import resize
from core.images.picture import Picture
from dashboard.parts.knob import component_sources

SIDE = 1024  # longest side shown, in pixels

_HTML, _CSS, _JS = component_sources("viewer")
_mount = st.components.v2.component("contralens_viewer", html=_HTML, css=_CSS, js=_JS)


def show_viewer(data: dict[str, Any], *, key: str) -> None:
    """Draw the viewer."""
    _mount(key=key, data=data)


def viewer_data(picture: Picture, *, modality: str) -> dict[str, Any]:
    """Everything the browser needs for one upload, ready for JSON.

    picture: a PNG; grey values are spread over [low, high] and their 16 bits put in the red (high) and green
    (low) byte, because browsers decode no 16-bit grey. centre, span: the window at the start, in the same units.
    dicom: whether DICOM's half steps apply to the window. turn: whether low values are shown bright (MONOCHROME1).
    millimetres: of one shown pixel, if known.
    """
    height, width = picture.size
    shrink = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    colour = picture.values is None and picture.pixels.ndim == 3
    values = picture.pixels if picture.values is None else picture.values
    low, high = float(values.min()), float(values.max())
    if picture.values is None:
        low, high = 0.0, 1.0
    elif picture.window is not None:  # a window may reach beyond the values
        centre, span = picture.window
        low, high = min(low, centre - span / 2), max(high, centre + span / 2)
    high = max(high, low + 1e-6)
    share = resize(((values - low) / (high - low)).astype(np.float32), *size)
    if colour:
        pixels = np.rint(share * 255).astype(np.uint8)
    else:
        deep = np.rint(share * 65535).astype(np.uint16)
        pixels = np.stack([deep >> 8, deep & 255, np.zeros_like(deep)], axis=-1).astype(np.uint8)
    if picture.values is None:
        high = 255.0  # windows of ordinary pictures are on 0 to 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    centre, span = picture.window or ((low + high) / 2, high - low)
    return {
        "key": picture.digest[:16],
        "modality": modality,
        "facts": facts(picture),
        "width": size[1],
        "height": size[0],
        "shrink": shrink,
        "colour": colour,
        "picture": {"mime": "image/png", "data": base64.b64encode(buffer.getvalue()).decode("ascii")},
        "low": low,
        "high": high,
        "centre": float(centre),
        "span": float(span),
        "dicom": picture.values is not None,
        "turn": picture.inverted and picture.values is not None,
        "millimetres": None if picture.spacing is None else picture.spacing[1] / shrink,
    }


def facts(picture: Picture) -> str:
    """What is known of the file, on one line: size, format, depth, pixel spacing, frame."""
    height, width = picture.size
    parts = [f"{width} × {height}", picture.format, f"{picture.bits} bit"]
    if picture.spacing is not None:
        parts.append(f"{picture.spacing[0]:.3g} mm pixels")
    if picture.frames > 1:
        parts.append(f"frame {picture.frame + 1} of {picture.frames}")
    if picture.inverted:
        parts.append("stored as MONOCHROME1, turned for display")
    return " · ".join(parts)
