"""One against one: what is asked by default, what the result says, and mistakes in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import CPU, PLACES, as_choice, bar_network, bar_place, make_bars

from core.attributions.methods import METHODS
from core.baselines.baseline import ConstantBaseline, NearestSample, TrainingDistribution
from core.errors import UserError
from core.explainers.one_vs_one import OneVsOneConfig, explain
from core.explainers.registry import find_explainer
from core.images.picture import Prepared

IMAGES, LABELS = make_bars(30, classes=3, seed=3)


class ChoiceSubject:
    """What the explainer asks of a study."""

    name, device, choices = "toy", CPU, ("place", "other")

    def __init__(self) -> None:
        self.network, self.asked = as_choice(bar_network(3), PLACES), []

    def choice(self, name):
        self.asked.append(name)
        return self.network

    def seen_by(self, choice, prepared):
        return prepared

    def baseline(self, name, choice):
        pictures = torch.from_numpy(IMAGES)
        if name == "mdts":
            return NearestSample(pictures, torch.from_numpy(LABELS))
        if name == "expected":
            return TrainingDistribution(pictures, 4)
        return ConstantBaseline(name, 0.0)


@pytest.fixture
def subject():
    return ChoiceSubject()


@pytest.fixture
def prepared():
    """Brightest left, then in the middle, then right."""
    tensor = np.full((1, 16, 16), 0.2, np.float32)
    for k, level in ((0, 0.9), (2, 0.6), (1, 0.3)):
        tensor[(slice(None), *bar_place(k))] = level
    return Prepared(tensor=tensor, view=tensor[0], digest="cd" * 32, placement=np.eye(2, 3))


def ask(subject, prepared, target="", **options):
    return explain(subject, prepared, target, OneVsOneConfig(**options))


def test_by_default_the_predicted_class_against_the_second(subject, prepared):
    result = ask(subject, prepared)
    assert (result.origin, result.target) == ("left", "middle")
    assert (result.choice, result.baseline, result.method, result.score) == ("place", "ganmex", "ig", "contrast")
    assert subject.asked == ["place"]


def test_a_class_as_origin_that_is_not_predicted_is_asked_against_the_predicted_one(subject, prepared):
    result = ask(subject, prepared, origin="right")
    assert (result.origin, result.target) == ("right", "left")


def test_another_choice_can_be_asked(subject, prepared):
    assert ask(subject, prepared, choice="other").choice == "other"
    assert subject.asked == ["other"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("baseline", ["zero", "mdts", "expected"])
def test_the_numbers_fit_together(subject, prepared, baseline, method):
    result = ask(subject, prepared, "right", baseline=baseline, method=method)
    network, x = subject.network, torch.from_numpy(prepared.tensor)[None]
    pictures = subject.baseline(baseline, "place").of(x, 0, 1)[0]
    assert result.baselines == len(pictures) == (4 if baseline == "expected" else 1)
    np.testing.assert_allclose(result.picture, pictures.mean(0), atol=1e-6)
    s = network(x)[0, 0] - network(x)[0, 1]
    there = network(pictures)
    assert result.change == pytest.approx(float(s - (there[:, 0] - there[:, 1]).mean()), abs=1e-4)
    assert result.residual == pytest.approx(float(result.map.sum()) - result.change, abs=1e-4)
    if METHODS[method].complete:
        assert abs(result.residual) < 1e-3
    np.testing.assert_allclose(result.posterior, network.posterior(x)[0], atol=1e-6)
    np.testing.assert_allclose(result.baseline_posterior, network.posterior(pictures).mean(0), atol=1e-6)
    assert result.flat.shape == (16, 16)
    np.testing.assert_allclose(result.flat, result.map.sum(0))


def test_the_map_is_orange_where_it_speaks_for_the_origin(subject, prepared):
    flat = ask(subject, prepared, "right", baseline="zero").flat
    assert flat[bar_place(0)].sum() > 0 > flat[bar_place(1)].sum()
    assert flat[bar_place(2)].sum() == pytest.approx(0)
    own = ask(subject, prepared, "right", baseline="zero", score="own").flat
    assert own[bar_place(1)].sum() == pytest.approx(0)


def test_numbers_are_json_without_pixels(subject, prepared):
    found = json.loads(json.dumps(ask(subject, prepared).to_dict(), allow_nan=False))
    assert found["posterior"].keys() == found["baseline_posterior"].keys() == set(PLACES)
    assert sum(found["posterior"].values()) == pytest.approx(1, abs=1e-5)
    assert (found["origin"], found["target"], found["picture"]) == ("left", "middle", ("cd" * 32)[:16])
    assert {"change", "residual", "seed", "method", "baseline", "baselines", "score", "choice"} <= found.keys()
    assert len(json.dumps(found)) < 2000


def test_a_seed_repeats(subject, prepared):
    a, b, c = (ask(subject, prepared, method="eg", baseline="expected", seed=s).map for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert c.shape == a.shape


def test_steps_reach_the_method_and_the_numbers(subject, prepared):
    subject.network = as_choice(torch.nn.Sequential(torch.nn.Softplus(), *bar_network(3)).requires_grad_(False), PLACES)
    few, many = (ask(subject, prepared, baseline="zero", steps=s) for s in (1, None))
    assert (few.to_dict()["steps"], many.to_dict()["steps"]) == (1, None)
    assert abs(few.residual) > 10 * abs(many.residual)


def test_it_reports_once(subject, prepared):
    seen = []
    explain(subject, prepared, "", OneVsOneConfig(), lambda done, of: seen.append((done, of)))
    assert seen == [(1, 1)]


def test_it_can_be_found():
    assert find_explainer("one-vs-one").run is explain


# Mistakes


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("left", {}, "A class cannot be asked against itself: 'left'"),
        ("right", {"origin": "right"}, "A class cannot be asked against itself: 'right'"),
        ("up", {}, "There is no class 'up'; there is: left, right, middle"),
        ("left", {"origin": "up"}, "There is no class 'up'"),
        ("right", {"method": "lime"}, "There is no attribution 'lime'"),
        ("right", {"steps": 0}, "Steps are a number from 1 to"),
        ("right", {"score": "softmax"}, "There is no score 'softmax'"),
    ],
)
def test_a_mistake_is_a_sentence(subject, prepared, target, options, sentence):
    with pytest.raises(UserError, match=sentence):
        ask(subject, prepared, target, **options)


def test_a_study_without_a_choice_says_so(subject, prepared):
    subject.choices = ()
    with pytest.raises(UserError, match="'toy' has no choice among several classes"):
        ask(subject, prepared)
