"""Downloads of a sweep. Each file is made when its button is pressed, and says that this is no medical device."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import streamlit as st

from core.explainers.results import Sweep
from core.images import animate
from dashboard.parts.words import caption

STRIP = 7  # pictures in a strip, the original among them


def captions(sweep: Sweep) -> list[str]:
    """A caption for every frame."""
    return [caption(sweep, i) for i in range(len(sweep.requested))]


def numbers(sweep: Sweep) -> bytes:
    """Every number of the sweep as JSON."""
    return (json.dumps(sweep.to_dict(), indent=1) + "\n").encode()


def before_and_after(sweep: Sweep, frame: int) -> bytes:
    """The original and one frame side by side, as PNG."""
    pair = [sweep.origin, frame]
    return animate.strip(sweep.views[pair], [caption(sweep, i) for i in pair], side=640)


def strip(sweep: Sweep) -> bytes:
    """Pictures spread evenly over the requests, with the original among them, as PNG."""
    picked = sweep.evenly(STRIP)
    return animate.strip(sweep.views[picked], [caption(sweep, i) for i in picked])


def whole(sweep: Sweep, frame: int, full: Callable[[int], np.ndarray]) -> bytes:
    """The whole upload at its own size with the frame's change in it, as PNG, captioned below."""
    picture = full(frame)
    return animate.strip(picture[None], [caption(sweep, frame)], side=max(picture.shape[:2]))


def files(
    sweep: Sweep, frame: int, full: Callable[[int], np.ndarray]
) -> list[tuple[str, str, str, Callable[[], bytes]]]:
    """(label, file name, MIME type, what makes it) of everything there is to download."""
    stem = f"contralens-{sweep.study}-{sweep.target}-{sweep.digest[:8]}".lower().replace(" ", "-")
    views = sweep.views
    return [
        ("Before and after", f"{stem}-{frame:02d}.png", "image/png", lambda: before_and_after(sweep, frame)),
        ("Full resolution", f"{stem}-{frame:02d}-full.png", "image/png", lambda: whole(sweep, frame, full)),
        ("Strip", f"{stem}-strip.png", "image/png", lambda: strip(sweep)),
        ("GIF", f"{stem}.gif", "image/gif", lambda: animate.gif(views, captions(sweep))),
        ("WebP", f"{stem}.webp", "image/webp", lambda: animate.webp(views, captions(sweep))),
        ("APNG", f"{stem}.apng", "image/apng", lambda: animate.apng(views, captions(sweep))),
        ("Numbers (JSON)", f"{stem}.json", "application/json", lambda: numbers(sweep)),
    ]


def buttons(sweep: Sweep, frame: int, *, full: Callable[[int], np.ndarray], key: str) -> None:
    """A row of downloads. full: frame number -> the whole upload with that frame's change, uint8."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Download", width="content")
        for label, name, mime, make in files(sweep, frame, full):
            st.download_button(label, make, name, mime, key=f"{label}-{key}", on_click="ignore")
