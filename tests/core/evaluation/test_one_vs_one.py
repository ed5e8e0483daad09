"""The measures of one-against-one maps on a toy with three classes of which everything is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import PLACES, as_choice, bar_network, make_bars

from core.attributions.methods import METHODS
from core.baselines.baseline import ConstantBaseline, NearestSample, TrainingDistribution
from core.classifiers.blackbox import Classifier
from core.evaluation.interval import bootstrap
from core.evaluation.one_vs_one import _correlation, _maps, baseline_report, maps_report
from core.evaluation.randomisation import spearman

SIZE = 12
IMAGES, LABELS = make_bars(12, size=SIZE, classes=3, seed=1)
KEPT, KEPT_LABELS = make_bars(30, size=SIZE, classes=3, seed=2)
MEAN = (KEPT.mean(0) / 255).astype(np.float32)


def baselines() -> dict:
    kept = torch.from_numpy(KEPT)
    return {
        "mdts": NearestSample(kept, torch.from_numpy(KEPT_LABELS)),
        "zero": ConstantBaseline("zero", 0.0),
        "expected": TrainingDistribution(kept, 3),
    }


def network():
    return as_choice(bar_network(3, SIZE), PLACES)


def intervals(value):
    """Every {value, low, high} in it."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= value.keys():
            yield value
        else:
            for inner in value.values():
                yield from intervals(inner)


# Baselines


@pytest.fixture(scope="module")
def of_baselines():
    single = {name: b for name, b in baselines().items() if name != "expected"}
    return baseline_report(network(), single, None, IMAGES, LABELS)


def test_every_baseline_is_asked_for_every_other_class(of_baselines):
    assert of_baselines.keys() == {"mdts", "zero"}
    assert {found["n"] for found in of_baselines.values()} == {12}
    assert of_baselines["mdts"]["one_vs_one"] is True
    assert of_baselines["zero"]["one_vs_one"] is False


def test_what_is_resampled_is_a_picture_not_a_pair():
    """Two of twelve pictures are answered by a fourth class's bar whatever is asked: both of their targets fail."""

    class Stuck:
        one_vs_one = True

        def of(self, x, origin, target):
            made = IMAGES[target == LABELS][: len(x)].copy()
            made[:2] = IMAGES[origin == LABELS][:2] if origin == 0 else made[:2]
            return torch.from_numpy(made)[:, None].float() / 255

    found = baseline_report(network(), {"stuck": Stuck()}, None, IMAGES, LABELS)["stuck"]["called_target"]
    own = np.ones(12)
    own[:2] = 0
    wanted = bootstrap(lambda v: float(v.mean()), own, rounds=500, seed=0).to_dict()
    assert found["value"] == pytest.approx(10 / 12, abs=1e-4)
    assert (found["low"], found["high"]) == pytest.approx((wanted["low"], wanted["high"]), abs=1e-4)


def test_the_nearest_sample_is_of_the_class_and_black_is_of_none(of_baselines):
    assert of_baselines["mdts"]["called_target"]["value"] == 1
    assert of_baselines["zero"]["called_target"]["value"] == pytest.approx(
        1 / 3, abs=1e-4
    )  # black always answers the same
    x = IMAGES / 255
    assert of_baselines["zero"]["distance"]["value"] == pytest.approx(x.mean(), abs=1e-4)
    assert of_baselines["mdts"]["distance"]["value"] < of_baselines["zero"]["distance"]["value"]
    assert of_baselines["mdts"]["frechet"] < of_baselines["zero"]["frechet"]


def test_an_independent_networks_features_can_be_taken():
    torch.manual_seed(1)
    witness = Classifier("resnet", 1, ("a",), 4, SIZE).freeze()
    report = baseline_report(network(), {"zero": ConstantBaseline("zero", 0)}, witness, IMAGES, LABELS)
    assert np.isfinite(report["zero"]["frechet"])


# Maps


@pytest.fixture(scope="module")
def of_maps():
    seen = []
    report = maps_report(
        network(), baselines(), IMAGES, LABELS, MEAN, checked=4, progress=lambda done, of: seen.append((done, of))
    )  # fmt: skip
    assert {of for _, of in seen} == {18}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    return report


def test_it_is_json_and_every_number_has_an_interval(of_maps, of_baselines):
    found = json.loads(json.dumps([of_maps, of_baselines], allow_nan=False))
    assert found == [of_maps, of_baselines]
    numbers = list(intervals(of_maps))
    assert len(numbers) > 100
    assert all(n["low"] <= n["value"] + 1e-4 and n["value"] <= n["high"] + 1e-4 for n in numbers)


def test_a_cell_for_every_method_and_baseline(of_maps):
    assert (of_maps["n"], of_maps["score"], of_maps["checked"]) == (12, "contrast", 4)
    assert of_maps["cells"].keys() == set(METHODS)
    for method, cells in of_maps["cells"].items():
        # Against one picture DeepSHAP is DeepLIFT and Expected Gradients a noisy IG: not measured twice.
        many = {"gradient": ["mdts"], "deepshap": ["expected"], "eg": ["expected"]}
        assert list(cells) == many.get(method, ["mdts", "zero", "expected"])
        for cell in cells.values():
            assert ("residual" in cell) == METHODS[method].complete
            assert cell["attraction"]["n"] == 4
            assert cell["randomised"]["share"][-1] == 1
            assert len(cell["randomised"]["spearman"]) == len(cell["randomised"]["share"])


def test_a_complete_method_is_complete_on_a_linear_network(of_maps):
    for method in ("ig", "deeplift", "deepshap", "eg"):
        for cell in of_maps["cells"][method].values():
            assert cell["residual"]["value"] < 1e-3


def test_the_order_of_importance_matters(of_maps):
    """Against the nearest sample of the other class: most beats random beats least."""
    cell = of_maps["cells"]["ig"]["mdts"]
    both = {
        o: cell[f"fall_{o}_baseline"]["value"] + cell[f"rise_{o}_baseline"]["value"]
        for o in ("most", "random", "least")
    }
    assert both["most"] > both["random"] + 1 > both["least"] + 1


def test_what_is_exact_repeats(of_maps):
    for method in ("ig", "deeplift", "occlusion"):
        assert of_maps["cells"][method]["mdts"]["repeatability"]["value"] > 0.99


def test_a_seed_repeats():
    ask = {"methods": ("eg",), "checked": 2}
    few = {"expected": baselines()["expected"]}
    a = maps_report(network(), few, IMAGES, LABELS, MEAN, **ask)
    assert a == maps_report(network(), few, IMAGES, LABELS, MEAN, **ask)
    assert a != maps_report(network(), few, IMAGES, LABELS, MEAN, seed=1, **ask)


def test_maps_go_back_to_their_own_rows():
    """Pair of classes by pair, and in the pictures' order again."""
    x = torch.from_numpy(IMAGES).float() / 255
    o = torch.from_numpy(LABELS)
    t = (o + torch.tensor([1, 2] * 6)) % 3
    pictures = torch.zeros_like(x)[:, None]
    maps, gaps = _maps(network(), "deeplift", x, pictures, o, t, "contrast", 0)
    weight = network().net.fc.weight.view(3, SIZE, SIZE)
    torch.testing.assert_close(maps, (weight[o] - weight[t]) * x[:, 0])
    assert gaps.shape == (12,)


def test_rank_correlation_is_scipys():
    a, b = torch.randn(4, 6, 6), torch.randn(4, 6, 6)
    want = [spearman(p, q) for p, q in zip(a.numpy(), b.numpy(), strict=True)]
    np.testing.assert_allclose(_correlation(a, b), want, atol=1e-6)
