from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import fake
import numpy as np
import pytest
from PIL import Image

from core.evaluation.heart import HeartSize
from core.evaluation.outlines import Outlines, outline_sweep
from core.images.picture import Prepared
from dashboard.parts.knob import arrows, heart_words, knob_data, nearest_frame


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


def test_movement_is_in_pixels_of_the_upload(sweep):
    """The view is half as large as the upload."""
    view = seen(sweep)
    at_half = replace(view, placement=np.array([[2.0, 0, 0], [0, 2.0, 0]]), spacing=(0.4, 0.4))
    one, two = (
        knob_data(sweep, p, modality="chest")["movement"][20] for p in (replace(view, spacing=(0.4, 0.4)), at_half)
    )
    pixels, mm = (re.findall(r"(\d+) px \((\d+) mm\)", text)[0] for text in (one, two))
    assert int(mm[0]) == pytest.approx(2 * int(pixels[0]), abs=1)
    assert mm[1] == pixels[1]  # millimetres are what they were


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


def test_without_outlines_there_are_no_organs(data):
    assert data["organs"] is None


def test_outlines_of_every_frame_are_sent_in_fractions_of_the_picture(sweep):
    outlines = outline_sweep(fake.FakeSegmenter(), seen(sweep), sweep)
    organs = knob_data(sweep, seen(sweep), modality="chest", outlines=outlines)["organs"]
    assert len(organs["frames"]) == len(organs["words"]) == 22
    assert [line["organ"] for line in organs["frames"][0]] == ["heart", "lungs", "lungs"]
    points = np.concatenate([line["points"] for frame in organs["frames"] for line in frame])
    assert (points > 0).all()
    assert (points < 1).all()
    widths = [np.ptp(np.array(frame[0]["points"])[:, 0]) for frame in organs["frames"]]
    assert widths[21] > widths[sweep.origin] > widths[0], "the heart grows with the knob"
    json.dumps(organs)


def test_one_square_is_outlined_where_it_is():
    """Pixels 2 to 5 of 10 across and 4 to 7 of 20 down: the line is at .2 to .6 and .2 to .4."""
    from core.evaluation.outlines import contours

    mask = np.zeros((20, 10), bool)
    mask[4:8, 2:6] = True
    (line,) = contours(mask)
    np.testing.assert_allclose(line.min(0), [0.2, 0.2])
    np.testing.assert_allclose(line.max(0), [0.6, 0.4])


NOWHERE = HeartSize(float("nan"), float("nan"))


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        (0, "Cardiothoracic ratio 0.45, heart area 0.123 of the chest's width squared, as a network outlines them."),
        (1, "Cardiothoracic ratio 0.45 → 0.61, heart area 0.123 → 0.200 of the chest's width squared, as a network "
            "outlines them."),
        (2, "Heart and lungs were not both found in this frame."),
    ],
)  # fmt: skip
def test_the_heart_in_words(index, sentence):
    assert heart_words([HeartSize(0.454, 0.1234), HeartSize(0.61, 0.2), NOWHERE], index, 0) == sentence


def test_where_the_original_has_no_heart_nothing_is_compared():
    assert heart_words([NOWHERE, HeartSize(0.5, 0.1)], 1, 0) == "Heart and lungs were not both found in this frame."


def test_other_organs_are_outlined_and_not_measured(sweep):
    lines = [[("spine", np.array([[0.1, 0.1], [0.2, 0.1], [0.2, 0.9]]))]] * 22
    organs = knob_data(sweep, seen(sweep), modality="chest", outlines=Outlines(lines, []))["organs"]
    assert organs["words"] == []
    assert organs["frames"][3][0]["organ"] == "spine"
