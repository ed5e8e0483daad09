"""Training the two infills that learn: holes get better, and a run goes on exactly where it stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import make_discs

from core.errors import UserError
from core.infills.holes import random_holes
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.store import load_infill
from core.networks.vae_infill import VaeInfillConfig, VaeInfiller
from core.training.inpainter import InfillTraining, InpainterTrainer, PictureStream, hole_l1, warm_cosine
from core.training.job import Job
from core.training.loop import Budget, run
from core.training.recipes import train_infill
from core.training.source import Source
from core.training.vae_infill import VaeInfillTrainer

CPU = torch.device("cpu")
FEW = InfillTraining(batch=6, critic_base=4, ema=0.8, rate=3e-3)
KINDS = ("ca", "vae")


@pytest.fixture(scope="module")
def images():
    return make_discs(48, seed=4).images


def make_trainer(kind, images, training=FEW):
    if kind == "ca":
        return InpainterTrainer(InpainterConfig(32, 1, 4), training, images, CPU)
    return VaeInfillTrainer(VaeInfillConfig(32, 1, 4, 4), training, images, CPU)


def error_of(trainer, images) -> float:
    x = torch.from_numpy(images).float() / 255
    hole = random_holes(len(x), 32, np.random.default_rng(9))
    model = trainer.finished()
    with torch.no_grad():
        if isinstance(model, VaeInfiller):
            return float(hole_l1(x, model.sample(x, hole, torch.Generator().manual_seed(0)), hole))
        return float(hole_l1(x, model(x, hole), hole))


def differing(one, two) -> list[str]:
    return [n for n, t in one.state_dict().items() if not torch.equal(t, two.state_dict()[n])]


# Learning


@pytest.mark.parametrize("kind", KINDS)
def test_holes_are_filled_better_after_a_few_steps(kind, images):
    trainer = make_trainer(kind, images)
    before = error_of(trainer, images)
    for i in range(40):
        numbers = trainer.step(i, i / 40)
    assert all(np.isfinite(v) for v in numbers.values())
    assert error_of(trainer, images) < 0.7 * before


def test_the_critic_joins_late(images):
    trainer = make_trainer("ca", images)
    assert [set(trainer.step(0, f)) for f in (0.0, 0.34, 0.35, 0.9)] == [
        {"hole", "visible"}, {"hole", "visible"}, {"hole", "visible", "critic"}, {"hole", "visible", "critic"},
    ]  # fmt: skip


def test_without_its_weight_the_critic_never_joins(images):
    trainer = make_trainer("ca", images, InfillTraining(batch=4, critic_base=4, gan=0))
    assert "critic" not in trainer.step(0, 1.0)


def test_hole_l1_by_hand():
    x, filled = torch.zeros(2, 2, 2, 2), torch.zeros(2, 2, 2, 2)
    hole = torch.zeros(2, 1, 2, 2)
    hole[0, 0, 0, 0] = 1
    hole[1] = 1
    filled[0, :, 0, 0] = torch.tensor([0.5, 0.1])
    filled[0, :, 1, 1] = 1  # visible: does not count
    filled[1, 0] = 0.2
    assert float(hole_l1(x, filled, hole)) == pytest.approx((0.3 + 0.1) / 2)


def test_the_rate_warms_up_and_ends_low():
    assert warm_cosine(0) == pytest.approx(0.1)
    assert warm_cosine(0.02) == pytest.approx(1)
    assert warm_cosine(0.51) == pytest.approx(0.51)
    assert warm_cosine(1) == pytest.approx(0.02)
    rates = [warm_cosine(f) for f in np.linspace(0.02, 1, 30)]
    assert rates == sorted(rates, reverse=True)


# Pictures


def test_the_stream_holds_pictures_and_holes(images):
    x, hole = PictureStream(images, FEW, CPU).batch()
    assert x.shape == (6, 1, 32, 32)
    assert hole.shape == (6, 1, 32, 32)
    assert ((hole == 0) | (hole == 1)).all()
    pictures = torch.from_numpy(images).float() / 255
    assert all((pictures == one).all((1, 2, 3)).any() for one in x)


def test_mirrored_pictures_come_if_wanted(images):
    lopsided = images.copy()
    lopsided[..., :16] = 0
    lopsided[..., 16:] = 255
    sides = {}
    for flip in (False, True):
        x, _ = PictureStream(lopsided, InfillTraining(batch=32, flip=flip), CPU).batch()
        sides[flip] = (x[..., 0] == 0).all((1, 2)).float().mean().item()
    assert sides[False] == 1
    assert 0.2 < sides[True] < 0.8


# Repeatability


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_repeats_the_run(kind, images, tmp_path):
    trainers = []
    for name in ("1", "2"):
        trainers.append(make_trainer(kind, images))
        run(trainers[-1], Budget(steps=3), tmp_path / name)
    assert differing(trainers[0].model, trainers[1].model) == []
    other = make_trainer(kind, images, InfillTraining(batch=6, critic_base=4, seed=1))
    assert differing(trainers[0].model, other.model) != []


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_resumed_is_as_if_never_stopped(kind, images, tmp_path):
    def stop(done, of, numbers):
        if done == 3:
            raise KeyboardInterrupt

    whole = make_trainer(kind, images)
    run(whole, Budget(steps=6), tmp_path / "whole")
    run(make_trainer(kind, images), Budget(steps=6), tmp_path / "parts", progress=stop)
    torch.rand(5)  # whatever else happens in between
    rest = make_trainer(kind, images)
    assert run(rest, Budget(steps=6), tmp_path / "parts", resume=True).steps == 6
    assert differing(whole.model, rest.model) == []
    assert differing(whole.finished(), rest.finished()) == []
    if kind == "ca":
        assert differing(whole.critic, rest.critic) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_sheet_of_samples_leaves_no_trace_in_the_run(kind, images, tmp_path):
    trainer = make_trainer(kind, images)
    trainer.step(0, 0.5)
    before, drawn = torch.get_rng_state(), trainer.stream.rng.bit_generator.state
    trainer.sample(tmp_path / "samples.png")
    assert (tmp_path / "samples.png").is_file()
    assert torch.equal(torch.get_rng_state(), before)
    assert trainer.stream.rng.bit_generator.state == drawn


@pytest.mark.parametrize("kind", KINDS)
def test_the_finished_network_is_the_average_and_frozen(kind, images):
    trainer = make_trainer(kind, images)
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


@pytest.mark.parametrize(("kind", "network"), [("ca", Inpainter), ("vae", VaeInfiller)])
def test_an_infill_and_its_record(kind, network, source, tmp_path):
    outcome = train_infill(source, kind, 4, FEW, Job(Budget(steps=2), tmp_path / "out"))
    assert (outcome.steps, outcome.stop) == (2, "finished")
    loaded = load_infill(tmp_path / "out" / f"infill-{kind}.safetensors")
    assert isinstance(loaded, network)
    assert (loaded.config.size, loaded.config.channels, loaded.config.width) == (32, 1, 4)
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["infill"] == kind
    assert record["data"]["rows"] == 24  # the train rows alone
    assert record["training"]["batch"] == 6
    assert record["network"]["size"] == 32
    assert (tmp_path / "out" / "samples.png").is_file()


def test_a_face_infill_has_colours(source, tmp_path):
    train_infill(
        Source(**{**source.__dict__, "modality": "face"}), "vae", 4, FEW, Job(Budget(steps=1), tmp_path / "out")
    )
    assert load_infill(tmp_path / "out" / "infill-vae.safetensors").config.channels == 3


def test_an_infill_needs_train_rows(source, tmp_path):
    with pytest.raises(UserError, match="no rows in split 'train'"):
        train_infill(
            Source(**{**source.__dict__, "where": "split=val"}), "ca", 4, FEW, Job(Budget(steps=1), tmp_path / "out")
        )
