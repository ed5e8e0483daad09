"""Outlines of masks that are known, and of the frames of a sweep."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import prepared_disc

from core.evaluation.heart import heart_size
from core.evaluation.outlines import contours, outline_sweep
from core.images.tone import ToneCurve


def area(line: np.ndarray) -> float:
    """Of a closed line, by the shoelace formula."""
    x, y = line.T
    return abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2


def box(rows: slice, columns: slice, height: int = 16, width: int = 16) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[rows, columns] = True
    return mask


# Contours


def test_a_square_is_outlined_along_its_pixels_borders():
    (line,) = contours(box(slice(4, 10), slice(2, 8)))
    np.testing.assert_array_equal(line[0], line[-1])  # closed
    assert line.min(0) == pytest.approx([2 / 16, 4 / 16])  # (x, y)
    assert line.max(0) == pytest.approx([8 / 16, 10 / 16])
    # Corners are cut by half a pixel: four triangles of an eighth of a pixel each.
    assert area(line) == pytest.approx((36 - 4 / 8) / 256)


def test_x_is_a_fraction_of_the_width_and_y_of_the_height():
    (line,) = contours(box(slice(5, 10), slice(30, 35), 20, 50))
    assert line.min(0) == pytest.approx([30 / 50, 5 / 20])
    assert line.max(0) == pytest.approx([35 / 50, 10 / 20])


def test_an_organ_at_the_edge_is_closed_there():
    (line,) = contours(np.ones((10, 20), dtype=bool))
    np.testing.assert_array_equal(line[0], line[-1])
    assert line.min(0).tolist() == [0, 0]
    assert line.max(0).tolist() == [1, 1]


def test_every_part_and_every_hole_has_its_line():
    mask = box(slice(1, 7), slice(1, 7)) | box(slice(9, 15), slice(8, 15))
    assert len(contours(mask)) == 2
    mask[11:13, 10:13] = False
    lines = contours(mask)
    assert len(lines) == 3
    assert sorted(area(line) * 256 for line in lines) == pytest.approx([6, 36, 42], abs=1)
    assert contours(np.zeros((8, 8), dtype=bool)) == []


def test_lines_are_thinned_and_stay_near():
    y, x = np.mgrid[0:128, 0:128] + 0.5 - 64
    (line,) = contours(np.hypot(x, y) < 40)
    radii = np.hypot(*(line - 0.5).T) * 128
    assert 10 < len(line) < 120  # where the border has more than 300 points
    assert np.abs(radii - 40).max() < 1.2


def test_a_triangle_is_not_lost():
    (line,) = contours(np.tri(32, dtype=bool))
    assert area(line) == pytest.approx(0.5, abs=0.05)


# A sweep


class ToySegmenter:
    """The heart is what is over .7, the lungs what is between .3 and .7."""

    def __init__(self, size: int, organs: tuple[str, ...] = ("heart", "lungs")) -> None:
        self.config = SimpleNamespace(size=size, organs=organs)
        self.seen = None

    def segment(self, x):
        self.seen = x
        found = {"heart": x[:, 0] > 0.7, "lungs": (x[:, 0] > 0.3) & (x[:, 0] <= 0.7), "speckled": x[:, 0] > 0.7}
        return torch.stack([found[o] for o in self.config.organs], 1)


@pytest.fixture
def views():
    """[2, 60, 60] uint8: a heart between two lungs, without and with specks; the second heart is twice as wide."""
    frames = np.zeros((2, 60, 60), np.uint8)
    for frame, half in zip(frames, (5, 10), strict=True):
        frame[10:50, 6:18] = frame[10:50, 42:54] = 128
        frame[30:40, 30 - half : 30 + half] = 230
    frames[1, 2:4, 2:4], frames[1, 56:58, 28:31] = 230, 128
    return frames


def outline(views, size: int = 60, organs=("heart", "lungs"), tone=None):
    segmenter = ToySegmenter(size, organs)
    prepared = prepared_disc()
    if tone is not None:
        prepared = SimpleNamespace(tone=tone)
    return outline_sweep(segmenter, prepared, SimpleNamespace(views=views)), segmenter


def test_every_frame_has_its_lines_and_sizes(views):
    found, _ = outline(views)
    assert len(found.lines) == len(found.sizes) == 2
    for lines, half in zip(found.lines, (5, 10), strict=True):
        assert [organ for organ, _ in lines] == ["heart", "lungs", "lungs"]  # specks are not drawn
        heart = lines[0][1]
        assert heart.min(0) == pytest.approx([(30 - half) / 60, 30 / 60])
        assert heart.max(0) == pytest.approx([(30 + half) / 60, 40 / 60])
        left, right = sorted((line for _, line in lines[1:]), key=lambda line: line[0, 0])
        assert (left[:, 0].min(), left[:, 0].max()) == pytest.approx((6 / 60, 18 / 60))
        assert (right[:, 0].min(), right[:, 0].max()) == pytest.approx((42 / 60, 54 / 60))
    assert [s.ctr for s in found.sizes] == pytest.approx([10 / 48, 20 / 48])
    assert [s.area for s in found.sizes] == pytest.approx([100 / 48**2, 200 / 48**2])


def test_places_are_fractions_whatever_the_segmenters_size(views):
    large, _ = outline(views)
    small, segmenter = outline(views, 30)
    assert segmenter.seen.shape == (2, 1, 30, 30)
    for one, two in zip(large.lines[0], small.lines[0], strict=True):
        assert one[0] == two[0]
        assert one[1].min(0) == pytest.approx(two[1].min(0), abs=1 / 30)
        assert one[1].max(0) == pytest.approx(two[1].max(0), abs=1 / 30)


def test_views_are_brought_to_the_canonical_tone(views):
    # Shown at a quarter of the brightness, which the tone curve takes back.
    tone = ToneCurve(np.array([0.0, 0.25, 1.0]), np.array([0.0, 0.999, 1.0]))
    dim, segmenter = outline((views / 4).astype(np.uint8), tone=tone)
    plain, _ = outline(views)
    assert float(segmenter.seen.max()) == pytest.approx(230 / 255, abs=0.02)
    assert dim.sizes == plain.sizes
    assert outline((views / 4).astype(np.uint8))[0].lines == [[], []]  # without it nothing is found


def test_sizes_need_both_organs(views):
    assert outline(views, organs=("heart",))[0].sizes == []
    assert [o for o, _ in outline(views, organs=("heart",))[0].lines[0]] == ["heart"]


def test_an_organ_nobody_knows_has_one_part(views):
    found, _ = outline(views, organs=("speckled",))
    assert [len(lines) for lines in found.lines] == [1, 1]


def test_a_heart_that_is_not_found_has_no_size(views):
    views[0] = 128
    found, _ = outline(views)
    assert [o for o, _ in found.lines[0]] == ["lungs"]
    assert np.isnan(found.sizes[0].ctr)
    assert found.sizes[1].ctr == pytest.approx(20 / 48)
    assert np.isnan(heart_size(views[0] > 200, views[0] > 100).area)
