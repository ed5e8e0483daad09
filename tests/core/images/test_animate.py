"""Exports are readable, have every frame, and carry the notice."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from core.images import animate

FRAMES = np.stack([np.full((90, 80), v, np.uint8) for v in (20, 120, 220)])
CAPTIONS = ["f = 0.10", "f = 0.50", "f = 0.90"]


@pytest.mark.parametrize(("write", "kind"), [(animate.gif, "GIF"), (animate.webp, "WEBP"), (animate.apng, "PNG")])
def test_animations_go_there_and_back(write: Callable[..., bytes], kind: str) -> None:
    image = Image.open(io.BytesIO(write(FRAMES, CAPTIONS)))
    assert image.format == kind
    assert image.n_frames == 4  # three there, one back, then it loops
    image.seek(2)
    grey = np.asarray(image.convert("L"))
    assert abs(int(grey[5, 5]) - 220) < 6


@pytest.mark.parametrize("write", [animate.gif, animate.webp])
def test_the_notice_is_drawn_under_every_frame(write: Callable[..., bytes]) -> None:
    image = Image.open(io.BytesIO(write(FRAMES, CAPTIONS))).convert("L")
    footer = np.asarray(image)[-20:]
    assert footer.min() < 160
    assert footer.max() > 240


def test_metadata_carries_the_notice() -> None:
    assert b"not a medical device" in animate.gif(FRAMES, CAPTIONS)
    assert b"not a medical device" in animate.apng(FRAMES, CAPTIONS)
    assert b"not a medical device" in animate.strip(FRAMES, CAPTIONS)


def test_a_strip_is_a_row() -> None:
    image = Image.open(io.BytesIO(animate.strip(FRAMES, CAPTIONS, side=80)))
    assert image.width > 3 * 70
    row = np.asarray(image.convert("L"))[20]
    assert {20, 120, 220} <= set(row.tolist())


@pytest.mark.parametrize("side", [64, 128, 256, 600])
def test_the_notice_of_a_strip_is_whole_however_narrow(side: int) -> None:
    """It takes as many lines as it needs: as much ink as where there is room for one line, and none at the edge."""

    def ink(image: Image.Image) -> tuple[int, int]:
        dark = np.asarray(image.convert("L"))[side + 22 :] < 200
        return int(dark.sum()), int(dark[:, -1].sum())

    frame = np.full((1, side, side), 255, np.uint8)
    narrow, edge = ink(Image.open(io.BytesIO(animate.strip(frame, [""], side=side))))
    wide, _ = ink(Image.open(io.BytesIO(animate.strip(frame.repeat(12, 0), [""] * 12, side=side))))
    assert narrow > 0.5 * wide  # letters may be smaller
    assert edge == 0


def test_colour_frames_and_long_captions_fit() -> None:
    colour = np.repeat(FRAMES[..., None], 3, axis=3)
    assert animate.strip(colour, ["a caption that is much too long for so small a picture"] * 3)


def test_captions_keep_to_the_letters_of_the_font() -> None:
    pairs = {
        "δ = −0.20 → 0.80": "delta = -0.20 -> 0.80",
        "Kardiomegalie, größer é": "Kardiomegalie, grosser e",
        "心": "?",
    }
    for said, drawn in pairs.items():
        assert animate.strip(FRAMES, [said] * 3, side=300) == animate.strip(FRAMES, [drawn] * 3, side=300)
        assert animate.gif(FRAMES, [said] * 3, side=300) == animate.gif(FRAMES, [drawn] * 3, side=300)


def test_animations_of_large_frames_stay_small_enough_to_send() -> None:
    large = np.random.default_rng(0).integers(0, 256, (2, 900, 900, 3), np.uint8)
    assert max(Image.open(io.BytesIO(animate.apng(large, CAPTIONS[:2]))).size) <= 480 + 40
