"""What a user waits for, on a GPU where there is one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import AreaBox, draw_disc, make_discs, small_config, write_study

from core.images.picture import Picture
from core.studies import open_study
from core.training.classifier import ClassifierConfig, ClassifierTrainer
from core.training.exaggerator import ExaggeratorTrainer, ExaggeratorTraining
from core.training.loop import Budget, run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from toys import STUDY

    text = STUDY + '\n[gate]\nfile = "gate.safetensors"\nthreshold = 0.0\n'
    return write_study(tmp_path_factory.mktemp("checkpoints"), text) / "toy"


PICTURE = Picture(draw_disc(96, 0.25), "cd" * 32, "PNG")


def test_a_study_answers_as_on_the_cpu(folder):
    here, there = open_study(str(folder)), open_study(str(folder), "cuda")
    prepared = here.prepare(PICTURE)
    assert there.gate(prepared, PICTURE).score == pytest.approx(here.gate(prepared, PICTURE).score, abs=1e-3)
    assert there.predict(prepared) == pytest.approx(here.predict(prepared), abs=1e-3)
    for mode in ("direct", "calibrated"):
        one, two = (s.explain("exaggeration", prepared, target="Large", mode=mode) for s in (here, there))
        assert two.provenance.device == "cuda"
        assert np.array_equal(two.frames[two.origin], prepared.tensor)
        if mode == "direct":
            np.testing.assert_allclose(two.frames, one.frames, atol=1e-2)


@pytest.mark.parametrize("head", ["paper", "residual", "morph"])
def test_a_knob_trains_and_goes_on(head, tmp_path):
    images = make_discs(48).images
    training = ExaggeratorTraining(batch=8, critic_base=4)

    def trainer():
        return ExaggeratorTrainer(small_config(head), training, AreaBox(), images, CUDA)

    run(trainer(), Budget(steps=2), tmp_path)
    outcome = run(trainer(), Budget(steps=4), tmp_path, resume=True)
    assert outcome.steps == 4
    assert all(np.isfinite(v) for v in outcome.last.values())


def test_a_classifier_trains_and_comes_back_to_the_cpu(tmp_path):
    discs = make_discs(64)
    labels = (discs.radius > 0.23).astype(np.float32)[:, None]
    config = ClassifierConfig(targets=("large",), width=8, size=32, channels=1, batch=16)
    trainer = ClassifierTrainer(dataclasses.replace(config, mixup=0.2), discs.images, labels, CUDA)
    run(trainer, Budget(steps=3), tmp_path)
    model = trainer.finished(discs.images, labels)
    assert model.posterior(discs.x).shape == (64, 1)
