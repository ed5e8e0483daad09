"""What the knob is compared with, measured like the knob: on a manifold known by hand, and in a whole study."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from toys import STUDY, BrightnessBox, LinearAutoencoder, TintNetwork, make_discs, shaken

from core.data.table import read_table
from core.evaluation import verification
from core.evaluation.changers import knobs_of, rivals_of
from core.evaluation.knob import knob_report
from core.evaluation.study import evaluate_study
from core.evaluation.summary import summary
from core.evaluation.sweeps import CENTRES, run_sweeps
from core.explainers.changer import Knob
from core.explainers.latent_shift import LatentShift, LatentShiftConfig
from core.explainers.xgem import Xgem, XgemConfig
from core.networks.autoencoder import Autoencoder, AutoencoderConfig
from core.networks.store import save_autoencoder
from core.studies import Study

F, WITNESS = BrightnessBox(gain=10, threshold=0.35), BrightnessBox(gain=5, threshold=0.3)
LINEAR = LinearAutoencoder()
SHIFT = LatentShift(LINEAR, LatentShiftConfig(change=9.0))
IMAGES = make_discs(5, seed=2, cause="intensity").images
X = torch.from_numpy(IMAGES).float() / 255
STILL = LINEAR.decode(LINEAR.embed(X))


@pytest.fixture
def study(study_folder, tmp_path):
    """The toy study with a random autoencoder."""
    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    (tmp_path / "toy" / "study.toml").write_text(STUDY + '\n[autoencoder]\nfile = "autoencoder.safetensors"\n')
    network = shaken(Autoencoder(AutoencoderConfig(32, 1, 8, 4)), 0.1)
    save_autoencoder(network, tmp_path / "toy" / "autoencoder.safetensors")
    return Study(tmp_path / "toy")


# Sweeps


def test_what_latent_shift_does_is_known():
    table = run_sweeps(SHIFT, F, WITNESS, IMAGES)
    np.testing.assert_allclose(table.achieved, np.tile(CENTRES, (5, 1)), atol=1e-3)
    np.testing.assert_allclose(table.query, F.posterior(X), atol=1e-6)
    np.testing.assert_allclose(table.still, (STILL - X).abs().amax((1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(table.embedding, LINEAR.embed(X), atol=1e-5)
    # Shifted pictures are on the manifold: their code is z + l w / |w|^2, l the change of log-odds.
    w, mu = LINEAR.slope(F), LINEAR.embed(X)
    shift = torch.logit(torch.tensor(CENTRES)) - F.logit(STILL)[:, None]
    expected = mu[:, None] + shift[..., None] * w / (w @ w)
    np.testing.assert_allclose(table.embeddings, expected, atol=0.02)
    # And back to f(x): the point of the same line at which f says what it said of x.
    there = LINEAR.decode(mu + (F.logit(X) - F.logit(STILL))[:, None] * w / (w @ w))
    wanted = (there - X).abs().mean((1, 2, 3))
    np.testing.assert_allclose(table.cycle, wanted[:, None].expand(-1, 10), atol=2e-3)


def test_xgem_is_swept_like_the_rest():
    table = run_sweeps(Xgem(LINEAR, XgemConfig(steps=80, rate=0.6, fidelity=0.1)), F, WITNESS, IMAGES[:2])
    np.testing.assert_allclose(table.achieved, np.tile(CENTRES, (2, 1)), atol=0.06)
    assert table.frames.shape == (2, 10, 1, 32, 32)
    assert table.witness.shape == (2, 10)
    np.testing.assert_allclose(table.still, (STILL[:2] - X[:2]).abs().amax((1, 2, 3)), atol=1e-5)


def test_a_report_of_one_mode():
    report = knob_report(SHIFT, F, WITNESS, None, IMAGES)
    assert report.keys() == {"head", "direct", "closeness"}
    assert report["head"] == "latent-shift"
    assert report["direct"]["within_0.02"]["value"] == 1
    assert report["direct"]["still_max"] > 0
    json.dumps(report, allow_nan=False)


def test_one_picture_is_near_to_no_other():
    report = knob_report(Knob(TintNetwork(0.1)), F, None, None, IMAGES[:1])
    assert report["closeness"] == {"value": None, "low": None, "high": None}


def test_a_knobs_report_has_the_share_within_in_its_exact_mode_alone():
    report = knob_report(Knob(TintNetwork(0.1)), F, None, None, IMAGES)
    assert "within_0.02" in report["calibrated"]
    assert "within_0.02" not in report["direct"]


def test_verification_takes_any_changer(monkeypatch):
    # A recogniser that looks at brightness alone: how far f's answer was moved.
    monkeypatch.setattr(verification, "describe_face", lambda face, where=None: np.array([face.mean() / 255]))
    views = [np.repeat(x.numpy().transpose(1, 2, 0), 3, 2) for x in X]
    linear = LinearAutoencoder(channels=3)
    changer = LatentShift(linear, LatentShiftConfig(change=9.0))
    tensors = np.repeat(IMAGES, 3, 1)
    report = verification.verification_report(changer, F, views, tensors, np.array([1, 2, 3, 4, 0]))
    x = torch.from_numpy(tensors).float() / 255
    expected = []
    for one in x:
        frames = changer.find(F, one[None], torch.tensor([[CENTRES[0], CENTRES[-1]]])).frames[0].clamp(0, 1)
        expected += [abs(float(frame.mean() - one.mean())) for frame in frames]
    assert report["n"] == 5
    assert report["mean_distance"] == pytest.approx(np.mean(expected), abs=3e-3)
    assert report["false_matches"]["value"] == 1, "all strangers are as bright"
    alone = verification.verification_report(changer, F, views[:2], tensors[:2], np.array([], dtype=int))
    assert alone["false_matches"] == {"value": None, "low": None, "high": None}


# Which


def test_all_knobs_or_those_that_are_named(study):
    assert [(t, c.head) for t, c in knobs_of(study)] == [("Large", "morph"), ("Large", "paper")]
    assert [c.head for _, c in knobs_of(study, ("paper",))] == ["paper"]
    assert len(list(knobs_of(study, targets=("Large",)))) == 2
    assert not list(knobs_of(study, targets=("Bright",)))


def test_rivals_need_an_autoencoder(study, toy_study):
    assert [c.head for c in rivals_of(study)] == ["xgem", "latent-shift"]
    assert rivals_of(toy_study) == ()


def _few(defaults: tuple) -> tuple:
    """A constructor's defaults with two steps in place of sixty."""
    return tuple(2 if value == XgemConfig().steps else value for value in defaults)


