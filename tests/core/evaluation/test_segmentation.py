"""Dice overlap, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.evaluation.segmentation import dice, segmentation_report


def box(rows: slice, columns: slice, size: int = 8) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[rows, columns] = True
    return mask


LEFT, TOP = box(slice(0, 8), slice(0, 4)), box(slice(0, 2), slice(0, 8))  # 32 and 16 pixels, 8 in common


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (LEFT, LEFT, 1),
        (LEFT, ~LEFT, 0),
        (LEFT, TOP, 2 * 8 / 48),
        (LEFT, np.zeros_like(LEFT), 0),
        (np.zeros_like(LEFT), np.zeros_like(LEFT), 1),
    ],
    ids=["same", "apart", "crossing", "one empty", "both empty"],
)
def test_dice_by_hand(a, b, expected):
    assert dice(a, b) == dice(b, a) == pytest.approx(expected)


class Threshold:
    """Finds as `bright` what is over one half, and as `dark` the rest."""

    config = SimpleNamespace(size=8, organs=("bright", "dark"))

    def segment(self, x):
        return torch.cat([x > 0.5, x <= 0.5], 1)


@pytest.fixture(scope="module")
def images():
    pictures = np.zeros((3, 1, 8, 8), np.uint8)
    pictures[0, 0][LEFT], pictures[1, 0][TOP] = 200, 200
    return pictures


def test_the_report_by_hand(images):
    # Of the second picture only `bright` was drawn, of the third only `dark`.
    masks = {"bright": {0: TOP, 1: TOP}, "dark": {0: ~LEFT, 2: LEFT}}
    report = segmentation_report(Threshold(), images, masks, seed=3)
    assert report["size"] == 8
    assert report["bright"]["n"] == report["dark"]["n"] == 2
    assert report["bright"]["dice"]["value"] == pytest.approx((1 / 3 + 1) / 2, abs=1e-5)
    assert report["dark"]["dice"]["value"] == pytest.approx((1 + 2 * 32 / 96) / 2, abs=1e-5)
    # Of two pictures, resampling gives both the lower score, both the higher, or one of each.
    assert report["bright"]["dice"]["low"] == pytest.approx(1 / 3, abs=1e-5)
    assert report["bright"]["dice"]["high"] == 1


def test_an_organ_that_nobody_drew_is_left_out(images):
    report = segmentation_report(Threshold(), images, {"bright": {0: LEFT}, "dark": {}})
    assert report.keys() == {"size", "bright"}
    assert report["bright"] == {"n": 1, "dice": {"value": 1.0, "low": 1.0, "high": 1.0}}
