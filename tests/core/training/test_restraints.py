"""What holds a knob's change back, or pulls it along, beside f."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import AreaBox, BrightnessBox, make_discs, shaken, small_config

from core.classifiers.blackbox import Classifier
from core.networks.exaggerator import Change, Exaggerator
from core.networks.store import save_exaggerator
from core.training.exaggerator import ExaggeratorTrainer
from core.training.knob_settings import ExaggeratorTraining
from core.training.restraints import Restraints

CPU = torch.device("cpu")
FREE = ExaggeratorTraining(
    batch=8, critic_base=4, gan=0, f=0, rec=0, residual=0, chroma=0, smooth=0, magnitude=0, rate=2e-3
)


@pytest.fixture(scope="module")
def images():
    return make_discs(48, seed=4).images


# A second classifier to persuade


def test_the_sibling_pulls_too(images):
    f, sibling = AreaBox(), BrightnessBox(gain=8, threshold=0.4)
    trainer = ExaggeratorTrainer(small_config("morph"), FREE, f, images, CPU, [sibling])
    logs = [trainer.step(i, 0.0)["sibling"] for i in range(30)]
    assert 0 < np.mean(logs[-6:]) < 0.8 * np.mean(logs[:6])


# A recogniser that should see the same person


class Corner(Classifier):
    """Features: the mean brightness of the upper left quarter and a constant."""

    def __init__(self):
        super().__init__("resnet", 1, ("someone",), 8, 32)

    def features(self, x):
        mean = x[:, 0, :16, :16].mean((1, 2))
        return torch.stack([4 * mean - 1, torch.ones_like(mean)], 1)


def test_the_recogniser_holds_what_it_looks_at(images):
    f = BrightnessBox(gain=8, threshold=0.4)
    weights = replace(FREE, f=1.0, identity=200.0)
    kept = {}
    for recogniser in (None, Corner().freeze()):
        trainer = ExaggeratorTrainer(small_config("morph"), weights, f, images, CPU, recogniser=recogniser)
        logs = [trainer.step(i, 0.0) for i in range(60)]
        assert ("identity" in logs[0]) == (recogniser is not None)
        x = torch.from_numpy(images[:24]).float() / 255
        change = (trainer.model(x, f.posterior(x), torch.full((24,), 0.9)).x - x).detach().abs()
        kept[recogniser is not None] = float(change[..., :14, :14].mean() / change[..., 18:, 18:].mean())
    assert kept[True] < 0.5 * kept[False]


# The query among others


def test_latent_training_brings_explanations_nearer_to_their_queries(images):
    logs = {}
    for latent in (0.0, 2.0):
        trainer = ExaggeratorTrainer(
            small_config("morph"),
            replace(FREE, f=1.0, latent=latent),
            BrightnessBox(gain=8, threshold=0.4),
            images,
            CPU,
        )
        logs[latent] = [trainer.step(i, 0.0).get("latent") for i in range(40)]
    assert logs[0.0] == [None] * 40
    assert 0 <= np.mean(logs[2.0][-6:]) < 0.7 * np.mean(logs[2.0][:6])


# The knob it began from


def test_a_kept_knob_stays_and_a_free_one_goes(images, tmp_path):
    f = BrightnessBox(gain=8, threshold=0.4)
    save_exaggerator(shaken(Exaggerator(small_config("morph")), 0.05), tmp_path / "old.safetensors")
    x = torch.from_numpy(images[:24]).float() / 255
    gone = {}
    for keep in (0.0, 50.0):
        weights = replace(FREE, f=1.0, keep=keep, init=str(tmp_path / "old.safetensors"))
        trainer = ExaggeratorTrainer(small_config("morph"), weights, f, images, CPU)
        old = trainer.restraints.first
        logs = [trainer.step(i, 0.0) for i in range(30)]
        assert ("keep" in logs[0]) == (keep > 0)
        p, wanted = f.posterior(x), torch.full((24,), 0.9)
        gone[keep] = float((trainer.model(x, p, wanted).x - old(x, p, wanted).x).detach().abs().mean())
    assert gone[50.0] < 0.5 * gone[0.0]


def test_the_first_step_departs_from_nothing(images, tmp_path):
    save_exaggerator(shaken(Exaggerator(small_config("morph")), 0.05), tmp_path / "old.safetensors")
    weights = replace(FREE, keep=1.0, init=str(tmp_path / "old.safetensors"))
    trainer = ExaggeratorTrainer(small_config("morph"), weights, AreaBox(), images, CPU)
    assert trainer.step(0, 0.0)["keep"] == pytest.approx(0, abs=1e-4)
    before = trainer.restraints.first.state_dict()
    assert not torch.equal(trainer.model.stem.weight, before["stem.weight"])  # and the old one is not trained along


# The price of the fields


def test_prices_by_hand():
    u = torch.tensor(
        [[[[0.0, 0.1], [0.0, 0.1]], [[0.0, 0.0], [0.0, 0.0]]]]
    )  # one column further right moves by a tenth of the side
    r = torch.tensor([[[[0.3]], [[0.0]], [[0.0]]]]).expand(1, 3, 2, 2)  # red alone
    weights = replace(FREE, residual=2.0, chroma=3.0, smooth=5.0, magnitude=7.0)
    found = Restraints(weights, small_config("morph")).prices(Change(r, u, r))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {
            "residual": 2 * 0.1,
            "chroma": 3 * (0.2 + 0.1 + 0.1) / 3,
            "smooth": 5 * 100 * 0.01 / 2,
            "magnitude": 7 * 0.1 / 4,
        }
    )
