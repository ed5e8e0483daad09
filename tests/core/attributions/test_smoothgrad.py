"""SmoothGrad on functions whose smoothed gradient is known."""

from __future__ import annotations

import pytest
import torch

from core.attributions.smoothgrad import smoothgrad
from core.errors import UserError


def cubic(x):
    return (x**3).sum((1, 2, 3)) / 3


def ramp(n: int = 1, height: float = 1.0) -> torch.Tensor:
    """[n, 1, 6, 6] from 0 to `height`."""
    return torch.linspace(0, height, 36).view(1, 1, 6, 6).expand(n, -1, -1, -1)


def test_of_a_linear_score_it_is_the_weight():
    weight = torch.randn(2, 5, 5)
    found = smoothgrad(lambda x: (weight * x).sum((1, 2, 3)), torch.rand(3, 2, 5, 5), samples=7)
    torch.testing.assert_close(found, weight.expand(3, -1, -1, -1))


@pytest.mark.parametrize("height", [1.0, 0.4])
def test_noise_adds_its_variance_to_a_square_slope(height):
    # The slope of x^3 / 3 is x^2, and E (x + s e)^2 = x^2 + s^2, with s a share of the picture's own range.
    x = ramp(height=height)
    found = smoothgrad(cubic, x, samples=40000, noise=0.2)
    torch.testing.assert_close(found, x**2 + (0.2 * height) ** 2, atol=0.006, rtol=0)


def test_without_noise_it_is_the_gradient():
    torch.testing.assert_close(smoothgrad(cubic, ramp(), noise=0), ramp() ** 2)


def test_pictures_do_not_touch_one_another():
    x = torch.rand(3, 1, 6, 6)
    torch.testing.assert_close(smoothgrad(cubic, x)[1:2], smoothgrad(cubic, x[1:2]))


def test_parts_give_the_same_as_one_pass():
    seen = []

    def heard(x):
        seen.append(len(x))
        return cubic(x)

    torch.testing.assert_close(smoothgrad(heard, ramp(2), chunk=5), smoothgrad(cubic, ramp(2)))
    assert max(seen) == 5
    assert sum(seen) == 64


def test_a_seed_repeats():
    a, b, c = (smoothgrad(cubic, ramp(), samples=4, seed=s) for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize(("wrong", "said"), [({"samples": 0}, "one noisy copy"), ({"noise": -0.1}, "0 or more")])
def test_mistakes(wrong, said):
    with pytest.raises(UserError, match=said):
        smoothgrad(cubic, ramp(), **wrong)
