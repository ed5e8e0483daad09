"""The tight box around a map, and the saliency metric with an f of which every answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.evaluation.saliency import saliency_metric, tight_box

YES, NO = torch.tensor([1.0]), torch.tensor([-1.0])


class Mean:
    """f of a picture is its mean brightness."""

    def __init__(self) -> None:
        self.shown: list[torch.Tensor] = []

    def posterior(self, x):
        return torch.sigmoid(self.logit(x))

    def logit(self, x):
        self.shown.append(x.clone())
        return torch.logit(x.mean((1, 2, 3)))


def block(top: int, left: int, bottom: int, right: int, size: int = 20) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def metric(x: np.ndarray, mask: np.ndarray, sign=YES, f=None) -> float:
    (value,) = saliency_metric(f or Mean(), torch.from_numpy(x)[None, None], sign, torch.from_numpy(mask)[None, None])
    return float(value)


# The box


def test_the_box_around_one_block():
    assert tight_box(block(3, 5, 9, 17)) == (3, 5, 9, 17)


def test_the_larger_of_two_blobs():
    assert tight_box(block(1, 1, 4, 5) + block(10, 8, 15, 14)) == (10, 8, 15, 14)
    assert tight_box(block(1, 1, 9, 9) + 5 * block(15, 15, 18, 18)) == (1, 1, 9, 9)  # larger, not brighter


def test_blobs_that_touch_at_a_corner_are_two():
    assert tight_box(block(2, 2, 6, 6) + block(6, 6, 9, 9)) == (2, 2, 6, 6)


def test_an_odd_shape_is_boxed_whole():
    cross = np.maximum(block(4, 9, 16, 10), block(9, 2, 10, 18))
    assert tight_box(cross) == (4, 2, 16, 18)


def test_the_mean_is_the_threshold():
    # .6 is above the mean of .23, .1 is not.
    assert tight_box(0.1 + 0.5 * block(0, 0, 10, 10)) == (0, 0, 10, 10)


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, 1.0])
def test_a_flat_map_is_the_whole_picture(level):
    assert tight_box(np.full((20, 20), level, dtype=np.float32)) == (0, 0, 20, 20)


# The metric


def test_by_hand():
    # The box is a quarter of the picture and holds .8 alone.
    x = np.full((20, 20), 0.1, dtype=np.float32)
    x[5:15, 5:15] = 0.8
    assert metric(x, block(5, 5, 15, 15)) == pytest.approx(np.log(0.25) - np.log(0.8), abs=1e-5)
    assert metric(x, block(5, 5, 15, 15), NO) == pytest.approx(np.log(0.25) - np.log(0.2), abs=1e-5)


def test_a_flat_map_pays_for_the_whole_picture():
    x = np.random.default_rng(0).random((20, 20), dtype=np.float32)
    assert metric(x, np.full((20, 20), 0.5, dtype=np.float32)) == pytest.approx(-np.log(x.mean()), abs=1e-5)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_nothing_is_gained_below_a_twentieth(side):
    # 16 of 400 pixels are .04 of the picture.
    x = np.full((20, 20), 0.5, dtype=np.float32)
    assert metric(x, block(3, 3, 3 + side, 3 + side)) == pytest.approx(np.log(0.05) - np.log(0.5), abs=1e-5)


def test_above_a_twentieth_the_area_counts():
    x = np.full((20, 20), 0.5, dtype=np.float32)
    assert metric(x, block(3, 3, 8, 8)) == pytest.approx(np.log(25 / 400) - np.log(0.5), abs=1e-5)


def test_the_box_alone_is_shown_at_full_size():
    f = Mean()
    x = np.zeros((20, 20), dtype=np.float32)
    x[4:9, 6:16] = np.linspace(0, 1, 10, dtype=np.float32)
    metric(x, block(4, 6, 9, 16), f=f)
    shown = f.shown[0]
    assert shown.shape == (1, 1, 20, 20)
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert (shown.diff(dim=2).abs() < 1e-6).all()  # its rows are all alike, as in the box
    assert (shown.diff(dim=3) > -1e-6).all()
    assert shown[0, 0, 0, 0] < 0.05
    assert shown[0, 0, 0, -1] > 0.95


def test_a_small_box_on_the_cause_is_best():
    x = np.full((20, 20), 0.1, dtype=np.float32)
    x[5:11, 5:11] = 0.9
    right, wide, wrong = block(5, 5, 11, 11), block(2, 2, 16, 16), block(13, 13, 19, 19)
    assert metric(x, right) < metric(x, wide)
    assert metric(x, right) < metric(x, wrong)


def test_several_pictures_are_each_their_own():
    x = torch.rand(3, 1, 20, 20)
    maps = torch.from_numpy(np.stack([block(0, 0, 8, 9), block(9, 2, 19, 12), np.zeros((20, 20), np.float32)]))[:, None]
    sign = torch.tensor([1.0, -1.0, 1.0])
    found = saliency_metric(Mean(), x, sign, maps)
    assert found.shape == (3,)
    assert found.dtype == np.float64
    for i in range(3):
        alone = saliency_metric(Mean(), x[i : i + 1], sign[i : i + 1], maps[i : i + 1])
        assert found[i] == pytest.approx(alone[0], abs=1e-5)


def test_an_answer_f_is_sure_is_not_there_stays_finite():
    class Sure:
        def logit(self, x):
            return torch.full((len(x),), -500.0)

    assert metric(np.zeros((20, 20), np.float32), block(0, 0, 10, 10), f=Sure()) == pytest.approx(500 + np.log(0.25))
