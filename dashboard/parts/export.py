"""Downloads of a sweep. Each file is made when its button is pressed, and says that it is no medical device."""

from __future__ import annotations

import io
import json

import streamlit as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.explainers.results import Sweep
from dashboard.parts.notice import SHORT
from dashboard.parts.words import sentence


def numbers(sweep: Sweep) -> bytes:
    """Every number of the sweep as JSON."""
    return json.dumps(sweep.to_dict(), indent=1).encode()


def picture(sweep: Sweep, frame: int) -> bytes:
    """One frame as PNG, with what it shows and the notice in its text fields."""
    about = PngInfo()
    about.add_itxt("Description", sentence(sweep, frame))
    about.add_itxt("Disclaimer", SHORT)
    buffer = io.BytesIO()
    Image.fromarray(sweep.views[frame]).save(buffer, "PNG", pnginfo=about)
    return buffer.getvalue()


def buttons(sweep: Sweep, frame: int, *, key: str) -> None:
    """A row of downloads."""
    stem = f"contralens-{sweep.study}-{sweep.target}-{sweep.digest[:8]}".lower().replace(" ", "-")
    files = [
        ("This picture", lambda: picture(sweep, frame), f"{stem}-{100 * sweep.requested[frame]:.0f}.png", "image/png"),
        ("Numbers (JSON)", lambda: numbers(sweep), f"{stem}.json", "application/json"),
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Download", width="content")
        for label, data, name, mime in files:
            st.download_button(
                label, data, name, mime, key=f"{name}-{key}", on_click="ignore", icon=":material/download:"
            )
