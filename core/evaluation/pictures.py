"""Strips of a study's knobs on its sample picture: what the README shows, made by the program itself."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from core.images import animate
from core.images.read import read_picture
from core.studies.study import Study

COLUMNS = 7


def write_strips(study: Study, out: Path) -> list[Path]:
    """`strip-<target>.png` for every knob, a row for every head, on the study's first sample; the paths written."""
    if not study.samples:
        return []
    prepared = study.prepare(read_picture(study.sample(study.samples[0].name)))
    written = []
    for target in study.knobs:
        rows = []
        for head in study.heads(target):
            sweep = study.explain("exaggeration", prepared, target=target, head=head)
            picked = sweep.evenly(COLUMNS)
            captions = [
                f"{head}: query, f = {sweep.achieved[i]:.2f}"
                if i == sweep.origin
                else f"asked {sweep.requested[i]:.2f}, f = {sweep.achieved[i]:.2f}"
                for i in picked
            ]
            rows.append(Image.open(io.BytesIO(animate.strip(sweep.views[picked], captions))).convert("RGB"))
        path = out / f"strip-{target.lower()}.png"
        _stack(rows).save(path, optimize=True)
        written.append(path)
    return written


def _stack(rows: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    for row, top in zip(rows, np.cumsum([0] + [r.height for r in rows[:-1]]), strict=True):
        sheet.paste(row, (0, int(top)))
    return sheet
