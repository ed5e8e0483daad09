"""Charts as files: their size, where their marks are, and that little or nothing to draw is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from core.evaluation.plot import COLOURS, Line, interval_chart, line_chart


def pixels(path) -> np.ndarray:
    """[H, W, 3] of a PNG."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("RGB"))


def where(sheet: np.ndarray, colour: str) -> np.ndarray:
    """[H, W] bool: exactly this colour."""
    return (sheet == np.array(ImageColor.getrgb(colour))).all(2)


def thick(drawn: np.ndarray) -> np.ndarray:
    """[H, W] bool: in the middle of 3 x 3 drawn pixels, which no letter has."""
    inside = np.ones_like(drawn)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            inside &= np.roll(drawn, (dy, dx), (0, 1))
    return inside


# Whiskers

ROWS = [("one", 0.2, 0.1, 0.3), ("two", 0.4, 0.35, 0.5), ("none", 0.0, 0.0, 0.0)]


def test_a_sheet_for_its_rows_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "a" / "b" / "chart.png"
    interval_chart("Title", ROWS, path, "share")
    assert pixels(path).shape == (70 + 30 * 3 + 60, 420 + 520 + 120, 3)


def test_dots_and_whiskers_are_at_their_numbers(tmp_path):
    interval_chart("", ROWS, tmp_path / "c.png")
    sheet = pixels(tmp_path / "c.png")
    per_unit = 520 / (0.5 * 1.08)  # the axis ends a little beyond the greatest end
    for i, (_, value, low, high) in enumerate(ROWS):
        rows, columns = np.nonzero(where(sheet, COLOURS[i]))
        assert np.abs(rows - (70 + 30 * i)).max() <= 6
        assert columns.min() == pytest.approx(420 + min(low * per_unit, value * per_unit - 5), abs=1)
        assert columns.max() == pytest.approx(420 + max(high * per_unit, value * per_unit + 5), abs=1)


@pytest.mark.parametrize("rows", [[], [("zero", 0.0, 0.0, 0.0)], ROWS[:1], ROWS * 5], ids=["0", "zero", "1", "15"])
def test_any_number_of_rows(rows, tmp_path):
    interval_chart("Title", rows, tmp_path / "c.png", "share")
    assert len(pixels(tmp_path / "c.png")) == 130 + 30 * len(rows)


def test_a_label_that_is_too_long_leaves_room_for_its_row(tmp_path):
    interval_chart("", [("m" * 300, 0.2, 0.1, 0.3)], tmp_path / "long.png")
    interval_chart("", [("m" * 52, 0.2, 0.1, 0.3)], tmp_path / "cut.png")
    np.testing.assert_array_equal(pixels(tmp_path / "long.png"), pixels(tmp_path / "cut.png"))


# Lines


def test_a_line_goes_through_its_points(tmp_path):
    line_chart("T", [Line("up", [0, 1, 2], [1, 3, 5]), Line("down", [0, 2], [5, 1])], tmp_path / "c.png")
    sheet = pixels(tmp_path / "c.png")
    assert sheet.shape == (56 + 380 + 80, 90 + 620 + 260, 3)
    up, down = (thick(where(sheet, COLOURS[i])) for i in (0, 1))
    for drawn, y in ((up, [436, 246, 56]), (down, [56, 246, 436])):  # 0, 1, 2 on x are columns 90, 400, 710
        for x, wanted in zip((95, 400, 705), y, strict=True):
            if drawn is up and x == 400:
                continue  # the other line is drawn over it
            at = np.flatnonzero(drawn[:, x])
            assert len(at)
            assert at.mean() == pytest.approx(
                wanted + (x - {95: 90, 400: 400, 705: 710}[x]) * np.sign(y[2] - y[0]) * 380 / 620, abs=2
            )


def test_a_band_reaches_from_low_to_high(tmp_path):
    line_chart("T", [Line("a", [0, 1], [0.5, 0.5], [0.0, 0.25], [1.0, 0.75])], tmp_path / "c.png")
    drawn = where(pixels(tmp_path / "c.png"), COLOURS[0])
    first, last = np.flatnonzero(drawn[:, 90]), np.flatnonzero(drawn[:, 710])
    assert (first.min(), first.max()) == (56, 436)
    assert (last.min(), last.max()) == (56 + 95, 436 - 95)
    line_chart("T", [Line("a", [0, 1], [0.5, 0.5], [0.0, 0.25], None)], tmp_path / "no.png")
    bare = where(pixels(tmp_path / "no.png"), COLOURS[0])
    assert np.ptp(np.flatnonzero(bare[:, 90])) < 5


@pytest.mark.parametrize(
    "lines",
    [[], [Line("a", [], [])], [Line("a", [0.5], [0.2])], [Line("a", [0.5], [0.2], [0.2], [0.2])]],
    ids=["no line", "an empty line", "one point", "one point with its band"],
)
def test_little_or_nothing_to_draw_is_drawn(lines, tmp_path):
    line_chart("Title", lines, tmp_path / "c.png", x_axis="x", y_axis="y")
    assert pixels(tmp_path / "c.png").shape == (516, 970, 3)


def test_a_flat_line_has_a_scale(tmp_path):
    line_chart("T", [Line("a", [0, 1], [3, 3])], tmp_path / "c.png")
    drawn = thick(where(pixels(tmp_path / "c.png"), COLOURS[0]))
    assert np.flatnonzero(drawn.any(1)).tolist() == [436]  # at the foot of the axis, from 3 to 4


def test_more_lines_than_colours(tmp_path):
    lines = [Line(f"{i}", [0, 1], [i, i]) for i in range(len(COLOURS) + 1)]
    line_chart("T", lines, tmp_path / "c.png")
    first = thick(where(pixels(tmp_path / "c.png"), COLOURS[0]))
    assert len(np.flatnonzero(first[:, 400])) == 2  # the first and the last share a colour
