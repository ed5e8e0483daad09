"""Pictures of signed maps: the colours, the one scale, and what is written to files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.explainers.map_figure import (
    DIVERGING,
    baseline_figure,
    coded,
    coloured,
    diverging_table,
    map_figure,
    map_picture,
    shared_limit,
    tensor_picture,
)
from core.explainers.results import Attribution, Provenance


def attribution(channels: int = 1) -> Attribution:
    rng = np.random.default_rng(0)
    return Attribution(
        study="toy", choice="place", classes=("a", "b"), method="ig", baseline="ganmex", score="contrast",
        digest="ab" * 32, origin="a", target="b", posterior=np.array([0.8, 0.2]),
        baseline_posterior=np.array([0.1, 0.9]), change=1.0, residual=0.0, baselines=1,
        map=rng.normal(size=(channels, 16, 16)), picture=rng.random((channels, 16, 16)).astype(np.float32),
        provenance=Provenance("finished", 0, 0.1, "cpu"),
    )  # fmt: skip


# The colours


def test_they_are_black_in_the_middle_blue_below_and_orange_above():
    table = diverging_table().astype(int)
    assert table.shape == (256, 3)
    assert table[128].max() < 16
    assert (table[32, 2] > table[32, 0]).all()
    assert (table[224, 0] > table[224, 2]).all()


def test_they_are_as_light_on_both_sides_and_lighter_outwards():
    light = diverging_table() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light[128:]) >= 0).all()
    assert (np.diff(light[1:129]) <= 0).all()
    assert np.abs(light[128:] - light[128:0:-1]).max() < 30


# The scale


def test_one_scale_covers_most_maps_and_an_outlier_does_not_darken_the_rest():
    rng = np.random.default_rng(0)
    maps = [rng.uniform(-1, 1, (20, 20)) for _ in range(5)]
    limit = shared_limit(maps)
    assert limit == pytest.approx(0.99, abs=0.02)
    wild = maps[0].copy()
    wild[0, 0] = 1e6
    assert shared_limit([*maps, 1000 * maps[1]]) == pytest.approx(limit, abs=0.02)
    assert shared_limit([*maps[:4], wild]) == pytest.approx(limit, abs=0.02)
    assert len(f"{shared_limit([m * 0.01234567 for m in maps]):g}") <= 6, "two figures"


@pytest.mark.parametrize("maps", [[], [np.zeros((4, 4))]])
def test_without_anything_to_show_the_scale_is_one(maps):
    assert shared_limit(maps) == 1


def test_codes_are_symmetric_and_cut_at_the_ends():
    assert coded(np.array([-9.0, -1, -0.5, 0, 0.5, 1, 9]), 1.0).tolist() == [1, 1, 64, 128, 192, 255, 255]
    values = np.linspace(-2, 2, 999)
    assert float(np.abs((coded(values, 2.0).astype(float) - 128) / 127 * 2 - values).max()) <= 2 / 127


# Pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_a_map_is_enlarged_without_smoothing(channels):
    a = attribution(channels)
    shown = map_picture(a, 0.5, side=32)
    assert shown.shape == (32, 32, 3)
    np.testing.assert_array_equal(shown[::2, ::2], DIVERGING[coded(a.flat, 0.5)])
    np.testing.assert_array_equal(shown, coloured(a.flat, 0.5, 32))
    assert tensor_picture(a.picture, 32).shape == ((32, 32) if channels == 1 else (32, 32, 3))


def test_a_maps_file_is_the_map_with_a_line_below():
    a = attribution()
    with Image.open(io.BytesIO(map_figure(a, 0.5, side=64))) as image:
        assert (image.format, image.width) == ("PNG", 64)
        assert image.height > 64
        np.testing.assert_array_equal(np.asarray(image)[:64], map_picture(a, 0.5, 64))
        assert "not a medical device" in image.text["Comment"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_baselines_file_is_the_baseline_itself(channels):
    a = attribution(channels)
    with Image.open(io.BytesIO(baseline_figure(a))) as image:
        assert (image.format, image.mode) == ("PNG", "L" if channels == 1 else "RGB")
        assert "not a medical device" in image.text["Comment"]
        pixels = np.asarray(image) / 255
    np.testing.assert_allclose(pixels, a.picture[0] if channels == 1 else a.picture.transpose(1, 2, 0), atol=1 / 255)
