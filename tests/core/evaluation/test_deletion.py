"""Deletion with noise, where f reads one known patch and every curve is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import WINDOW, WindowBox, draw_window

from core.evaluation.deletion import SHARES, Deletion, delete, uniform_noise

PATCH = torch.arange(100).view(1, 1, 10, 10) < 40  # what f reads


class Patch:
    """f is the mean brightness of the patch; it remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[torch.Tensor] = []

    def posterior(self, x):
        self.shown.append(x.clone())
        return x[:, PATCH[0]].mean(1)

    def logit(self, x):
        return torch.logit(self.posterior(x))


WHITE = torch.ones(1, 1, 10, 10)
BLACK = torch.zeros(1, 1, 1, 10, 10)  # one draw of "noise" that is black everywhere


def test_a_perfect_map_by_hand():
    # The 40 pixels go first: f falls from 1 to 0 over shares 0 to .4, and its answer after .2.
    found = delete(Patch(), WHITE, PATCH.float(), BLACK)
    shares = np.array(SHARES)
    np.testing.assert_allclose(found.probability[0], np.maximum(1 - shares / 0.4, 0), atol=1e-6)
    np.testing.assert_array_equal(found.decision[0], shares <= 0.2)
    assert found.area(found.probability)[0] == pytest.approx(0.5 * 0.4 / 0.5, abs=1e-6)
    assert found.area(found.decision)[0] == pytest.approx((0.2 + 0.05 / 2) / 0.5)


def test_the_worst_map_by_hand():
    # There are 60 other pixels, so up to one half nothing happens.
    found = delete(Patch(), WHITE, 1 - PATCH.float(), BLACK)
    assert (found.probability == 1).all()
    assert found.area(found.probability)[0] == found.area(found.decision)[0] == 1


def test_an_absence_is_followed_by_its_own_probability():
    found = delete(Patch(), torch.zeros_like(WHITE), PATCH.float(), BLACK + 1)
    np.testing.assert_allclose(found.probability[0], np.maximum(1 - found.shares / 0.4, 0), atol=1e-6)
    np.testing.assert_array_equal(found.decision[0], found.shares < 0.2)  # one half is the finding
    np.testing.assert_array_equal(found.present[0], found.shares >= 0.2)


def test_accuracy_is_against_the_label():
    found = delete(
        Patch(), WHITE.expand(2, -1, -1, -1), PATCH.float().expand(2, -1, -1, -1), BLACK.expand(1, 2, 1, 10, 10)
    )
    right = found.accuracy(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(right[0], found.decision[0])
    np.testing.assert_array_equal(right[1], 1 - found.decision[1])


def test_draws_are_averaged():
    # One draw destroys, the other changes nothing.
    found = delete(Patch(), WHITE, PATCH.float(), torch.cat([BLACK, BLACK + 1]), shares=(0.0, 0.3, 0.5))
    np.testing.assert_allclose(found.probability[0], [1, (0.25 + 1) / 2, 0.5], atol=1e-6)
    assert found.decision[0].tolist() == [1, 0.5, 0.5]


def test_areas_are_mean_heights():
    shares = np.array([0.0, 0.1, 0.5])
    found = Deletion(shares, *[np.zeros((1, 3))] * 3)
    assert found.area(np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])).tolist() == pytest.approx([0.35, 1.0])


def windows(n: int = 6) -> torch.Tensor:
    return torch.stack([torch.from_numpy(draw_window(seed=i)) for i in range(n)])


def test_a_perfect_map_beats_a_random_one_and_that_the_reversed_one():
    f, x = WindowBox(threshold=0.75), windows().clamp(0, 1)  # noise in the window is darker than that
    perfect = torch.zeros(6, 1, 32, 32)
    perfect[(..., *WINDOW)] = 1
    noise = uniform_noise(x, 3)
    areas = [
        found.area(found.probability)
        for found in (delete(f, x, maps, noise) for maps in (perfect, torch.rand(6, 1, 32, 32), 1 - perfect))
    ]
    assert (areas[0] < areas[1] - 0.1).all()
    assert (areas[1] < areas[2] - 0.04).all()


# Regions


def test_ties_fall_at_random_and_regions_grow():
    f, x = Patch(), WHITE.expand(2, -1, -1, -1)
    delete(f, x, torch.zeros(2, 1, 10, 10), BLACK.expand(1, 2, 1, 10, 10))
    holes = torch.stack(f.shown[1:]) == 0  # the first was the whole picture
    assert holes.sum((2, 3, 4))[:, 0].tolist() == [round(100 * s) for s in SHARES]
    assert (holes[1:] >= holes[:-1]).all()
    assert not torch.equal(holes[-1, 0], holes[-1, 1])
    assert 15 < holes[-1, 0, 0, :5].sum() < 35


def test_all_channels_of_a_pixel_go_together():
    x = torch.rand(2, 3, 10, 10) / 2
    shown = []

    class Heard(Patch):
        def posterior(self, x):
            shown.append(x)
            return x.mean((1, 2, 3))

    delete(Heard(), x, torch.rand(2, 1, 10, 10), torch.ones(1, 2, 3, 10, 10))
    for pictures in shown[1:]:
        gone = (pictures == 1).float()
        assert torch.equal(gone.amin(1), gone.amax(1))
        kept = pictures != 1
        assert torch.equal(pictures[kept], x[kept])


def test_pictures_do_not_touch_one_another():
    x, maps = torch.rand(3, 1, 10, 10), torch.rand(3, 1, 10, 10)
    noise = uniform_noise(x, 2)
    both, alone = delete(Patch(), x, maps, noise), delete(Patch(), x[1:2], maps[1:2], noise[:, 1:2])
    np.testing.assert_allclose(both.probability[1], alone.probability[0])


# Noise


def test_noise_fills_the_range_of_its_picture():
    x = torch.cat([torch.linspace(0.2, 0.6, 1200).view(1, 3, 20, 20), torch.linspace(0, 1, 1200).view(1, 3, 20, 20)])
    noise = uniform_noise(x, 4, seed=2)
    assert noise.shape == (4, 2, 3, 20, 20)
    for i, (low, high) in enumerate([(0.2, 0.6), (0.0, 1.0)]):
        assert noise[:, i].min() == pytest.approx(low, abs=0.01)
        assert noise[:, i].max() == pytest.approx(high, abs=0.01)
        assert noise[:, i].mean() == pytest.approx((low + high) / 2, abs=0.02)
    assert torch.equal(noise, uniform_noise(x, 4, seed=2))
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, uniform_noise(x, 4, seed=3))
