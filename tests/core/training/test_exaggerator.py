"""Training the knob: the compatibility term pulls the right thing the right way, and f is never touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import AreaBox, BrightnessBox, make_discs, shaken, small_config

from core.classifiers.blackbox import Classifier
from core.errors import UserError
from core.networks.exaggerator import HEADS, Band, Exaggerator, bin_of
from core.networks.store import load_exaggerator, save_exaggerator
from core.training import exaggerator as module
from core.training.exaggerator import ExaggeratorTrainer
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Budget, run
from core.training.losses import compatibility
from core.weights import save_weights

CPU = torch.device("cpu")
FEW = ExaggeratorTraining(batch=6, critic_base=4)


@pytest.fixture(scope="module")
def images():
    return make_discs(48, seed=4).images


@pytest.fixture
def f():
    torch.manual_seed(2)
    return Classifier("resnet", 1, ("large",), 8, 32).freeze()


def make_trainer(images, f, head="morph", training=FEW, **changes) -> ExaggeratorTrainer:
    return ExaggeratorTrainer(small_config(head, **changes), training, f, images, CPU)


# Compatibility


@pytest.mark.parametrize("head", HEADS)
def test_its_gradient_reaches_the_generator_through_f_and_stops_there(head, images, f):
    network = Exaggerator(small_config(head))
    x = torch.from_numpy(images[:6]).float() / 255
    black_box = f.target("large")
    changed = network(x, black_box.posterior(x), torch.full((6,), 0.9)).x
    compatibility(black_box.logit(changed), torch.full((6,), 0.9)).backward()
    parts = {"stem": network.stem, "up": network.up, "middle": network.middle}
    for name, part in parts.items():
        norm = torch.stack([p.grad.norm() for p in part.parameters() if p.grad is not None]).norm()
        assert norm > 0, name
    assert all(p.grad is None for p in f.parameters())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("wanted", [0.05, 0.95])
def test_steps_on_it_alone_move_f_towards_the_target(head, wanted, images):
    f = BrightnessBox(gain=8, threshold=0.4)
    x = torch.from_numpy(images[:8]).float() / 255
    network, p = Exaggerator(small_config(head)), f.posterior(x)
    target = torch.full((8,), wanted)
    optimiser = torch.optim.SGD(network.parameters(), 0.01)
    losses, means = [], []
    for _ in range(6):
        logit = f.logit(network(x, p, target).x)
        loss = compatibility(logit, target)
        losses.append(float(loss.detach()))
        means.append(float(torch.sigmoid(logit.detach()).mean()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0]
    assert abs(means[-1] - wanted) < abs(means[0] - wanted) - 1e-4


def test_the_trainers_own_term_pulls_the_right_way(images):
    alone = ExaggeratorTraining(
        batch=8, critic_base=4, gan=0, rec=0, residual=0, chroma=0, smooth=0, magnitude=0, rate=2e-3
    )
    trainer = make_trainer(images, AreaBox(), training=alone)
    logs = [trainer.step(i, 0.0) for i in range(30)]
    for name in ("f", "error"):  # the loss, and mean |f(x_d) - target|
        early, late = (np.mean([log[name] for log in part]) for part in (logs[:6], logs[-6:]))
        assert 0 < late < 0.8 * early, name


# The black box stays what it was


def test_f_is_neither_trained_nor_switched(images, f):
    before = {n: t.clone() for n, t in f.state_dict().items()}
    trainer = make_trainer(images, f.target("large"))
    for i in range(3):
        trainer.step(i, 0.0)
    assert not f.training
    assert all(not m.training for m in f.modules())
    for name, tensor in f.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None for p in f.parameters())


def test_generator_and_critic_do_train(images, f):
    trainer = make_trainer(images, f.target("large"))
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    critic = {n: p.detach().clone() for n, p in trainer.critic.named_parameters()}
    for i in range(2):
        logs = trainer.step(i, 0.0)
    assert all(np.isfinite(v) for v in logs.values())
    assert any(not torch.equal(p, before[n]) for n, p in trainer.model.named_parameters())
    assert any(not torch.equal(p, critic[n]) for n, p in trainer.critic.named_parameters())
    assert all(p.requires_grad for p in trainer.critic.parameters())


# What is drawn


def test_target_bins_are_uniform(images):
    trainer = make_trainer(images, AreaBox())
    targets = trainer._targets(20_000)
    counts = np.bincount(bin_of(targets, 10), minlength=10)
    assert counts.min() > 1800
    assert counts.max() < 2200
    assert targets.min() >= 0.01
    assert targets.max() <= 0.99


def test_binned_targets_are_bin_centres(images):
    trainer = make_trainer(images, AreaBox(), continuous=False)
    found = np.unique(np.round(trainer._targets(500).numpy(), 4))
    np.testing.assert_allclose(found, 0.05 + 0.1 * np.arange(10), atol=1e-4)


def test_batches_are_drawn_as_the_settings_say(images, monkeypatch):
    settings = ExaggeratorTraining(batch=6, critic_base=4, natural=0.5, flip=True)
    trainer = make_trainer(images, AreaBox(), training=settings)
    asked = []
    draw = trainer.pictures.draw
    monkeypatch.setattr(
        trainer.pictures, "draw", lambda rng, n, **more: asked.append((n, more)) or draw(rng, n, **more)
    )
    trainer.step(0, 0.0)
    assert asked == [(6, {"natural": 0.5, "flip": True})]


def test_the_critic_sees_real_with_its_own_bin_and_fake_with_the_wanted_one(images, monkeypatch):
    f = AreaBox()
    trainer = make_trainer(images, f)
    calls, targets = [], []
    forward, draw = trainer.critic.forward, trainer._targets
    monkeypatch.setattr(module, "diff_augment", lambda x: x)
    monkeypatch.setattr(trainer.critic, "forward", lambda x, bins: calls.append((x.detach(), bins)) or forward(x, bins))
    monkeypatch.setattr(trainer, "_targets", lambda n: targets.append(draw(n)) or targets[-1])
    trainer.step(0, 0.0)
    (both, bins), (fake, wanted) = calls
    n, asked = FEW.batch, bin_of(targets[0], 10)
    real_bins = bin_of(f.posterior(both[:n]), 10)
    assert len(both) == 2 * n
    assert torch.equal(bins[:n], real_bins)
    assert torch.equal(bins[n:], asked)
    assert torch.equal(fake, both[n:])
    assert torch.equal(wanted, asked)
    assert not torch.equal(real_bins, asked)  # else this test could not tell them apart


# Losses


def test_reconstruction_is_exact_already_for_the_heads_that_add(images):
    assert "rec" in make_trainer(images, AreaBox(), "paper").step(0, 0.0)
    assert "rec" not in make_trainer(images, AreaBox(), "morph").step(0, 0.0)


def test_the_cycle_is_closed_every_other_step(images):
    trainer = make_trainer(images, AreaBox())
    assert ["cycle" in trainer.step(i, 0.0) for i in range(4)] == [True, False, True, False]


def test_the_rates_warm_up_and_end_low(images):
    trainer = make_trainer(images, AreaBox())
    rates = []
    for index, fraction in ((0, 0.0), (100, 0.3), (100, 0.8), (100, 1.0)):
        trainer.step(index, fraction)
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([2e-4 / 50, 2e-4, 1e-4, 1e-5])


# Starting from another network


def saved(network, tmp_path) -> str:
    save_exaggerator(network, tmp_path / "old.safetensors")
    return str(tmp_path / "old.safetensors")


def test_it_starts_from_the_weights_of_another_knob(images, tmp_path):
    old = shaken(Exaggerator(small_config()), 0.1)
    trainer = make_trainer(images, AreaBox(), training=replace(FEW, init=saved(old, tmp_path)))
    for network in (trainer.model, trainer.finished()):
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(tensor, old.state_dict()[name], atol=2e-3, rtol=0)  # kept in half precision
    fresh = make_trainer(images, AreaBox())
    assert (fresh.model.stem.weight - old.stem.weight).abs().max() > 0.1
    assert all(p.requires_grad for p in trainer.model.parameters())
    trainer.step(0, 0.0)
    assert not torch.equal(trainer.model.stem.weight, fresh.model.stem.weight)


def test_it_may_stop_on_the_way_from_another_knob(images, tmp_path):
    first = make_trainer(images, AreaBox())
    save_exaggerator(first.finished(), tmp_path / "a.safetensors", target="x")
    ends = {}
    for blend in (1.0, 0.25, 0.0):
        settings = replace(FEW, init=str(tmp_path / "a.safetensors"), blend=blend, seed=3)
        trainer = make_trainer(images, AreaBox(), training=settings)
        for i in range(3):
            trainer.step(60 + i, 0.0)
        ends[blend] = trainer.finished().state_dict()
    old = load_exaggerator(tmp_path / "a.safetensors").state_dict()
    for name, start in old.items():
        torch.testing.assert_close(ends[0.0][name], start)
        torch.testing.assert_close(ends[0.25][name], start + 0.25 * (ends[1.0][name] - start), atol=1e-6, rtol=1e-4)
    assert any(not torch.equal(ends[1.0][name], start) for name, start in old.items())


def test_where_shapes_differ_it_starts_anew(images, tmp_path):
    # The old one had a single coarse band; the new one has that and a finer one, and moves nothing.
    old = shaken(Exaggerator(small_config()), 0.1)
    wanted = {"bands": (Band(8, 0.2), Band(16, 0.1)), "shift": 0.0}
    trainer = make_trainer(images, AreaBox(), training=replace(FEW, init=saved(old, tmp_path)), **wanted)
    fresh = make_trainer(images, AreaBox(), **wanted)
    assert trainer.config.shift == 0
    assert trainer.model.out_field is None
    torch.testing.assert_close(trainer.model.stem.weight, old.stem.weight, atol=2e-3, rtol=0)
    torch.testing.assert_close(trainer.model.out_bands[0].weight, old.out_bands[0].weight, atol=2e-3, rtol=0)
    assert torch.equal(trainer.model.out_bands[1].weight, fresh.model.out_bands[1].weight)


def test_a_start_that_is_not_there_or_no_knob(images, tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*gone\.safetensors"):
        make_trainer(images, AreaBox(), training=replace(FEW, init=str(tmp_path / "gone.safetensors")))
    save_weights(torch.nn.Linear(3, 3), tmp_path / "l.safetensors", {})
    with pytest.raises(UserError, match="does not hold an exaggerator"):
        make_trainer(images, AreaBox(), training=replace(FEW, init=str(tmp_path / "l.safetensors")))


# Repeatability


def states_equal(one, two):
    return [n for n, t in one.state_dict().items() if not torch.equal(t, two.state_dict()[n])]


@pytest.mark.parametrize("head", ["paper", "morph"])
def test_the_same_seed_repeats_the_run(head, images, tmp_path):
    one, two = (make_trainer(images, AreaBox(), head) for _ in range(2))
    run(one, Budget(steps=3), tmp_path / "1")
    two = make_trainer(images, AreaBox(), head)
    run(two, Budget(steps=3), tmp_path / "2")
    assert states_equal(one.model, two.model) == []
    assert states_equal(one.critic, two.critic) == []


def test_another_seed_is_another_run(images, tmp_path):
    one = make_trainer(images, AreaBox())
    other = make_trainer(images, AreaBox(), training=ExaggeratorTraining(batch=6, critic_base=4, seed=1))
    assert states_equal(one.model, other.model) != []


def test_stopped_and_resumed_is_as_if_never_stopped(images, tmp_path):
    def stop(done, of, numbers):
        if done == 2:
            raise KeyboardInterrupt

    whole = make_trainer(images, AreaBox())
    run(whole, Budget(steps=4), tmp_path / "whole")
    run(make_trainer(images, AreaBox()), Budget(steps=4), tmp_path / "parts", progress=stop)
    rest = make_trainer(images, AreaBox())
    outcome = run(rest, Budget(steps=4), tmp_path / "parts", resume=True)
    assert outcome.steps == 4
    for name in ("model", "critic"):
        assert states_equal(getattr(whole, name), getattr(rest, name)) == [], name
    assert states_equal(whole.finished(), rest.finished()) == []


def test_a_sheet_of_samples_is_written(images, tmp_path):
    from PIL import Image

    run(make_trainer(images, AreaBox()), Budget(steps=1), tmp_path)
    sheet = Image.open(tmp_path / "samples.png")
    assert sheet.size == (6 * 128, 6 * 142)


def test_the_finished_network_is_the_average_and_frozen(images):
    trainer = make_trainer(images, AreaBox())
    trainer.step(0, 0.0)
    finished = trainer.finished()
    assert finished is trainer.ema.module
    assert not finished.training
    assert not any(p.requires_grad for p in finished.parameters())
