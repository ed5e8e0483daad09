from __future__ import annotations

import base64
import io

import fake
import numpy as np
from PIL import Image

from dashboard.parts.viewer import facts, viewer_data


def decode(data: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data["picture"]["data"])))).astype(int)


def test_sixteen_bits_survive_the_way_to_the_browser():
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    picture = fake.picture_of(values / values.max(), values=values, window=(2000.0, 1000.0), bits=12)
    data = viewer_data(picture, modality="chest")
    rgb = decode(data)
    back = data["low"] + (rgb[..., 0] * 256 + rgb[..., 1]) / 65535 * (data["high"] - data["low"])
    np.testing.assert_allclose(back, values, atol=0.05)
    assert (data["centre"], data["span"]) == (2000.0, 1000.0)


def test_the_scale_reaches_as_far_as_the_window():
    values = np.full((8, 8), 100, np.float32)
    data = viewer_data(fake.picture_of(values / 255, values=values, window=(100.0, 400.0)), modality="chest")
    assert (data["low"], data["high"]) == (-100.0, 300.0)


def test_large_films_are_shrunk_and_the_ruler_knows():
    picture = fake.picture_of(np.zeros((2048, 1024), np.float32), spacing=(0.2, 0.2))
    data = viewer_data(picture, modality="chest")
    assert (data["height"], data["width"]) == (1024, 512)
    assert data["millimetres"] == 0.4


def test_photographs_stay_in_colour():
    pixels = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    data = viewer_data(fake.picture_of(pixels), modality="face")
    assert data["colour"] is True
    np.testing.assert_array_equal(decode(data), np.rint(pixels * 255))


def test_facts_say_when_the_file_was_turned():
    picture = fake.picture_of(np.zeros((4, 6), np.float32), inverted=True, frames=3, frame=1, spacing=(0.143, 0.143))
    line = facts(picture)
    assert line == "6 × 4 · PNG · 8 bit · 0.143 mm pixels · frame 2 of 3 · stored as MONOCHROME1, turned for display"
