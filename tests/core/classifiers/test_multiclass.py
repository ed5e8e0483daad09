"""Many classes: normalisation inside, softmax outside, and one class as a binary question that never overflows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.classifiers.multiclass import MultiClass, distinct
from core.errors import UserError

CLASSES = ("tabby cat", "tiger cat", "cup", "boat")


class Given(nn.Module):
    """Logits by hand: a table added to the mean of each channel, so that a gradient flows."""

    def __init__(self, *rows: tuple[float, ...]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(rows))

    def forward(self, x):
        return self.table[: len(x)] + nn.functional.pad(x.mean((2, 3)), (0, 1))


def model(*rows: tuple[float, ...]) -> MultiClass:
    return MultiClass(Given(*rows), CLASSES, mean=(0.5,) * 3, centre=(0.0,) * 3, scale=(1.0,) * 3)


BLACK = torch.zeros(1, 3, 4, 4)


def test_one_class_by_hand():
    # e^0 : e^1 : e^2 : e^1, so p(cup) = e^2 / (1 + 2e + e^2)
    f = model((0.0, 1.0, 2.0, 1.0))
    p = math.e**2 / (1 + 2 * math.e + math.e**2)
    assert float(f.target("cup").posterior(BLACK)) == pytest.approx(p, rel=1e-6)
    assert float(f.target("cup").logit(BLACK)) == pytest.approx(math.log(p / (1 - p)), rel=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_the_posterior_is_the_softmax(name):
    rows = torch.randn(5, 4, generator=torch.Generator().manual_seed(2)) * 4
    f = model(*map(tuple, rows.tolist()))
    x = torch.rand(5, 3, 4, 4)
    posterior = f.target(name).posterior(x)
    assert posterior.shape == f.target(name).logit(x).shape == (5,)
    torch.testing.assert_close(posterior, f.posterior(x)[:, CLASSES.index(name)])
    torch.testing.assert_close(f.posterior(x).sum(1), torch.ones(5))


@pytest.mark.parametrize(("row", "logit"), [((1e4, 0.0, 0.0, 0.0), 1e4), ((-1e4, 0.0, 0.0, 0.0), -1e4)])
def test_extreme_logits_stay_finite_and_keep_a_gradient(row, logit):
    f = model(row)
    x = BLACK.clone().requires_grad_()
    answer = f.target("tabby cat").logit(x)
    assert float(answer.detach()) == pytest.approx(logit - math.log(3), abs=0.01)
    answer.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad[0, 0].sum()) == pytest.approx(1.0)  # its own channel raises it
    assert float(x.grad[0, 1].sum()) == pytest.approx(-1 / 3)  # and another's lowers it


def test_the_answer_does_not_depend_on_the_zero_of_the_logits():
    one, two = model((0.0, 1.0, 2.0, 1.0)), model((50.0, 51.0, 52.0, 51.0))
    for name in CLASSES:
        torch.testing.assert_close(one.target(name).logit(BLACK), two.target(name).logit(BLACK))


def test_normalisation_is_inside():
    network = Given((0.0, 0.0, 0.0, 0.0))
    f = MultiClass(network, CLASSES, mean=(0.1, 0.2, 0.3), centre=(0.5, 0.4, 0.3), scale=(0.5, 0.25, 0.1))
    x = torch.rand(1, 3, 4, 4)
    by_hand = torch.stack([(x[:, 0] - 0.5) / 0.5, (x[:, 1] - 0.4) / 0.25, (x[:, 2] - 0.3) / 0.1], 1)
    torch.testing.assert_close(f(x), network(by_hand))
    assert f.mean.shape == (3, 1, 1)
    assert f.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_frozen():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 4))
    f = MultiClass(network, CLASSES, mean=(0.5,) * 3, centre=(0.0,) * 3, scale=(1.0,) * 3)
    assert not f.training
    assert not any(p.requires_grad for p in f.parameters())
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(f(x), f(x))  # no dropout


def test_an_unknown_class_names_those_like_it():
    f = model((0.0, 0.0, 0.0, 0.0))
    with pytest.raises(UserError, match=r"no class 'cat'; names like it: tabby cat, tiger cat\."):
        f.target("cat")
    with pytest.raises(UserError, match="names like it: cup"):
        f.target("Cup")
    with pytest.raises(UserError, match=r"no class 'zebra' among its 4\."):
        f.target("zebra")


@pytest.mark.parametrize("classes", [("a",), ("a", "a")])
def test_classes_need_names_of_their_own(classes):
    with pytest.raises(ValueError, match="a name of its own"):
        MultiClass(nn.Identity(), classes, mean=(0.5,), centre=(0.0,), scale=(1.0,))


def test_names_that_repeat_get_their_number():
    assert distinct(["crane", "boat", "Crane", "cup"]) == ("crane (0)", "boat", "Crane (2)", "cup")
