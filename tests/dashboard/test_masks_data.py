"""What the Masks page sends to the browser, writes in its tables and puts into its files."""

from __future__ import annotations

import base64
import io
import json

import fake
import numpy as np
import pytest
from PIL import Image

from core.explainers.mask_figure import mask_figure, mask_picture
from core.explainers.masking import DESTROYING, SUFFICIENT
from core.explainers.presets import PRESETS
from core.explainers.registry import find_explainer
from core.images.picture import Prepared
from core.infills.infill import NAMES, TITLES
from dashboard.parts import mask_export
from dashboard.parts.mask_table import cell_rows, infill_rows, interval
from dashboard.parts.masks import (
    COSTS,
    ROWS,
    SEQUENTIAL,
    VIEW,
    cell_cost,
    cell_data,
    cell_name,
    cell_of,
    cell_options,
    detail_data,
    grid_data,
    verdict,
)

NOTICE = "not a medical device"
CELLS = [cell_name(row.key, infill) for row in ROWS for infill in NAMES]


def decode(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(np.float32) / 255


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture
def prepared() -> Prepared:
    return fake.FakeStudy().prepare(fake.picture_of(fake.chest(side=640)))


# Names of cells


@pytest.mark.parametrize("name", CELLS)
def test_a_cells_name_leads_back_to_it(name):
    row, infill = cell_of(name)
    assert cell_name(row.key, infill) == name
    assert infill in TITLES
    assert cell_cost(name) == row.cost * COSTS[infill] > 0


@pytest.mark.parametrize("name", ["", "fido", "fido-ssr", "other|mean"])
def test_a_word_that_is_no_cell_is_refused(name):
    with pytest.raises(KeyError):
        cell_cost(name)


@pytest.mark.parametrize("speed", PRESETS)
@pytest.mark.parametrize("name", CELLS)
def test_the_explainers_take_a_cells_options(name, speed):
    row, infill = cell_of(name)
    method, options = cell_options(name, speed)
    config = find_explainer(method).config(**options)
    assert method == row.method
    assert (config.infill, config.kind) == (infill, row.kind)
    assert config.steps == PRESETS[speed][method]["steps"]


# What goes to the browser


def test_the_grid_is_json_and_its_pictures_are_what_was_found(prepared):
    result = fake.mask_of(DESTROYING, "ca")
    data = grid_data(
        prepared, fake.TARGET, NAMES, {"fido-sdr|ca": result}, query=0.8, modality="chest", key="k"
    )  # fmt: skip
    data = json.loads(json.dumps(data, allow_nan=False))
    assert [r["key"] for r in data["rows"]] == [r.key for r in ROWS]
    assert [c["key"] for c in data["columns"]] == list(NAMES)
    assert (data["width"], data["height"], data["size"]) == (VIEW, VIEW, 64)
    assert decode(data["picture"]["data"]).shape[:2] == (VIEW, VIEW)
    assert data["target"] == "cardiomegaly"
    assert len(data["colours"]) == 256
    (cell,) = data["cells"].values()
    np.testing.assert_allclose(decode(cell["mask"]), result.mask, atol=1 / 255)
    np.testing.assert_allclose(decode(cell["fill"]), result.fills[0, 0], atol=1 / 255)
    assert cell["after"] == pytest.approx(0.71)
    assert cell["sufficient"] is False


def test_a_small_picture_is_not_enlarged_and_keeps_its_shape():
    picture = Prepared(np.zeros((1, 64, 64), np.float32), np.zeros((80, 100), np.float32), "0", np.eye(2, 3))
    data = grid_data(picture, fake.TARGET, NAMES, {}, query=0.8, modality="chest", key="k")
    assert (data["width"], data["height"]) == (100, 80)
    assert data["cells"] == {}


def test_colour_stays_colour():
    fills = np.random.default_rng(0).random((2, 3, 64, 64)).astype(np.float32)
    result = fake.mask_of(fills=fills)
    sent = decode(cell_data(result)["fill"])
    np.testing.assert_allclose(sent, fills[0].transpose(1, 2, 0), atol=1 / 255)
    view = np.random.default_rng(1).random((70, 70, 3)).astype(np.float32)
    data = grid_data(
        Prepared(fills[0], view, "0", np.eye(2, 3)), "Smiling", ("mean",), {}, query=0.5, modality="face", key="k"
    )  # fmt: skip
    assert decode(data["picture"]["data"]).shape == (70, 70, 3)


def test_the_large_view_has_every_sample_with_its_answer():
    result = fake.mask_of(SUFFICIENT, "vae")
    data = json.loads(json.dumps(detail_data("fido-ssr|vae", result), allow_nan=False))
    assert data["title"] == "FIDO-SSR · VAE"
    assert [f["p"] for f in data["fills"]] == [0.7, 0.72]
    for sent, made in zip(data["fills"], result.fills, strict=True):
        np.testing.assert_allclose(decode(sent["data"]), made[0], atol=1 / 255)
    np.testing.assert_allclose(decode(data["mask"]), result.mask, atol=1 / 255)
    assert data["hides"] == "everything but the region"
    assert detail_data("bbmp|vae", fake.mask_of(DESTROYING, "vae"))["hides"] == "the region"
    assert data["ladder"] == [[0.05, 0.3], [0.2, 0.7]]
    assert data["steps"] == 300
    assert 100 <= len(data["trace"]) <= 160
    assert data["trace"][0] == 1
    assert data["stop"] == result.provenance.stop


@pytest.mark.parametrize(
    ("kind", "succeeded", "text"),
    [
        (SUFFICIENT, True, "12 % of the picture alone suffices: 80 % → 71 %"),
        (SUFFICIENT, False, "12 % of the picture alone does not suffice: 80 % → 71 %"),
        (DESTROYING, True, "hiding 12 % of the picture flips the answer: 80 % → 71 %"),
        (DESTROYING, False, "hiding 12 % of the picture does not flip the answer: 80 % → 71 %"),
    ],
)
def test_a_cell_in_words(kind, succeeded, text):
    assert plain(verdict(fake.mask_of(kind, succeeded=succeeded))) == text


def test_a_cell_says_what_the_fill_alone_gives():
    text = plain(verdict(fake.mask_of(SUFFICIENT, blank=0.59)))
    assert text == "12 % of the picture alone suffices: 80 % → 71 %; with nothing shown 59 %"


def test_the_scale_is_lighter_the_more_a_pixel_belongs_to_the_region():
    linear = (SEQUENTIAL / 255) ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert SEQUENTIAL.shape == (256, 3)
    assert SEQUENTIAL.dtype == np.uint8
    assert (np.diff(luminance) >= 0).all()
    assert luminance[-1] / luminance[0] > 10
    lightness = np.cbrt(luminance)
    halves = lightness[128] - lightness[0], lightness[255] - lightness[128]
    assert halves[0] == pytest.approx(halves[1], rel=0.25), "about even to the eye"


# Tables


def test_a_row_for_each_method_and_infill_with_intervals():
    rows = [{k: plain(v) for k, v in row.items()} for row in cell_rows(fake.MASKS)]
    assert [(r["method"], r["infill"]) for r in rows] == [
        ("FIDO-SSR", "Mean"),
        ("FIDO-SSR", "Contextual attention"),
        ("BBMP", "Blur"),
    ]
    assert rows[0]["does what it says"] == "90% (86 to 94)"
    assert rows[0]["saliency metric ↓"] == "-1.20 (-1.24 to -1.16)"
    assert rows[0]["of it inside the heart (12% of the picture)"] == "60% (56 to 64)"
    assert rows[1]["of it inside the heart (12% of the picture)"] == "-", "no picture had a region"
    assert rows[2]["area hidden at the flip ↓"] == "-", "it never flipped"
    assert rows[2]["deletion ↓"] == "-", "not measurable"


def test_without_known_anatomy_there_is_no_column_for_it():
    report = {k: v for k, v in fake.MASKS.items() if k != "anatomy"}
    assert not any("inside" in column for row in cell_rows(report) for column in row)


def test_a_row_for_each_infill():
    rows = infill_rows(fake.INFILLS)
    assert [r["infill"] for r in rows] == ["Mean", "VAE"]
    assert rows[0]["L1 in the hole ↓"] == "0.200 (0.160 to 0.240)"
    assert (rows[0]["Fréchet distance ↓"], rows[1]["Fréchet distance ↓"]) == ("12.35", "-")
    assert rows[0]["visible pixels changed"] == "0"


@pytest.mark.parametrize("part", [None, {}, {"value": None, "low": None, "high": None}, {"value": 0.5, "low": 0.4}])
def test_what_was_not_measured_is_a_dash(part):
    assert interval(part, "share") == "-"


# Files


def test_the_numbers_are_json_with_the_notice():
    found = json.loads(mask_export.numbers(fake.mask_of()))
    assert NOTICE in found["notice"]
    assert found["after"] == [0.7, 0.72]
    assert found["area"] == pytest.approx(0.124, abs=0.001)
    assert found["objective"] == [1.0, 0.0]


def test_the_figure_shows_outline_and_fills_and_carries_the_notice(prepared):
    image = Image.open(io.BytesIO(mask_figure(fake.mask_of(), prepared, side=200)))
    image.load()
    assert image.format == "PNG"
    assert NOTICE in image.text["Comment"]
    assert image.width >= 3 * 200
    pixels = np.asarray(image.convert("RGB")).astype(int)
    orange = (np.abs(pixels - [255, 176, 46]) < 12).all(axis=-1)
    assert orange[:200, :200].sum() > 100, "the outline is on the picture"
    assert orange[:, 210:].sum() == 0, "and not on the fills"


def test_the_figure_of_a_photograph_is_in_colour():
    rng = np.random.default_rng(0)
    fills = rng.random((1, 3, 64, 64)).astype(np.float32)
    result = fake.mask_of(fills=fills, after=np.array([0.5]))
    photo = Prepared(fills[0], rng.random((90, 70, 3)).astype(np.float32), "0", np.eye(2, 3))
    pixels = np.asarray(Image.open(io.BytesIO(mask_figure(result, photo, side=128))).convert("RGB")).astype(int)
    assert np.ptp(pixels[:100], axis=-1).mean() > 20


def test_the_mask_is_a_grey_png_with_the_notice():
    result = fake.mask_of()
    image = Image.open(io.BytesIO(mask_picture(result)))
    assert (image.format, image.mode) == ("PNG", "L")
    assert NOTICE in image.text["Comment"]
    np.testing.assert_allclose(np.asarray(image) / 255, result.mask, atol=1 / 255)
