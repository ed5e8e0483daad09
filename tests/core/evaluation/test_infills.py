"""The report on infills, with holes and pictures that are known: errors by hand, and an infill that cannot err."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import make_discs, shaken, toy_infill

from core.classifiers.blackbox import Classifier
from core.evaluation.infills import MISSING, infill_report
from core.infills.heuristic import MeanInfill
from core.infills.holes import random_holes_of

IMAGES = make_discs(10, seed=4).images
NAMES = ("mean", "blur", "local", "random")


class Fake:
    """An infill out of a function of picture, holes and generator."""

    def __init__(self, name: str, paint, stochastic: bool = False) -> None:
        self.name, self.paint, self.stochastic = name, paint, stochastic

    def propose(self, x, mask, generator=None):
        return self.paint(x[:, None].expand(-1, mask.shape[1], -1, -1, -1), mask, generator)


ORACLE = Fake("oracle", lambda x, mask, generator: x.clone())
COIN = Fake(
    "coin", lambda x, mask, g: torch.randint(0, 2, (*x.shape[:2], 1, 1, 1), generator=g).to(x).expand(x.shape), True
)
LOUD = Fake("loud", lambda x, mask, generator: torch.full_like(x, 0.9))


@pytest.fixture(scope="module")
def features():
    torch.manual_seed(0)
    return shaken(Classifier("resnet", 1, ("large",), 8, 32), 0.1)


@pytest.fixture(scope="module")
def report(features):
    known = {name: toy_infill(name) for name in NAMES} | {"oracle": ORACLE, "loud": LOUD}
    return infill_report(known, IMAGES, features)


def holes(n: int = 10, seed: int = 0) -> np.ndarray:
    return random_holes_of(n, 32, np.random.default_rng(seed), *MISSING).numpy()


def test_it_is_json_and_says_what_was_hidden(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["n"] == 10
    assert report["missing"] == [0.2, 0.6]
    assert report["mean_missing"] == pytest.approx(holes().mean(), abs=1e-4)
    assert 0.2 <= report["mean_missing"] <= 0.6
    assert list(report["infills"]) == [*NAMES, "oracle", "loud"]
    assert "fid" not in json.dumps(report).lower()


def test_the_error_inside_a_hole_by_hand(report):
    x, hole = IMAGES / 255, holes()
    each = [np.abs(0.25 - a[h > 0]).mean() for a, h in zip(x, hole, strict=True)]
    found = report["infills"]["mean"]["hole_l1"]
    assert found["value"] == pytest.approx(np.mean(each), abs=2e-5)
    assert min(each) <= found["low"] < found["value"] < found["high"] <= max(each)


def test_an_error_of_which_every_pixel_is_known():
    flat = np.full((3, 1, 32, 32), 51, dtype=np.uint8)  # .2
    found = infill_report({"mean": MeanInfill(torch.tensor([0.5]))}, flat, None)["infills"]["mean"]
    assert found["hole_l1"] == pytest.approx({"value": 0.3, "low": 0.3, "high": 0.3}, abs=1e-5)


def test_colours_are_averaged_not_added():
    flat = np.full((3, 3, 32, 32), 51, dtype=np.uint8)
    found = infill_report({"mean": MeanInfill(torch.tensor([0.5, 0.2, 0.2]))}, flat, None)["infills"]["mean"]
    assert found["hole_l1"]["value"] == pytest.approx(0.1, abs=1e-5)


def test_what_is_visible_stays(report):
    assert [cell["visible_change"] for cell in report["infills"].values()] == [0] * 6


def test_only_an_infill_that_varies_differs_from_itself(report):
    between = {name: cell["between_samples"] for name, cell in report["infills"].items()}
    assert between.pop("random") > 0.1
    assert set(between.values()) == {0}


def test_the_difference_of_two_samples_by_hand():
    # Each sample is all black or all white: two of them differ by 1 or not at all.
    images = make_discs(40, seed=4).images
    found = infill_report({"coin": COIN}, images, None)["infills"]["coin"]["between_samples"]
    assert found * 40 == pytest.approx(round(found * 40), abs=1e-2)
    assert 0.2 < found < 0.8


def test_the_truth_is_no_error(report):
    oracle = report["infills"]["oracle"]
    assert oracle["hole_l1"] == {"value": 0, "low": 0, "high": 0}
    assert oracle["frechet"] == pytest.approx(0, abs=1e-3)


def test_the_order_of_infills_is_that_of_their_guesses(report):
    l1 = {name: cell["hole_l1"]["value"] for name, cell in report["infills"].items()}
    assert l1["oracle"] < l1["blur"] < l1["loud"]
    assert l1["oracle"] < l1["local"] < l1["random"]


def test_a_set_that_looks_like_no_real_one_is_far_away(report):
    distance = {name: cell["frechet"] for name, cell in report["infills"].items()}
    assert distance["loud"] > 10 * max(distance["oracle"], 1e-3)
    assert report["features"] == "the study's independent network"


def test_without_an_independent_network_there_is_no_distance():
    report = infill_report({"mean": toy_infill("mean")}, IMAGES[:3], None)
    assert "features" not in report
    assert report["infills"]["mean"].keys() == {"hole_l1", "visible_change", "between_samples"}


def test_a_seed_repeats_it(features):
    known = {"random": toy_infill("random")}
    a, b, c = (infill_report(known, IMAGES[:4], features, seed=s) for s in (3, 3, 4))
    assert a == b
    assert a["mean_missing"] != c["mean_missing"]
    assert a["infills"]["random"]["hole_l1"] != c["infills"]["random"]["hole_l1"]


def test_the_batch_changes_nothing_for_what_does_not_vary(features):
    known = {name: toy_infill(name) for name in ("mean", "local")}
    a, b = (infill_report(known, IMAGES[:5], features, batch=n) for n in (2, 32))
    for name in known:
        assert a["infills"][name]["hole_l1"] == pytest.approx(b["infills"][name]["hole_l1"], abs=1e-5)


def test_every_infill_gets_the_same_holes():
    seen: dict[str, list] = {"a": [], "b": []}
    for name in seen:
        known = {name: Fake(name, lambda x, mask, g, name=name: (seen[name].append(mask.clone()), x)[1])}
        known = {"random": toy_infill("random")} | known if name == "b" else known
        infill_report(known, IMAGES[:4], None)
    assert torch.equal(torch.cat(seen["a"]), torch.cat(seen["b"]))


def test_progress_is_told():
    heard = []
    known = {name: toy_infill(name) for name in ("mean", "local")}
    infill_report(known, IMAGES[:5], None, batch=2, progress=lambda i, n: heard.append((i, n)))
    assert heard == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]
