"""Downloads of one mask: a figure with its numbers, the mask itself, and everything as JSON."""

from __future__ import annotations

import json
import re

import streamlit as st

from core.explainers.mask_figure import mask_figure, mask_picture
from core.explainers.results import MaskResult
from core.images.picture import Prepared


def numbers(result: MaskResult) -> bytes:
    """Every number of the result as JSON."""
    return (json.dumps(result.to_dict(), indent=1) + "\n").encode()


def buttons(result: MaskResult, prepared: Prepared, *, key: str) -> None:
    """A row of downloads; each file is made when its button is pressed."""
    stem = f"contralens-{result.study}-{result.target}-{result.method}-{result.infill}-{result.digest[:8]}"
    stem = re.sub(r"[^a-z0-9]+", "-", stem.lower())
    files = (
        ("Figure", f"{stem}.png", "image/png", lambda: mask_figure(result, prepared)),
        ("Mask", f"{stem}-mask.png", "image/png", lambda: mask_picture(result)),
        ("Numbers (JSON)", f"{stem}.json", "application/json", lambda: numbers(result)),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Download", width="content")
        for title, name, mime, make in files:
            st.download_button(title, make, name, mime, key=f"{title}-{key}", on_click="ignore")
