"""What a user waits for, on a GPU where there is one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import AreaBox, draw_disc, make_discs, prepared_window, small_config, toy_infill, write_study, write_table

from core.data.table import read_table
from core.evaluation.masks import find_maps
from core.evaluation.study import evaluate_study
from core.explainers.masking import sign_of
from core.images.picture import Picture
from core.studies import open_study
from core.training.classifier import ClassifierConfig, ClassifierTrainer
from core.training.exaggerator import ExaggeratorTrainer
from core.training.knob_settings import ExaggeratorTraining
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


@pytest.mark.parametrize("measure", ["classifier", "knobs", "infills", "masks", "saliency", "discrimination"])
def test_a_study_is_measured_as_on_the_cpu(measure, folder, tmp_path):
    (tmp_path / "pictures").mkdir()
    table = read_table(*write_table(tmp_path / "pictures"))
    found = {}
    for place in ("cpu", "cuda"):
        study = open_study(str(folder), place)
        found[place] = evaluate_study(
            study, table, tmp_path / place, measures=(measure,), pictures=4, cache=tmp_path / "cache" / place
        )
    one, two = (found[place].keys() for place in ("cpu", "cuda"))
    assert one == two
    if measure == "classifier":
        values = [f["classifier"]["targets"]["Large"]["accuracy"]["value"] for f in found.values()]
        assert values[0] == pytest.approx(values[1], abs=1e-3)
    if measure == "knobs":
        values = [f["knobs"]["Large"]["morph"]["direct"]["error"]["value"] for f in found.values()]
        assert values[0] == pytest.approx(values[1], abs=5e-3)


@pytest.mark.parametrize("row", ["fido-ssr", "fido-sdr", "bbmp", "extremal"])
def test_masks_are_found_on_the_gpu(row):
    from toys import WindowBox

    x = torch.from_numpy(prepared_window().tensor)[None].to(CUDA)
    f = WindowBox()
    found = find_maps(f, toy_infill("local"), x, sign_of(f, x, "predicted"), row, "quick")
    assert found.maps.shape == (1, *x.shape[2:])
    assert found.regions.any()
