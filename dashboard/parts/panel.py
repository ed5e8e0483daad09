"""The panel of one-against-one maps: baselines down, attributions across, on one symmetric scale."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.attributions.methods import METHODS
from core.baselines.baseline import TITLES
from core.explainers.map_figure import DIVERGING, coded, shared_limit, tensor_pixels
from core.explainers.results import Attribution
from core.explainers.words import percent
from core.studies.lines import label
from dashboard.parts.knob import component_sources

COLUMNS = ("ig", "deeplift", "occlusion", "deepshap", "eg")
ABOUT = {
    "zero": "black",
    "max": "white",
    "blur": "itself, blurred",
    "mean": "mean training picture",
    "mdts": "of the other class",
    "expected": "32 training pictures",
    "ganmex": "itself, as the other class",
}
SHORT = {"ig": "Integrated Gradients", "eg": "Expected Gradients", "deepshap": "DeepSHAP"}

_HTML, _CSS, _JS = component_sources("panel")
_mount = st.components.v2.component("contralens_panel", html=_HTML, css=_CSS, js=_JS)


def show_panel(data: dict[str, Any], *, key: str, on_cell: Callable[[str], None]) -> None:
    """Draw the panel. on_cell: called with 'baseline|method' when a map is chosen, before the page runs again."""

    def clicked() -> None:
        name = st.session_state[key].get("cell")
        if name in data["cells"]:
            on_cell(str(name))

    _mount(key=key, data=data, on_cell_change=clicked)


def panel_data(
    picture: np.ndarray, found: dict[str, Attribution], faults: dict[str, str], *, rows: tuple[str, ...], key: str,
    chosen: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What the browser needs. picture: [C, S, S] in [0, 1]; found: 'baseline|method' -> map; faults: baseline -> why
    there is none. All maps are in logits a pixel and share one scale.
    """
    limit = shared_limit([a.flat for a in found.values()])
    return {
        "key": key,
        "size": picture.shape[-1],
        "picture": _png(tensor_pixels(picture)),
        "limit": limit,
        "unit": "logits a pixel; orange speaks for the first class",
        "colours": DIVERGING.tolist(),
        "rows": [_row(name, found, faults) for name in rows],
        "columns": [{"key": m, "title": SHORT.get(m, METHODS[m].title)} for m in COLUMNS],
        "cells": {name: _cell(a, limit) for name, a in found.items()},
        "chosen": chosen,
    }


def residual_note(a: Attribution) -> str:
    """How well the map's sum fits the difference of the scores."""
    if not METHODS[a.method].complete:
        return "no sum rule"
    return f"off by {abs(a.residual):.2g} of {a.change:+.1f}"


def _row(name: str, found: dict[str, Attribution], faults: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"key": name, "title": TITLES[name], "about": ABOUT[name], "fault": faults.get(name)}
    if name not in faults:
        one = found[f"{name}|{COLUMNS[0]}"]
        row["picture"] = _png(tensor_pixels(one.picture))
        best = int(one.baseline_posterior.argmax())
        pair = [one.classes.index(one.origin), one.classes.index(one.target)]
        said = [f"{label(one.classes[k])} {percent(one.baseline_posterior[k])}" for k in dict.fromkeys([*pair, best])]
        row["says"] = "\n".join(said)
    return row


def _cell(a: Attribution, limit: float) -> dict[str, str]:
    note = residual_note(a)
    return {"map": _png(coded(a.flat, limit)), "note": note, "say": f"score changes by {a.change:+.2f}; {note}"}


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
