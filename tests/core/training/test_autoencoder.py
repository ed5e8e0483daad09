"""Training the autoencoder: it learns, no latent number collapses, and a run goes on exactly where it stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import make_discs

from core.errors import UserError
from core.networks.autoencoder import Autoencoder, AutoencoderConfig
from core.networks.store import load_autoencoder
from core.training.autoencoder import AutoencoderTrainer, AutoencoderTraining, reconstruction_report
from core.training.job import Job
from core.training.loop import Budget, run
from core.training.recipes import train_autoencoder
from core.training.source import Source

CPU = torch.device("cpu")
FEW = AutoencoderTraining(batch=8, ema=0.8, rate=4e-3)
SHAPE = AutoencoderConfig(32, 1, 8, 4)


@pytest.fixture(scope="module")
def images():
    """Discs that differ in radius and in brightness, half of them with a bar: three causes."""
    one, two = make_discs(48, seed=4), make_discs(48, seed=5, cause="intensity")
    return np.concatenate([one.images, two.images])


def make_trainer(images, training=FEW):
    return AutoencoderTrainer(SHAPE, training, images, CPU)


def differing(one, two) -> list[str]:
    return [n for n, t in one.state_dict().items() if not torch.equal(t, two.state_dict()[n])]


def test_it_learns_and_uses_its_code(images):
    trainer = make_trainer(images)
    before = reconstruction_report(trainer.finished(), images)
    for i in range(240):
        numbers = trainer.step(i, i / 240)
    assert all(np.isfinite(v) for v in numbers.values())
    after = reconstruction_report(trainer.finished(), images)
    one_for_all = float(np.abs(images / 255 - np.median(images, 0) / 255).mean())  # what a collapsed code can do
    assert after["error"] < 0.85 * one_for_all < before["error"]
    assert after["active"] >= 3  # as many as there are causes
    assert after["nats"] > 3


def test_the_divergence_comes_in_slowly(images):
    # With the whole budget before it the KL has no weight: a huge one changes nothing in the first step.
    one, two = (make_trainer(images, AutoencoderTraining(batch=8, scale=s)) for s in (0.05, 1e6))
    for trainer in (one, two):
        torch.manual_seed(1)  # the codes are drawn from it
        trainer.step(0, 0.0)
    assert differing(one.model, two.model) == []
    for trainer in (one, two):
        torch.manual_seed(2)
        trainer.step(1, 0.25)
    assert differing(one.model, two.model)


def test_without_a_warm_up_it_counts_at_once(images):
    one, two = (make_trainer(images, AutoencoderTraining(batch=8, scale=s, warm_up=0)) for s in (0.05, 1e6))
    for trainer in (one, two):
        torch.manual_seed(1)
        trainer.step(0, 0.0)
    assert differing(one.model, two.model)


@pytest.mark.parametrize("flip", [False, True])
def test_mirrored_pictures_come_if_wanted(images, flip):
    lopsided = images.copy()
    lopsided[..., :16], lopsided[..., 16:] = 0, 255
    x = make_trainer(lopsided, AutoencoderTraining(batch=64, flip=flip))._batch()
    share = (x[..., 0] == 0).all((1, 2)).float().mean().item()
    assert (0.2 < share < 0.8) if flip else share == 1


def test_the_report_by_hand():
    class Even(Autoencoder):
        """Every picture is grey; its code is its mean, with a standard deviation of 1."""

        def encode(self, x):
            mean = x.mean((1, 2, 3))[:, None].repeat(1, 4)
            return mean, torch.zeros_like(mean)

        def decode(self, z):
            return torch.full((len(z), 1, 32, 32), 0.5)

    pictures = np.zeros((2, 1, 32, 32), np.uint8)
    pictures[1] = 255
    report = reconstruction_report(Even(SHAPE), pictures, batch=1)
    # KL of N(1, 1) from N(0, 1) is 1/2 for each of four numbers, and 0 for the dark picture.
    assert report == {"n": 2, "error": 0.5, "nats": 1.0, "active": 4, "latent": 4}


# Repeatability


def test_the_same_seed_repeats_the_run_and_another_does_not(images, tmp_path):
    trainers = []
    for name, seed in (("1", 0), ("2", 0), ("3", 1)):
        trainers.append(make_trainer(images, AutoencoderTraining(batch=8, seed=seed)))
        run(trainers[-1], Budget(steps=3), tmp_path / name)
    assert differing(trainers[0].model, trainers[1].model) == []
    assert differing(trainers[0].model, trainers[2].model)


def test_a_run_goes_on_exactly_where_it_stopped(images, tmp_path):
    def stop(index, of, numbers):
        if index == 3:
            raise KeyboardInterrupt

    whole = make_trainer(images)
    run(whole, Budget(steps=6), tmp_path / "whole")
    run(make_trainer(images), Budget(steps=6), tmp_path / "parts", progress=stop)
    torch.rand(5)  # whatever else happens in between
    rest = make_trainer(images)
    assert run(rest, Budget(steps=6), tmp_path / "parts", resume=True).steps == 6
    assert differing(whole.model, rest.model) == []
    assert differing(whole.finished(), rest.finished()) == []


def test_a_sheet_of_samples_leaves_no_trace_in_the_run(images, tmp_path):
    trainer = make_trainer(images)
    trainer.step(0, 0.5)
    before, drawn = torch.get_rng_state(), trainer.rng.bit_generator.state
    trainer.sample(tmp_path / "samples.png")
    assert (tmp_path / "samples.png").is_file()
    assert torch.equal(torch.get_rng_state(), before)
    assert trainer.rng.bit_generator.state == drawn


def test_the_finished_network_is_the_average_and_frozen(images):
    trainer = make_trainer(images)
    trainer.step(0, 0.0)
    finished = trainer.finished()
    assert finished is trainer.ema.module
    assert not finished.training
    assert not any(p.requires_grad for p in finished.parameters())


# The recipe


@pytest.fixture
def source(labelled_folder, tmp_path):
    data, labels = labelled_folder
    return Source(data, labels, "chest", 32, tmp_path / "cache")


def test_an_autoencoder_and_its_record(source, tmp_path):
    outcome, report = train_autoencoder(source, 8, 4, FEW, Job(Budget(steps=2), tmp_path / "out"))
    assert (outcome.steps, outcome.stop) == (2, "finished")
    loaded = load_autoencoder(tmp_path / "out" / "autoencoder.safetensors")
    assert loaded.config == SHAPE
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["data"]["rows"] == 24  # the train rows alone
    assert record["training"]["batch"] == 8
    assert record["network"]["latent"] == 4
    assert record["val"] == report
    assert report["n"] == 12
    assert (tmp_path / "out" / "samples.png").is_file()


def test_it_has_colours_for_faces_and_needs_no_val_rows(source, tmp_path):
    faces = Source(**{**source.__dict__, "modality": "face", "where": "split=train"})
    _, report = train_autoencoder(faces, 8, 4, FEW, Job(Budget(steps=1), tmp_path / "out"))
    assert report == {}
    assert load_autoencoder(tmp_path / "out" / "autoencoder.safetensors").config.channels == 3


def test_recipe_mistakes(source, tmp_path):
    none = Source(**{**source.__dict__, "where": "split=val"})
    with pytest.raises(UserError, match="no rows in split 'train'; an autoencoder"):
        train_autoencoder(none, 8, 4, FEW, Job(Budget(steps=1), tmp_path / "out"))
    huge = Source(**{**source.__dict__, "size": 224})
    with pytest.raises(UserError, match="takes pictures of 28 to 128 pixels, not of 224"):
        train_autoencoder(huge, 8, 4, FEW, Job(Budget(steps=1), tmp_path / "out"))
