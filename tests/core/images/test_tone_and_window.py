"""Tone and window algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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


@pytest.mark.parametrize("gain", [0.25, 1 / 16, 1 / 64])
def test_a_dark_film_has_its_whole_tone(gain) -> None:
    x = film(2)
    assert np.abs(measure_tone(x * gain).apply(x * gain) - measure_tone(x).apply(x)).max() < 0.02


def test_a_flat_picture_does_not_break() -> None:
    flat = np.full((40, 40), 0.5, np.float32)
    assert np.isfinite(measure_tone(flat).apply(flat)).all()


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


LEVELS = arrays(np.float32, (6, 5), elements=st.floats(-5000, 70000, width=32))
CENTRES = st.floats(-2000, 40000)
WIDTHS = st.floats(1, 70000)


def picture(**more) -> Picture:
    values = np.linspace(0, 4095, 400, dtype=np.float32).reshape(20, 20)
    return Picture(values / 4095, "digest", "DICOM", **({"values": values} | more))


@given(LEVELS, CENTRES, WIDTHS)
def test_brighter_values_are_never_shown_darker(values, centre, width):
    shown = apply_window(values, centre, width)
    assert shown.dtype == np.float32
    assert shown.min() >= 0
    assert shown.max() <= 1
    order = np.argsort(values.ravel())
    assert (np.diff(shown.ravel()[order]) >= 0).all()


@given(LEVELS, CENTRES, WIDTHS)
def test_inverting_is_one_minus(values, centre, width):
    shot = picture(values=values)
    upright = display(shot, centre=centre, width=width)
    np.testing.assert_array_equal(display(shot, centre=centre, width=width, invert=True), 1 - upright)
    turned = picture(values=values, inverted=True)
    np.testing.assert_array_equal(display(turned, centre=centre, width=width), 1 - upright)


@given(st.floats(-1000, 1000), st.floats(2, 5000))
def test_the_ramp_of_the_standard(centre, width):
    # PS3.3 C.11.2.1.2.1: y = (x - (c - .5)) / (w - 1) + .5, with both ends given
    ends = np.array([centre - 0.5 - (width - 1) / 2, centre - 0.5, centre - 0.5 + (width - 1) / 2])
    np.testing.assert_allclose(apply_window(ends, centre, width), [0, 0.5, 1], atol=1e-6)


def test_the_standard_s_own_example():
    # C.11.2.1.2.1: centre 2048, width 4096 leaves 12 bits as they are; width 1 is a threshold
    values = np.array([0, 1, 2048, 4095], np.float32)
    np.testing.assert_allclose(apply_window(values, 2048, 4096), values / 4095, atol=1e-7)
    np.testing.assert_array_equal(apply_window(np.array([9.0, 9.5, 9.6]), 10, 1), [0, 0, 1])


@pytest.mark.parametrize("width", [0, -5, 0.5, float("nan")])
def test_a_window_without_width_is_refused(width):
    with pytest.raises(UserError, match="at least 1"):
        apply_window(np.zeros((2, 2)), 0, width)


@pytest.mark.parametrize("colour", [False, True])
def test_the_window_that_changes_nothing(colour):
    shape = (20, 20, 3) if colour else (20, 20)
    shot = Picture(np.random.default_rng(0).random(shape, np.float32), "digest", "PNG")
    np.testing.assert_allclose(display(shot, centre=128, width=256), shot.pixels, atol=1e-6)
    np.testing.assert_array_equal(display(shot), shot.pixels)
    np.testing.assert_array_equal(display(shot, centre=10), shot.pixels)


def test_the_model_s_pixels_stay():
    shot = picture()
    before = shot.pixels.copy(), shot.values.copy()
    display(shot, centre=100, width=10, invert=True)
    np.testing.assert_array_equal(shot.pixels, before[0])
    np.testing.assert_array_equal(shot.values, before[1])


def test_a_change_past_the_ends_of_the_tone_leaves_no_hole() -> None:
    """The exact inverse falls to black below the darkest quantile; the gentle one goes on with the slope before it."""
    x = 0.3 + 0.4 * film(1)
    tone = measure_tone(x)
    levels = np.linspace(-0.2, 1.2, 600)
    back = tone.gentle(levels)
    assert (np.diff(back) > 0).all()
    assert tone.invert(np.array([0.001]))[0] < 0.1 < 0.25 < tone.gentle(np.array([0.001]))[0]
    inside = levels[(levels > 0.03) & (levels < 0.97)]
    np.testing.assert_allclose(tone.gentle(inside), tone.invert(inside), atol=1e-6)
