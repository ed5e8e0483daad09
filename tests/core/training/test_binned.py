"""Which training pictures are drawn: every answer of f as often as the next, or as the data comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import BrightnessBox

from core.training.binned import BinnedPictures

F = BrightnessBox(gain=6, threshold=0.5)


@pytest.fixture
def pictures() -> BinnedPictures:
    """60 dark pictures and one for each of two brighter bins."""
    images = np.full((62, 1, 32, 32), 20, np.uint8)
    images[60], images[61] = 128, 250
    return BinnedPictures(torch.from_numpy(images), F, 10)


def draws(pictures: BinnedPictures, batch: int, natural: float = 0.0) -> torch.Tensor:
    """[300, batch] brightness of pictures, 0 to 255."""
    rng = np.random.default_rng(0)
    found = [pictures.draw(rng, batch, natural=natural, flip=False)[:, 0, 0, 0] for _ in range(300)]
    return (torch.stack(found) * 255).round()


def test_batches_are_balanced_over_the_bins_of_f(pictures):
    assert [len(rows) for rows in pictures.rows] == [60, 1, 1]
    drawn = draws(pictures, 6)
    for value in (20, 128, 250):  # each of the three bins is drawn a third of the time
        assert float(drawn.eq(value).float().mean()) == pytest.approx(1 / 3, abs=0.04)


def test_half_of_a_batch_may_come_as_the_data_does(pictures):
    dark = draws(pictures, 20, natural=0.5).eq(20).float()
    # Half of 1/3 and half of 60/62; and at any place of the batch alike.
    assert float(dark.mean()) == pytest.approx((1 / 3 + 60 / 62) / 2, abs=0.03)
    assert float(dark[:, :10].mean()) == pytest.approx(float(dark[:, 10:].mean()), abs=0.05)


def test_flip_mirrors_about_half():
    images = np.zeros((4, 1, 32, 32), np.uint8)
    images[..., :16] = 255
    pictures = BinnedPictures(torch.from_numpy(images), F, 10)
    drawn = pictures.draw(np.random.default_rng(0), 200, natural=0.0, flip=True)
    assert float((drawn[:, 0, 0, 0] == 0).float().mean()) == pytest.approx(0.5, abs=0.12)
