"""Digits: photographed ones come into MNIST's frame, MNIST's stay as they are, and drawn ones never change."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from core.errors import UserError
from core.images.digits import prepare_digit
from core.images.drawn import NAMES, draw_digit
from core.images.picture import Picture
from core.images.read import read_picture


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels.astype(np.float32), "0" * 64, "PNG")


def drawn(name: str = "seven") -> np.ndarray:
    """[28, 28] in [0, 1]"""
    return np.asarray(Image.open(io.BytesIO(draw_digit(name))), np.float32) / 255


def placed(digit: np.ndarray, side: int = 120, top: int = 10, left: int = 50, scale: int = 2) -> np.ndarray:
    """The digit somewhere on black."""
    page = np.zeros((side, side), np.float32)
    large = np.kron(digit, np.ones((scale, scale), np.float32))
    page[top : top + large.shape[0], left : left + large.shape[1]] = large
    return page


# Into MNIST's frame


def test_a_picture_in_mnists_frame_passes_unharmed():
    digit = drawn()
    found = prepare_digit(picture(digit))
    np.testing.assert_array_equal(found.tensor[0], digit)
    np.testing.assert_array_equal(found.view, digit)
    assert found.tensor.shape == (1, 28, 28)
    assert found.tensor.dtype == np.float32
    assert found.notes == ("The picture already has MNIST's frame.",)
    assert found.digest == "0" * 64


@pytest.mark.parametrize("name", NAMES)
def test_every_drawn_digit_is_in_the_frame_already(name):
    assert "already" in prepare_digit(read_picture(draw_digit(name))).notes[0]


@pytest.mark.parametrize("where", [(0, 0), (10, 50), (60, 3)])
def test_wherever_it_is_it_is_centred_by_its_mass(where):
    found = prepare_digit(picture(placed(drawn(), 120, *where)))
    y, x = ndimage.center_of_mass(found.tensor[0])
    assert abs(y - 13.5) <= 0.5 + 1e-3
    assert abs(x - 13.5) <= 0.5 + 1e-3
    rows, columns = (np.flatnonzero(found.tensor[0].max(axis) > 0.35) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    assert "centred" in found.notes[0]
    assert "white on black" not in found.notes[0]


def test_dark_on_light_is_turned():
    light = placed(drawn())
    found, turned = prepare_digit(picture(light)), prepare_digit(picture(0.95 - 0.85 * light))
    np.testing.assert_allclose(turned.tensor, found.tensor, atol=0.02)
    assert "turned to white on black" in turned.notes[0]
    assert float(turned.tensor[0, 0].max()) < 0.05


def test_a_28_pixel_picture_that_is_dark_on_light_is_turned_too():
    found = prepare_digit(picture(1 - drawn()))
    assert float(found.tensor[0][[0, -1]].max()) < 0.05
    assert float(np.corrcoef(found.tensor.ravel(), drawn().ravel())[0, 1]) > 0.6


def test_size_and_contrast_do_not_matter():
    reference = prepare_digit(picture(placed(drawn(), scale=2))).tensor
    for pixels in (placed(drawn(), 200, 20, 20, scale=5), 0.3 + 0.2 * placed(drawn(), scale=2)):
        found = prepare_digit(picture(pixels)).tensor
        assert float(np.corrcoef(found.ravel(), reference.ravel())[0, 1]) > 0.9


def test_colour_is_read_as_grey():
    page = placed(drawn())
    found = prepare_digit(picture(np.repeat(page[..., None], 3, axis=2)))
    np.testing.assert_allclose(found.tensor, prepare_digit(picture(page)).tensor, atol=1e-3)


@pytest.mark.parametrize(
    "pixels", [np.zeros((50, 60)), np.ones((50, 60)), np.full((40, 40), 0.4), np.zeros((28, 29))]
)  # fmt: skip
def test_a_blank_picture_is_a_sentence(pixels):
    with pytest.raises(UserError, match="There is no digit to see"):
        prepare_digit(picture(pixels))


@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (3, 3)])
def test_odd_shapes_come_through(shape):
    page = np.zeros(shape, np.float32)
    page[shape[0] // 3 : shape[0] // 3 + 1 + shape[0] // 4, shape[1] // 2] = 1
    assert prepare_digit(picture(page)).tensor.shape == (1, 28, 28)


def test_what_leaves_the_frame_does_not_come_back_on_the_other_side():
    page = np.zeros((60, 60), np.float32)
    page[4:6, 28:30] = 1  # a speck above
    page[44:54, 10:50] = 1  # a heavy bar below
    tensor = prepare_digit(picture(page)).tensor[0]
    rows = np.flatnonzero(tensor.max(1) > 0.35)
    bar = np.flatnonzero(tensor.sum(1) > 5)
    assert rows.max() == bar.max(), "nothing below the bar"


# Drawn


@pytest.mark.parametrize("name", NAMES)
def test_a_drawn_digit_is_a_small_png_and_always_the_same(name):
    data = draw_digit(name)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size, image.mode) == ("PNG", (28, 28), "L")
    assert hashlib.sha256(data).digest() == hashlib.sha256(draw_digit(name)).digest()
    pixels = np.asarray(image)
    assert pixels.max() > 200
    assert 0.05 < (pixels > 100).mean() < 0.35
    assert pixels[[0, -1]].max() == pixels[:, [0, -1]].max() == 0


def test_no_two_are_alike():
    assert len({draw_digit(n) for n in NAMES}) == len(NAMES)


def test_the_one_that_is_misread_has_mnists_centre_of_mass():
    """Or the mistake would be of the frame and not of the classifier."""
    np.testing.assert_allclose(ndimage.center_of_mass(drawn("one with a foot")), (13.5, 13.5), atol=0.25)


def test_another_size():
    assert Image.open(io.BytesIO(draw_digit("zero", 56))).size == (56, 56)


def test_an_unknown_name_is_a_sentence():
    with pytest.raises(UserError, match="no drawn digit 'two'; there is: zero, one with a foot, three"):
        draw_digit("two")