def test_a_study_is_measured_with_its_rivals(study, labelled_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(XgemConfig.__init__, "__defaults__", _few(XgemConfig.__init__.__defaults__))
    out = tmp_path / "out"
    metrics = evaluate_study(
        study, read_table(*labelled_folder), out, measures=("rivals",), pictures=3,
        cache=tmp_path / "cache",
    )  # fmt: skip
    part = metrics["rivals"]["Large"]
    assert part["n"] == 3
    assert {"data", "split", "seed", "commit"} <= part.keys()
    found = part["methods"]
    assert list(found) == ["morph", "xgem", "latent-shift"]
    for head, report in found.items():
        assert report["head"] == head
        assert report["direct"]["n"] == 3
        assert {"closeness", "frechet"} <= report.keys()
        assert ("calibrated" in report) is (head == "morph")
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert "| Large | latent-shift |" in summary(metrics)

    # One head alone is measured again and leaves the others as they were; on other pictures they cannot stay.
    def again(pictures: int) -> dict:
        report = {"morph": {"old": True}, "xgem": {"old": True}}
        (out / "metrics.json").write_text(json.dumps(metrics | {"rivals": {"Large": part | {"methods": report}}}))
        found = evaluate_study(
            study, read_table(*labelled_folder), out, measures=("rivals",), pictures=pictures, heads=("morph",),
            cache=tmp_path / "cache",
        )  # fmt: skip
        return found["rivals"]["Large"]["methods"]

    assert again(3) == {"morph": found["morph"], "xgem": {"old": True}}
    assert list(again(2)) == ["morph"]
