"""Sweeps over a set, on a network and an f that are known by hand; and the report made of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import BrightnessBox, TintNetwork, make_discs, shaken, small_config

from core.classifiers.blackbox import Classifier
from core.evaluation.knob import closeness, frechet_groups, knob_report
from core.evaluation.sweeps import CENTRES, run_sweeps
from core.explainers.changer import Knob
from core.networks.exaggerator import Exaggerator

F, WITNESS = BrightnessBox(gain=10, threshold=0.35), BrightnessBox(gain=5, threshold=0.3)
IMAGES = make_discs(6, seed=2, cause="intensity").images


@pytest.fixture(scope="module")
def tinted():
    return run_sweeps(Knob(TintNetwork(0.02)), F, WITNESS, IMAGES)


def test_shapes(tinted):
    assert tinted.requested.tolist() == list(CENTRES)
    for name in ("achieved", "witness", "distance", "cycle"):
        assert getattr(tinted, name).shape == (6, 10), name
    for name in ("query", "witness_query", "still"):
        assert getattr(tinted, name).shape == (6,), name
    assert tinted.embedding.shape == (6, 1024)
    assert tinted.embeddings.shape == (6, 10, 1024)
    assert tinted.embeddings.dtype == np.float16
    assert tinted.frames.shape == (6, 10, 1, 32, 32)
    assert tinted.frames.dtype == np.uint8


def test_what_a_tint_does_is_known(tinted):
    x = torch.from_numpy(IMAGES).float() / 255
    query, logit = F.posterior(x).numpy(), F.logit(x).numpy()
    np.testing.assert_allclose(tinted.query, query, atol=1e-6)
    tint = 0.02 * 10 * (np.array(CENTRES) - query[:, None])  # slope times bins
    np.testing.assert_allclose(tinted.achieved, 1 / (1 + np.exp(-(logit[:, None] + 10 * tint))), atol=1e-4)
    np.testing.assert_allclose(tinted.distance, np.abs(tint), atol=1e-5)
    np.testing.assert_allclose(tinted.witness_query, WITNESS.posterior(x), atol=1e-6)


def test_nothing_asked_is_nothing_changed(tinted):
    assert not tinted.still.any()
    network = shaken(Exaggerator(small_config("residual")), 0.1)
    assert not run_sweeps(Knob(network), F, None, IMAGES[:2], requests=(0.3,)).still.any()


def test_the_papers_head_is_measured_at_nothing_asked():
    network = shaken(Exaggerator(small_config("paper")), 0.1)
    assert run_sweeps(Knob(network), F, None, IMAGES[:2], requests=(0.3,)).still.min() > 0.05


def test_the_way_back_starts_from_what_f_says(tinted):
    # Back from c(achieved) to c(query): a tint of slope times (query - achieved), on top of the first.
    first = 0.02 * 10 * (np.array(CENTRES) - tinted.query[:, None])
    back = 0.02 * 10 * (tinted.query[:, None] - tinted.achieved)
    np.testing.assert_allclose(tinted.cycle, np.abs(first + back), atol=1e-5)


def test_calibrated_sweeps_hit_the_requests():
    found = run_sweeps(Knob(TintNetwork(0.1)), F, None, IMAGES, mode="calibrated")
    assert np.abs(found.achieved - np.array(CENTRES)).max() < 0.005
    assert found.witness is None
    assert found.witness_query is None


def test_requests_may_be_numpy_numbers():
    knob = Knob(shaken(Exaggerator(small_config("residual")), 0.1))
    assert run_sweeps(knob, F, None, IMAGES[:1], requests=tuple(np.linspace(0.1, 0.9, 3))).achieved.shape == (1, 3)


def test_progress_is_told():
    heard = []
    run_sweeps(Knob(TintNetwork(0.1)), F, None, IMAGES[:3], requests=(0.5,), progress=lambda i, n: heard.append((i, n)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_a_knob_report_is_complete_json():
    torch.manual_seed(0)
    features = Classifier("resnet", 1, ("large",), 8, 32).freeze()
    images = make_discs(14, seed=3).images
    report = knob_report(Knob(TintNetwork(0.1)), F, WITNESS, features, images)
    assert {"head", "direct", "calibrated", "closeness", "frechet"} <= report.keys()
    assert report["direct"]["n"] == 14
    assert report["calibrated"]["within_0.02"]["value"] == pytest.approx(1, abs=0.02)
    assert report["frechet"]["features"].startswith("resnet of width 8")
    assert "fid" not in json.dumps(report).lower()
    json.dumps(report, allow_nan=False)


def test_pictures_against_themselves_are_at_no_distance():
    features = shaken(Classifier("resnet", 1, ("large",), 8, 32), 0.1)
    images = make_discs(24, seed=3).images
    still = run_sweeps(Knob(TintNetwork(0.0)), F, None, images, requests=(0.2, 0.8))
    groups = frechet_groups(still, images, features)
    assert groups["overall"] == pytest.approx(0, abs=0.05)
    assert groups["real_halves"] > 0
    washed = run_sweeps(Knob(TintNetwork(0.06)), F, None, images, requests=(0.02, 0.98))
    assert frechet_groups(washed, images, features)["overall"] > 2 * groups["overall"] + 0.05


def test_groups_too_small_to_fit_are_not_measured():
    torch.manual_seed(0)
    features = Classifier("resnet", 1, ("large",), 8, 32).freeze()
    few = run_sweeps(Knob(TintNetwork(0.0)), F, None, IMAGES, requests=(0.5,))
    assert frechet_groups(few, IMAGES, features)["overall"] is None


def test_closeness_at_its_extremes():
    images = make_discs(12, seed=3).images

    class Constant(TintNetwork):
        def change(self, x, features, origin, wanted):
            change = super().change(x, features, origin, wanted)
            return type(change)(torch.full_like(change.x, 0.5), change.displacement, change.residual)

    assert closeness(run_sweeps(Knob(TintNetwork(0.0)), F, None, images))["value"] == 1
    assert closeness(run_sweeps(Knob(Constant()), F, None, images))["value"] < 0.05
