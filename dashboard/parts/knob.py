"""The knob: pictures and numbers of one sweep, sent to the browser once and turned there without the server.

The browser gets the original without loss and, for each frame, only what changed. So the changed picture, the
difference and the read-out always agree, and the frame with nothing asked for is the original to the last bit.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.evaluation.heart import HeartSize
from core.evaluation.outlines import Outlines
from core.explainers import movement
from core.explainers.map_figure import DIVERGING
from core.explainers.render import to_bytes
from core.explainers.results import Sweep
from core.images.frame import resize
from core.images.picture import Prepared
from core.studies.lines import label
from dashboard.parts.charts import nice_limit
from dashboard.parts.words import sentence

_FOLDER = Path(__file__).parent / "components"
BUDGET = 2_400_000  # base64 characters for all pictures of one knob
# (longest side, JPEG quality of the changes), tried in order until the budget is met
SIZES = ((1024, 90), (1024, 80), (768, 85), (640, 85), (512, 80))
ARROWS = 15  # arrows along one side


def component_sources(name: str) -> tuple[str, str, str]:
    """HTML, CSS and JavaScript of one component; the shared part of the last two comes first."""
    html, css, js = ((_FOLDER / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    shared_css, shared_js = ((_FOLDER / f"display.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return html, shared_css + css, shared_js + js


_HTML, _CSS, _JS = component_sources("knob")
_mount = st.components.v2.component("contralens_knob", html=_HTML, css=_CSS, js=_JS)


def show_knob(data: dict[str, Any], *, start: int, key: str) -> int:
    """Draw the knob and return the frame it was last released at.

    start: the frame to open at; it has to stay the same over reruns, or the browser gets all pictures again.
    """
    state = _mount(key=key, data=data | {"start": start}, default={"frame": start}, on_frame_change=_no_callback)
    frame = state.get("frame")
    return start if frame is None else min(max(int(frame), 0), len(data["requested"]) - 1)


def _no_callback() -> None:
    """The rerun itself is what is wanted; Streamlit asks for a callback to know the state's name."""


def knob_data(
    sweep: Sweep, prepared: Prepared, *, modality: str, outlines: Outlines | None = None, budget: int = BUDGET
) -> dict[str, Any]:
    """Everything the browser needs for one sweep, ready for JSON.

    prepared: the picture the sweep was made from; its view may have any resolution. Returned: requested, achieved,
    witness, distance, reached, origin, query: as in `Sweep`. base: the original, lossless. changes: for each frame
    a JPEG whose code 128 + 127 v / unit stands for a change of v 8-bit grey levels, or None where nothing changes.
    limit: end of the one colour scale, as a fraction of the grey range. words, movement: a sentence for each frame.
    organs: outlines of every frame in fractions of the picture, and a sentence on the heart's size; None without any.
    """
    original = to_bytes(resize(prepared.view, *sweep.views.shape[1:3]))
    if sweep.exact:  # the upload itself is shown at delta 0
        original = sweep.views[sweep.origin]
    change = sweep.views.astype(np.int16) - original.astype(np.int16)
    unit = max(1, int(np.abs(change).max(initial=0)))
    for side, quality in SIZES:
        base, changes, size = _encode(original, change, unit, side, quality)
        if len(base["data"]) + sum(len(c or "") for c in changes) <= budget:
            break
    return {
        "key": f"{sweep.digest}-{sweep.study}-{sweep.target}-{sweep.mode}-{sweep.head}",
        "target": label(sweep.target),
        "modality": modality,
        "width": size[0],
        "height": size[1],
        "colour": sweep.views.ndim == 4,
        "base": base,
        "mime": "image/jpeg",
        "changes": changes,
        "unit": unit,
        "limit": nice_limit(change),
        "colours": DIVERGING.tolist(),
        "requested": _numbers(sweep.requested),
        "achieved": _numbers(sweep.achieved),
        "witness": None if sweep.witness is None else _numbers(sweep.witness),
        "distance": _numbers(sweep.distance, 6),
        "reached": [bool(r) for r in sweep.reached],
        "origin": int(sweep.origin),
        "query": round(float(sweep.query), 4),
        "words": [sentence(sweep, i) for i in range(len(sweep.requested))],
        "arrows": (found := arrows(sweep.displacement)),
        "movement": None if found is None else _movements(sweep, prepared, modality),
        "organs": None if outlines is None else _organs(outlines, sweep.origin),
    }


