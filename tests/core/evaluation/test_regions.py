"""Regions of the body in the frame a network sees: the mouth from the alignment."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.regions import MOUTH, mouth


def test_the_mouth_is_a_box_with_both_corners_and_a_margin():
    region = mouth(100)
    assert region.shape == (100, 100)
    assert region.dtype == bool
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (68, 88, 32, 68)
    assert region.sum() == 20 * 36
    assert region[78, 39]
    assert region[78, 61]


@pytest.mark.parametrize("size", [32, 64, 96, 128])
def test_the_mouth_at_any_size(size):
    region = mouth(size)
    left, top, right, bottom = MOUTH
    assert region.mean() == pytest.approx((right - left) * (bottom - top), abs=0.02)
    assert (region == region[:, ::-1]).all()  # a face looks at us
    assert not region[: size // 2].any()
