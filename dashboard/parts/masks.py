"""The grid of masks: methods down, infills across, and one of them large; drawn in the browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.explainers.masking import SUFFICIENT
from core.explainers.presets import preset
from core.explainers.render import to_bytes
from core.explainers.results import MaskResult
from core.explainers.words import percent
from core.images.frame import resize
from core.images.picture import Prepared
from core.infills.infill import TITLES
from core.studies.lines import label
from dashboard.parts.knob import component_sources

VIEW = 512  # longest side of the picture in the browser


@dataclass(frozen=True)
class Row:
    """One row of the grid: a method asked one question."""

    key: str
    title: str
    question: str
    method: str
    kind: str
    cost: float  # against the others


ROWS = (
    Row("fido-ssr", "FIDO-SSR", "what alone suffices", "fido", "ssr", 1.0),
    Row("fido-sdr", "FIDO-SDR", "what, hidden, destroys", "fido", "sdr", 1.0),
    Row("bbmp", "BBMP", "what, hidden, destroys", "bbmp", "deletion", 0.4),
    Row("extremal", "Extremal", "what alone suffices", "extremal", "preserve", 1.6),
)
COSTS = {"mean": 1.0, "blur": 1.0, "random": 1.0, "local": 1.1, "vae": 1.7, "ca": 2.0}


def cell_name(row: str, infill: str) -> str:
    """A cell's name in jobs, caches and the browser."""
    return f"{row}|{infill}"


def cell_of(name: str) -> tuple[Row, str]:
    """The row and the infill of a cell's name. Raises KeyError for a name that is none."""
    key, _, infill = name.partition("|")
    return {row.key: row for row in ROWS}[key], infill


def cell_cost(name: str) -> float:
    """Relative time of a cell, for the time left."""
    row, infill = cell_of(name)
    return row.cost * COSTS[infill]


def cell_options(name: str, speed: str) -> tuple[str, dict[str, Any]]:
    """(method, options) for `Study.explain`."""
    row, infill = cell_of(name)
    return row.method, {"kind": row.kind, "infill": infill, **preset(speed, row.method)}


_HTML, _CSS, _JS = component_sources("masks")
_mount = st.components.v2.component("contralens_masks", html=_HTML, css=_CSS, js=_JS)


def show_masks(
    data: dict[str, Any], *, key: str, on_cell: Callable[[str], None], on_cut: Callable[[str, float], None]
) -> None:
    """Draw the grid. on_cell: called with a cell that was clicked, and on_cut with the cell and the threshold its
    slider was released at, both before the page runs again.
    """

    def clicked() -> None:
        name = st.session_state[key].get("cell")
        if _is_cell(name, data):
            on_cell(name)

    def released() -> None:
        name, threshold = st.session_state[key].get("cut") or ("", None)
        if _is_cell(name, data) and isinstance(threshold, int | float) and 0 <= threshold <= 1:
            on_cut(name, float(threshold))

    _mount(key=key, data=data, on_cell_change=clicked, on_cut_change=released)


def _is_cell(name: Any, data: dict[str, Any]) -> bool:
    """Whether a word from the browser is one of this grid's cells."""
    return name in {cell_name(r["key"], c["key"]) for r in data["rows"] for c in data["columns"]}


def grid_data(
    prepared: Prepared, target: str, columns: tuple[str, ...], results: dict[str, MaskResult], *, query: float,
    modality: str, key: str,
) -> dict[str, Any]:  # fmt: skip
    """What the browser needs for the grid. Masks and fills are small greyscale or colour PNGs, lossless.

    results: by cell name; missing cells are drawn empty. One scale, 0 to 1, for all masks.
    """
    height, width = prepared.view.shape[:2]
    shrink = min(1.0, VIEW / max(height, width))
    view = resize(prepared.view, round(height * shrink), round(width * shrink))
    return {
        "key": key,
        "target": label(target),
        "modality": modality,
        "query": round(query, 4),
        "picture": {"mime": "image/webp", "data": _encode(to_bytes(view), "WEBP", quality=92)},
        "width": view.shape[1],
        "height": view.shape[0],
        "size": prepared.tensor.shape[-1],
        "rows": [{"key": r.key, "title": r.title, "question": r.question} for r in ROWS],
        "columns": [{"key": c, "title": TITLES[c]} for c in columns],
        "cells": {name: cell_data(result) for name, result in results.items()},
        "colours": SEQUENTIAL.tolist(),
    }


def cell_data(result: MaskResult) -> dict[str, Any]:
    """One finished cell."""
    mean = float(result.after.mean())
    return {
        "mask": _encode(to_bytes(result.mask), "PNG"),
        "fill": _encode(_picture(result.fills[0]), "PNG"),
        "threshold": result.threshold,
        "after": round(mean, 4),
        "succeeded": result.succeeded,
        "sufficient": result.kind == SUFFICIENT,
        "area": round(result.area, 4),
        "say": verdict(result),
    }


def detail_data(name: str, result: MaskResult) -> dict[str, Any]:
    """The large view of one cell: every sample with f's answer, the objective, and what came of it in words."""
    row, infill = cell_of(name)
    trace = result.trace[:: max(1, len(result.trace) // 120)]
    return {
        "cell": name,
        "title": f"{row.title} · {TITLES[infill]}",
        "mask": _encode(to_bytes(result.mask), "PNG"),
        "threshold": result.threshold,
        "fills": [{"data": _encode(_picture(f), "PNG"), "p": round(float(p), 4)} for f, p in _pairs(result)],
        "hides": "the region" if result.kind != SUFFICIENT else "everything but the region",
        "trace": [round(float(v), 4) for v in trace],
        "steps": len(result.trace),
        "area": round(result.area, 4),
        "stop": result.provenance.stop,
        "ladder": [[a, round(p, 4)] for a, p in result.ladder],
        "sufficient": result.kind == SUFFICIENT,
        "answer": result.answer,
    }


def verdict(result: MaskResult) -> str:
    """A cell in a few words, for its tooltip and for screen readers."""
    change = f"{percent(result.query)} → {percent(float(result.after.mean()))}"
    area = percent(result.area)
    if result.kind == SUFFICIENT:
        blank = "" if result.blank is None else f"; with nothing shown {percent(result.blank)}"
        return f"{area} of the picture alone {'suffices' if result.succeeded else 'does not suffice'}: {change}{blank}"
    return f"hiding {area} of the picture {'flips' if result.succeeded else 'does not flip'} the answer: {change}"


def _pairs(result: MaskResult) -> list[tuple[np.ndarray, float]]:
    return [(f, float(p)) for f, p in zip(result.fills, result.after, strict=True)]


def _picture(tensor: np.ndarray) -> np.ndarray:
    """[C, S, S] in [0, 1] -> uint8 [S, S] or [S, S, 3]."""
    return to_bytes(tensor[0] if tensor.shape[0] == 1 else tensor.transpose(1, 2, 0))


def _encode(pixels: np.ndarray, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def sequential_table(size: int = 256) -> np.ndarray:
    """[size, 3] uint8, dark blue over green-grey to yellow, even in lightness: read alike under every colour
    blindness and in grey.
    """
    stops = np.array(
        [
            (0.0, 0, 32, 77),
            (0.25, 64, 77, 107),
            (0.5, 124, 123, 120),
            (0.75, 187, 173, 108),
            (1.0, 255, 234, 70),
        ]
    )
    place = np.linspace(0, 1, size)
    return np.rint(np.stack([np.interp(place, stops[:, 0], stops[:, c]) for c in (1, 2, 3)], axis=1)).astype(np.uint8)


SEQUENTIAL = sequential_table()
