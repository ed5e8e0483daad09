"""Baselines: shapes, ranges, and which training picture is the nearest."""

from __future__ import annotations

import pytest
import torch

from core.baselines.baseline import (
    NAMES,
    TITLES,
    BlurBaseline,
    ConstantBaseline,
    MeanBaseline,
    NearestSample,
    TrainingDistribution,
)
from core.baselines.ganmex import GanmexBaseline
from core.errors import UserError
from core.networks.translator import Translator, TranslatorConfig

PICTURES = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(12) % 3
X = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(2))


def every() -> dict:
    translator = Translator(TranslatorConfig(3, 16, 1, 4, 1)).eval().requires_grad_(False)
    kinds = (
        ConstantBaseline("zero", 0), ConstantBaseline("max", 1), BlurBaseline(),
        MeanBaseline(PICTURES.float().mean(0) / 255), NearestSample(PICTURES, LABELS),
        TrainingDistribution(PICTURES, 5), GanmexBaseline(translator),
    )  # fmt: skip
    return {k.name: k for k in kinds}


def test_every_kind_has_a_name_and_a_title():
    assert set(every()) == set(NAMES) == set(TITLES)


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_range(name):
    made = every()[name].of(X, 0, 1)
    assert made.shape == (4, 5 if name == "expected" else 1, 1, 16, 16)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    assert not made.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_only_some_look_at_the_class_asked_about(name):
    kind = every()[name]
    assert torch.equal(kind.of(X, 0, 1), kind.of(X, 0, 2)) != kind.one_vs_one


def test_constants_and_the_mean_are_what_they_say():
    kinds = every()
    assert not kinds["zero"].of(X, 0, 1).any()
    assert (kinds["max"].of(X, 0, 1) == 1).all()
    torch.testing.assert_close(kinds["mean"].of(X, 0, 1)[2, 0], PICTURES.float().mean(0) / 255)


def test_the_blur_keeps_the_mean_and_loses_the_detail():
    made = BlurBaseline(0.2).of(X, 0, 1)[:, 0]
    torch.testing.assert_close(made.mean((1, 2, 3)), X.mean((1, 2, 3)), atol=0.03, rtol=0)
    assert (made.std((1, 2, 3)) < 0.3 * X.std((1, 2, 3))).all()


def test_the_nearest_of_the_target_class_is_found():
    """A hand-placed neighbour of each picture; nearer ones of other classes do not count."""
    x = X[:2]
    stored = torch.cat([PICTURES, (x * 255).round().to(torch.uint8), (x * 245).round().to(torch.uint8)])
    labels = torch.cat([LABELS, torch.tensor([0, 0, 1, 2])])
    made = NearestSample(stored, labels).of(x, 0, 1)
    torch.testing.assert_close(made[0, 0], stored[14].float() / 255)
    assert not torch.allclose(made[1, 0], stored[15].float() / 255)
    own = stored[labels == 1].float() / 255
    torch.testing.assert_close(made[1, 0], own[int((own - x[1]).square().sum((1, 2, 3)).argmin())])


def test_a_class_without_pictures_is_said():
    with pytest.raises(UserError, match="No training picture of class 7 is kept; `contralens references`"):
        NearestSample(PICTURES, LABELS).of(X, 0, 7)


def test_the_distribution_is_a_fixed_draw_of_the_pictures():
    made = TrainingDistribution(PICTURES, 5).of(X, 0, 1)
    assert torch.equal(made[0], made[3])
    assert torch.equal(made, TrainingDistribution(PICTURES, 5).of(X, 2, 0))
    assert not torch.equal(made, TrainingDistribution(PICTURES, 5, seed=1).of(X, 0, 1))
    stored = PICTURES.float() / 255
    assert all((stored == one).all((1, 2, 3)).any() for one in made[0])
    assert len(torch.unique(made[0].flatten(1), dim=0)) == 5, "none twice"
    assert TrainingDistribution(PICTURES, 99).of(X, 0, 1).shape[1] == 12


def test_ganmex_is_the_translator_asked_for_the_target():
    kind = every()["ganmex"]
    torch.testing.assert_close(kind.of(X, 0, 2)[:, 0], kind.network(X, torch.full((4,), 2)))
