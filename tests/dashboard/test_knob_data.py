from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import fake
import numpy as np
import pytest
from PIL import Image

from core.images.picture import Prepared
from dashboard.parts.knob import arrows, knob_data, nearest_frame


def decode(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def seen(sweep, view=None) -> Prepared:
    view = sweep.views[sweep.origin] / 255 if view is None else view
    return Prepared(sweep.frames[0], view.astype(np.float32), sweep.digest, np.eye(2, 3))


@pytest.fixture(scope="module")
def sweep():
    return fake.sweep_of(0.22, "calibrated")


@pytest.fixture(scope="module")
def data(sweep):
    return knob_data(sweep, seen(sweep), modality="chest")


def test_it_is_json_and_within_the_budget(data):
    assert len(json.dumps(data)) < 2_500_000


def test_the_original_comes_without_loss_and_its_own_frame_changes_nothing(sweep, data):
    base = decode(data["base"]["data"])
    base = base if base.ndim == 2 else base[..., 0]
    np.testing.assert_array_equal(base, sweep.views[sweep.origin])
    assert data["changes"][sweep.origin] is None
    assert sum(c is None for c in data["changes"]) == 1


def test_base_plus_change_is_the_frame(sweep, data):
    codes = decode(data["changes"][20]).astype(float)
    rebuilt = sweep.views[sweep.origin] + (codes - 128) * data["unit"] / 127
    assert np.abs(rebuilt - sweep.views[20]).mean() < 1.5  # grey levels of 255


def test_what_moves_is_said_but_for_the_original(sweep, data):
    assert data["movement"][sweep.origin] == ""
    assert "outwards" in data["movement"][20]
    assert "inwards" in data["movement"][0]


def test_a_budget_that_is_tight_makes_it_smaller(sweep):
    small = knob_data(sweep, seen(sweep), modality="chest", budget=10)
    large = knob_data(sweep, seen(sweep), modality="chest")
    assert sum(len(c or "") for c in small["changes"]) < sum(len(c or "") for c in large["changes"])


def test_the_papers_head_is_compared_with_the_upload_not_with_its_own_copy(sweep):
    redrawn = replace(sweep, head="paper", distance=sweep.distance + 0.03)
    upload = np.full((50, 50), 0.5, np.float32)
    data = knob_data(redrawn, seen(sweep, upload), modality="chest")
    assert (decode(data["base"]["data"]) == 128).all()
    assert data["changes"][sweep.origin] is not None


def test_colour(sweep):
    views = np.repeat(sweep.views[..., None], 3, axis=-1)
    data = knob_data(replace(sweep, views=views), seen(sweep, views[0] / 255), modality="face")
    assert data["colour"] is True
    assert decode(data["changes"][0]).ndim == 3


def test_nearest_frame(sweep):
    assert nearest_frame(sweep, None) == sweep.origin
    assert nearest_frame(sweep, 0.0) == sweep.origin
    assert sweep.requested[nearest_frame(sweep, 0.28)] == pytest.approx(0.5)
    assert nearest_frame(sweep, 7.0) == 21


def test_arrows_point_where_things_go():
    field = np.zeros((2, 2, 30, 30), np.float32)
    field[1, 0] = 0.02  # sampled from the right: everything moved left
    found = arrows(field)
    assert found["frames"][0] == []
    assert len(found["frames"][1]) == 15 * 15
    assert all(dx == pytest.approx(-0.02) and dy == 0 for _, _, dx, dy in found["frames"][1])
    assert found["gain"] == 4
    assert arrows(np.zeros((2, 2, 30, 30), np.float32)) is None
