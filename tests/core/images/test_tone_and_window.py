"""Tone and window algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.images.frame import chest_frame, resize
from core.images.picture import Picture
from core.images.tone import REFERENCE, measure_tone
from core.images.window import apply_window, display


def film(seed: int = 0) -> np.ndarray:
    """[80, 80], smooth, with a continuous histogram."""
    rng = np.random.default_rng(seed)
    return np.clip(resize(rng.random((7, 7)).astype(np.float32), 80, 80) + 0.01 * rng.random((80, 80)), 0, 1)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.4, 2.5), st.floats(0.3, 1.0), st.floats(0.0, 0.3), st.integers(0, 5))
def test_a_monotone_tone_is_undone(gamma: float, gain: float, offset: float, seed: int) -> None:
    x = film(seed)
    toned = np.clip(x**gamma * gain + offset * (1 - gain), 0, 1)
    a, b = measure_tone(x).apply(x), measure_tone(toned).apply(toned)
    assert np.abs(a - b).mean() < 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50))
def test_the_curve_is_monotone_and_goes_back(seed: int) -> None:
    x = film(seed)
    tone = measure_tone(x)
    levels = np.linspace(0, 1, 300)
    assert (np.diff(tone.apply(levels)) >= 0).all()
    inside = x[(x > tone.source[1]) & (x < tone.source[-2])]
    assert np.abs(tone.invert(tone.apply(inside)) - inside).max() < 1e-4


def test_the_canonical_histogram_is_the_reference() -> None:
    x = film(3)
    y = measure_tone(x).apply(x)[8:-8, 8:-8]
    assert np.quantile(y, 0.5) == pytest.approx(REFERENCE[13], abs=0.01)


def test_a_flat_picture_does_not_break() -> None:
    flat = np.full((40, 40), 0.5, np.float32)
    assert np.isfinite(measure_tone(flat).apply(flat)).all()


@settings(max_examples=60, deadline=None)
@given(st.floats(-500, 4500), st.floats(2, 5000))
def test_a_window_is_monotone_and_bounded(centre: float, width: float) -> None:
    values = np.linspace(-1000, 5000, 400)
    shown = apply_window(values, centre, width)
    assert (np.diff(shown) >= 0).all()
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert apply_window(np.array([centre - 0.5]), centre, width)[0] == pytest.approx(0.5, abs=1e-5)


def picture(inverted: bool = False) -> Picture:
    values = np.linspace(0, 4095, 64).reshape(8, 8).astype(np.float32)
    pixels = values / 4095
    return Picture(1 - pixels if inverted else pixels, "d", "DICOM", 12, values=values, inverted=inverted)


def test_display_never_touches_the_model_path() -> None:
    p = picture()
    before = p.pixels.copy()
    display(p, centre=1000, width=200, invert=True)
    assert np.array_equal(before, p.pixels)


def test_invert_is_one_minus_and_twice_is_nothing() -> None:
    p = picture()
    shown = display(p, centre=2000, width=900)
    assert np.allclose(display(p, centre=2000, width=900, invert=True), 1 - shown)
    assert np.array_equal(display(p), p.pixels)


def test_monochrome1_stays_turned_under_a_window() -> None:
    assert np.allclose(
        display(picture(True), centre=2000, width=900), 1 - display(picture(False), centre=2000, width=900), atol=1e-6
    )


def test_a_window_without_width_is_refused() -> None:
    with pytest.raises(UserError, match="width"):
        apply_window(np.zeros(3), 0, 0)


def test_uniform_borders_are_trimmed_and_content_is_not() -> None:
    bordered = np.zeros((120, 100), np.float32)
    bordered[10:110, 8:92] = film()[:80, :80].mean() + 0.3 * np.random.default_rng(0).random((100, 84))
    frame = chest_frame(bordered)
    assert (frame.left, frame.top, frame.right, frame.bottom) == (8, 10, 92, 110)
    whole = chest_frame(film())
    assert whole.size == (80, 80)


def test_very_wide_pictures_are_cut_at_the_centre() -> None:
    wide = np.random.default_rng(0).random((100, 300)).astype(np.float32)
    frame = chest_frame(wide)
    assert frame.size[1] <= 136
    assert abs((frame.left + frame.right) / 2 - 150) <= 1
