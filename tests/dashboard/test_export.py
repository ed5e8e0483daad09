from __future__ import annotations

import io
import json

import fake
import numpy as np
import pytest
from PIL import Image

from dashboard.parts.export import files
from dashboard.parts.words import caption


@pytest.fixture(scope="module")
def sweep():
    return fake.sweep_of(0.22, side=96)


@pytest.mark.parametrize("number", range(7))
def test_every_download_is_what_it_says(sweep, number):
    label, name, mime, make = files(sweep, 20, lambda _: np.zeros((40, 30), np.uint8))[number]
    data = make()
    assert "/" not in name
    if mime == "application/json":
        numbers = json.loads(data)
        assert "not a medical device" in numbers["notice"]
        assert len(numbers["achieved"]) == 22
        return
    image = Image.open(io.BytesIO(data))
    assert image.format == {"image/gif": "GIF", "image/webp": "WEBP"}.get(mime, "PNG"), label
    assert getattr(image, "n_frames", 1) == (42 if label in {"GIF", "WebP", "APNG"} else 1)


def test_captions_have_plain_spaces(sweep):
    assert caption(sweep, sweep.origin) == "original: cardiomegaly 22 %"
    assert caption(sweep, 20) == "asked for 95 %: cardiomegaly 85 %"
