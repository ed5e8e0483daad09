"""Tone of DICOM files: rescale, tables and windows by the standard's formulas, and what is done with bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from core.images.read import read_picture
from core.images.window import display

STORED = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24) * 8  # 0 to 3832
WHOLE = STORED / STORED.max()


def table(entries: np.ndarray, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first % 65536, bits]
    item.add_new("LUTData", "OW", entries.astype(np.uint16).tobytes())
    return item


def through(centre: float, width: float, values: np.ndarray = STORED) -> np.ndarray:
    """LINEAR of PS3.3 C.11.2.1.2.1."""
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


@pytest.fixture
def read(dicom):
    def read_with(stored: np.ndarray = STORED, **tags):
        return read_picture(dicom(stored, **({"BitsStored": 12} if stored.dtype.itemsize == 2 else {}) | tags))

    return read_with


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_negative_slope_under_a_window(read, photometric):
    picture = read(
        RescaleSlope=-1,
        RescaleIntercept=4095,
        WindowCenter=2000,
        WindowWidth=3000,
        PhotometricInterpretation=photometric,
    )
    expected = through(2000, 3000, 4095.0 - STORED)
    np.testing.assert_allclose(picture.pixels, 1 - expected if photometric == "MONOCHROME1" else expected, atol=1e-5)


def test_linear_exact(read):
    picture = read(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(picture.pixels, np.clip((STORED - 2000.0) / 1000 + 0.5, 0, 1), atol=1e-6)


def test_sigmoid(read):
    picture = read(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    np.testing.assert_allclose(picture.pixels, 1 / (1 + np.exp(-4 * (STORED - 2000.0) / 1000)), atol=1e-6)


def test_the_first_usable_of_several_windows(read):
    picture = read(WindowCenter=[1e6, 2000, 500], WindowWidth=[10, 1000, 10])
    np.testing.assert_allclose(picture.pixels, through(2000, 1000), atol=1e-6)
    assert picture.window == (2000, 1000)
    assert not any("window" in w for w in picture.warnings)


@pytest.mark.parametrize(
    ("centre", "width"), [(500_000, 1_000_000), (2048, 1_000_000), (1e6, 10), (0, 0), (-5000, 100)]
)
def test_a_window_that_leaves_nearly_nothing_is_ignored(read, centre, width):
    picture = read(WindowCenter=centre, WindowWidth=width)
    np.testing.assert_allclose(picture.pixels, WHOLE, atol=1e-6)
    assert any("window would show nothing" in w for w in picture.warnings)


def test_a_marker_does_not_excuse_a_window_that_blackens_the_rest(read):
    stored = STORED.copy()
    stored[0, 0] = 60000
    picture = read(stored, BitsStored=16, WindowCenter=50000, WindowWidth=20000)
    assert any("window would show nothing" in w for w in picture.warnings)


def test_a_window_for_sixteen_bits_over_twelve_is_kept(read):
    picture = read(WindowCenter=32768, WindowWidth=65536)
    np.testing.assert_allclose(picture.pixels, STORED / 65535, atol=1e-6)


@pytest.mark.parametrize("intercept", [0, 700])
def test_a_slope_of_nothing_is_ignored(read, intercept):
    picture = read(RescaleSlope=0, RescaleIntercept=intercept)
    np.testing.assert_allclose(picture.pixels, WHOLE, atol=1e-6)
    assert any("slope" in w for w in picture.warnings)


def test_a_long_table_of_eight_bits_does_not_wrap(read):
    entries = np.arange(2000) * 255 // 1999
    picture = read(np.minimum(STORED // 2, 1999), VOILUTSequence=[table(entries, 0, 8)])
    np.testing.assert_allclose(picture.pixels, entries[np.minimum(STORED // 2, 1999)] / 255, atol=1e-6)


def test_eight_bit_values_in_a_long_table(read):
    stored = np.arange(240, dtype=np.uint8).reshape(15, 16).repeat(2, 0)
    entries = np.arange(600) * 65535 // 599
    picture = read(stored, VOILUTSequence=[table(entries, -100, 16)], PixelRepresentation=0, RescaleIntercept=-50)
    np.testing.assert_allclose(picture.pixels, entries[stored.astype(int) + 50] / 65535, atol=1e-6)


def test_a_packed_table_of_bytes(read):
    stored = np.arange(240, dtype=np.uint8).reshape(15, 16).repeat(2, 0)
    item = Dataset()
    item.LUTDescriptor = [256, 0, 8]
    item.add_new("LUTData", "OW", bytes(255 - i for i in range(256)))
    np.testing.assert_allclose(read(stored, VOILUTSequence=[item]).pixels, (255 - stored) / 255, atol=1e-6)


def test_beyond_a_table_its_ends_go_on(read):
    entries = np.linspace(1000, 65535, 1000).astype(int)
    picture = read(VOILUTSequence=[table(entries, 1000, 16)])
    np.testing.assert_allclose(picture.pixels, entries[np.clip(STORED.astype(int) - 1000, 0, 999)] / 65535, atol=1e-6)


@pytest.mark.parametrize("entries", [np.zeros(4096), np.arange(0)], ids=["black", "empty"])
def test_a_table_that_is_not_usable_gives_way_to_the_window(read, entries):
    picture = read(VOILUTSequence=[table(entries, 0, 16)], WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_allclose(picture.pixels, through(2000, 1000), atol=1e-6)
    assert any("table" in w for w in picture.warnings)


def test_a_modality_table_comes_before_the_window(read):
    item = table(np.arange(4096)[::-1], 0, 16)
    item.ModalityLUTType = "US"
    picture = read(ModalityLUTSequence=[item], WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_allclose(picture.pixels, through(2000, 1000, 4095.0 - STORED), atol=1e-6)


@pytest.mark.parametrize("tags", [
    {}, {"RescaleSlope": 0.001}, {"RescaleSlope": -0.013, "RescaleIntercept": 2.5},
    {"WindowCenter": 2000, "WindowWidth": 900}, {"WindowCenter": 1500.5, "WindowWidth": 333.3},
    {"WindowCenter": 2000, "WindowWidth": 900, "PhotometricInterpretation": "MONOCHROME1"},
    {"WindowCenter": 1.9, "WindowWidth": 2.4, "RescaleSlope": 0.001},
    {"WindowCenter": 0.9, "WindowWidth": 0.4, "RescaleSlope": 0.0005, "VOILUTFunction": "LINEAR_EXACT"},
    {"WindowCenter": 500_000, "WindowWidth": 1_000_000},
], ids=str)  # fmt: skip
def test_the_reported_window_is_the_picture_s(read, tags):
    picture = read(**tags)
    shown = display(picture, centre=picture.window[0], width=picture.window[1])
    np.testing.assert_allclose(shown, picture.pixels, atol=1e-6)
    assert np.ptp(picture.pixels) > 0.5


def test_a_flat_picture_stays_flat(read):
    picture = read(np.full((20, 20), 7, np.uint16))
    assert picture.pixels.max() == 0
    assert any("same value" in w for w in picture.warnings)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        (np.where(np.arange(24) < 5, 65535, STORED).astype(np.uint16), {"PixelPaddingValue": 65535}),
        (
            np.where(np.arange(24) < 5, 60000 + np.arange(24), STORED).astype(np.uint16),
            {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 60010},
        ),
        (
            np.where(np.arange(24) < 5, -32768, STORED.astype(np.int16)).astype(np.int16),
            {"PixelPaddingValue": -32768, "PixelRepresentation": 1},
        ),
    ],
    ids=["one", "range", "signed"],
)
def test_padding_is_black_and_takes_no_part_in_the_range(read, stored, tags, photometric):
    picture = read(stored, BitsStored=16, PhotometricInterpretation=photometric, **tags)
    inside = STORED[:, 5:].astype(float)
    shown = (inside - inside.min()) / (inside.max() - inside.min())
    np.testing.assert_allclose(picture.pixels[:, 5:], 1 - shown if photometric == "MONOCHROME1" else shown, atol=1e-5)
    assert (picture.pixels[:, :5] == 0).all()


def test_a_picture_of_nothing_but_padding_is_left_as_it_is(read):
    picture = read(np.full((20, 24), 7, np.uint16), PixelPaddingValue=7)
    assert len(np.unique(picture.pixels)) == 1
