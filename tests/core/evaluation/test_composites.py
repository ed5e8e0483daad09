"""An unrelated object in the picture: where it is, and how strongly a map is drawn to it."""

from __future__ import annotations

import pytest
import torch

from core.evaluation.composites import attraction, with_object


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 64), (1, 12)])
def test_the_box_holds_all_that_was_changed(channels, size):
    x = torch.full((40, channels, size, size), 0.3)
    made = with_object(x)
    assert made.pictures.shape == x.shape
    assert made.boxes.shape == (40, size, size)
    moved = (made.pictures - x).abs().sum(1) > 0
    assert not (moved & ~made.boxes).any()
    assert moved.any((1, 2)).all()
    assert float(made.pictures.min()) >= 0
    assert float(made.pictures.max()) <= 1
    side = max(4, round(0.18 * size))
    assert (made.boxes.sum((1, 2)) == side**2).all()
    torch.testing.assert_close(x, torch.full_like(x, 0.3))


def test_the_ring_is_round_and_hollow():
    made = with_object(torch.zeros(1, 1, 100, 100), share=0.4)
    rows, columns = (torch.nonzero(made.boxes[0].any(axis))[:, 0] for axis in (1, 0))
    ring = made.pictures[0, 0][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert float(ring[18:22, 18:22].max()) == 0
    assert float(ring[[0, 0, -1, -1], [0, -1, 0, -1]].max()) == 0
    assert float(ring.max()) > 0.9
    torch.testing.assert_close(ring, ring.flip(0))
    torch.testing.assert_close(ring, ring.T.contiguous())


def test_all_four_corners_come_and_never_the_middle():
    boxes = with_object(torch.zeros(60, 1, 28, 28)).boxes
    corners = {(bool(b[:14].any()), bool(b[:, :14].any())) for b in boxes}
    assert len(corners) == 4
    assert not boxes[:, 10:18, 10:18].any()


def test_a_seed_repeats():
    x = torch.rand(10, 3, 28, 28)
    assert torch.equal(with_object(x, 3).pictures, with_object(x, 3).pictures)
    assert not torch.equal(with_object(x, 3).pictures, with_object(x, 4).pictures)


# Attraction


@pytest.fixture
def boxes():
    """A quarter of 8 x 8 pixels, twice."""
    boxes = torch.zeros(2, 8, 8, dtype=torch.bool)
    boxes[:, :4, :4] = True
    return boxes


def test_a_uniform_map_is_indifferent(boxes):
    torch.testing.assert_close(attraction(torch.full((2, 8, 8), -0.3), boxes), torch.ones(2))


def test_by_hand(boxes):
    maps = torch.zeros(2, 8, 8)
    maps[0, 0, 0] = -2  # all of it inside
    maps[1, 0, 0], maps[1, 7, 7] = 1, -3  # a quarter inside
    torch.testing.assert_close(attraction(maps, boxes), torch.tensor([4.0, 1.0]))


def test_an_empty_map_is_drawn_nowhere(boxes):
    assert not attraction(torch.zeros(2, 8, 8), boxes).any()
