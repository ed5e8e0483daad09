"""A displacement field in arrows and words. Fields say where a pixel is fetched from; contents go the other way."""

from __future__ import annotations

import numpy as np
import pytest

from core.explainers.movement import arrows, sentence, strongest


def field(dx: float = 0.0, dy: float = 0.0, where: tuple[slice, slice] = (slice(None), slice(None))) -> np.ndarray:
    found = np.zeros((2, 24, 24), np.float32)
    found[0][where], found[1][where] = dx, dy
    return found


LEFT, RIGHT = (slice(None), slice(0, 12)), (slice(None), slice(12, None))
LOWER_RIGHT = (slice(16, None), slice(12, None))


def test_arrows_point_where_contents_go():
    found = arrows(field(dx=0.1), grid=4)  # fetched from the right: contents go left
    assert found.shape == (16, 4)
    np.testing.assert_allclose(found[:, 2], -0.1, atol=1e-6)
    np.testing.assert_allclose(found[:, 3], 0, atol=1e-6)
    np.testing.assert_allclose(found[0, :2] + found[0, 2:], [0.125, 0.125], atol=1e-6)  # the tip is where it was read


def test_still_places_get_no_arrow():
    found = arrows(field(dy=-0.05, where=(slice(0, 12), slice(None))), grid=4)  # the upper half moves down
    assert len(found) == 8
    assert (found[:, 3] > 0).all()
    assert arrows(field()).shape == (0, 4)


def test_away_from_the_middle_is_outwards():
    widening = field(dx=0.05, where=LEFT) + field(dx=-0.08, where=RIGHT)  # contents go left and right
    left, right = strongest(widening)
    assert (left.side, right.side) == ("left", "right")
    assert (left.shift, right.shift) == (pytest.approx(0.05), pytest.approx(0.08))
    assert all(m.shift < 0 for m in strongest(-widening))


def test_small_movements_are_not_worth_a_word():
    assert strongest(field(dx=0.007)) == ()
    assert "Nothing moves" in sentence(field(dx=0.007), "chest", 1000)
    assert strongest(field(dy=0.1)) == ()


def test_a_sentence_by_hand():
    # The film's right half is the patient's left. .05 of 1000 pixels at .2 mm.
    text = sentence(field(dx=-0.05, where=LOWER_RIGHT), "chest", 1000, (0.3, 0.2))
    assert text == "The largest sideways movement is 50 px (10 mm) outwards at the lower patient's left."
    assert "50 px inwards at the lower right half" in sentence(field(dx=0.05, where=LOWER_RIGHT), "face", 1000)