def nearest_frame(sweep: Sweep, delta: float | None) -> int:
    """The frame whose requested change is nearest to delta; the original when delta is None."""
    return int(sweep.origin if delta is None else np.abs(sweep.delta - delta).argmin())


def arrows(displacement: np.ndarray) -> dict[str, Any] | None:
    """What moved where, per frame as rows (x, y, dx, dy) in fractions of the side, the tip at (x, y); None if nothing.

    displacement: [K, 2, S, S] as in `Sweep`. gain: the whole number by which arrows are drawn longer.
    """
    longest = float(np.hypot(displacement[:, 0], displacement[:, 1]).max(initial=0.0))
    if longest < 2e-3:
        return None
    frames = []
    for field in displacement:
        rows = movement.arrows(field, grid=ARROWS)
        rows[:, :2] += rows[:, 2:]  # tail -> tip
        frames.append(np.round(rows, 4).tolist())
    return {"gain": int(np.clip(0.09 // longest, 1, 8)), "frames": frames}


def _organs(outlines: Outlines, origin: int) -> dict[str, Any]:
    """Lines of every frame, and what they measure beside what they measured in the original."""
    frames = [
        [{"organ": organ, "points": np.round(line, 4).tolist()} for organ, line in lines] for lines in outlines.lines
    ]
    return {"frames": frames, "words": [heart_words(outlines.sizes, i, origin) for i in range(len(outlines.sizes))]}


def heart_words(sizes: list[HeartSize], index: int, origin: int) -> str:
    """The heart's size in one frame against that in the original, in a sentence."""
    now, before = sizes[index], sizes[origin]
    if not (np.isfinite(now.ctr) and np.isfinite(before.ctr)):
        return "Heart and lungs were not both found in this frame."
    ratio, area = f"{now.ctr:.2f}", f"{now.area:.3f}"
    if index != origin:
        ratio, area = f"{before.ctr:.2f} → {ratio}", f"{before.area:.3f} → {area}"
    return f"Cardiothoracic ratio {ratio}, heart area {area} of the chest's width squared, as a network outlines them."


def _movements(sweep: Sweep, prepared: Prepared, modality: str) -> list[str]:
    """The movement of every frame in a sentence, in pixels of the upload (and mm where the file knows them)."""
    scale = float(np.hypot(*prepared.placement[:, 0]))  # pixels of the upload to one of the view
    width = round(prepared.view.shape[1] * scale)
    spacing = prepared.spacing and (prepared.spacing[0] / scale, prepared.spacing[1] / scale)
    sentences = [movement.sentence(field, modality, width, spacing) for field in sweep.displacement]
    sentences[sweep.origin] = ""
    return sentences


def _numbers(values: np.ndarray, digits: int = 4) -> list[float]:
    return [round(float(v), digits) for v in values]


def _encode(
    original: np.ndarray, change: np.ndarray, unit: int, side: int, quality: int
) -> tuple[dict[str, str], list[str | None], tuple[int, int]]:
    """The original as lossless WebP, the changes as JPEG, all at most `side` pixels long; and (width, height)."""
    height, width = original.shape[:2]
    shrink = min(1.0, side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    base = _text(Image.fromarray(original).resize(size, Image.Resampling.LANCZOS), "WEBP", lossless=True, method=2)
    changes: list[str | None] = []
    for frame in change:
        if not frame.any():
            changes.append(None)
            continue
        codes = np.rint(128 + frame * (127 / unit)).astype(np.uint8)
        picture = Image.fromarray(codes).resize(size, Image.Resampling.LANCZOS)
        changes.append(_text(picture, "JPEG", quality=quality, subsampling=0))
    return {"mime": "image/webp", "data": base}, changes, size


def _text(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
