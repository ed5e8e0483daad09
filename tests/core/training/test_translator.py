"""Training GANMEX's translator: the other class is reached with a small change, where the classes differ."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from toys import CPU, as_choice, bar_network, bar_place, make_bars

from core.attributions.methods import attribute
from core.attributions.score import Score
from core.baselines.ganmex import GanmexBaseline
from core.networks.translator import TranslatorConfig
from core.training.loop import Budget, run
from core.training.translator import TranslatorTrainer, TranslatorTraining

SIZE = 12
SHAPE = TranslatorConfig(classes=2, size=SIZE, channels=1, width=6, blocks=1)
FEW = TranslatorTraining(batch=8, critic_base=6, ema=0.97, rate=3e-3, critic_rate=3e-3)
STEPS = 150


@pytest.fixture(scope="module")
def bars():
    return make_bars(96, size=SIZE, seed=1)


def make_trainer(bars, training=FEW, shape=SHAPE) -> TranslatorTrainer:
    return TranslatorTrainer(shape, training, as_choice(bar_network(shape.classes, SIZE)), *bars, CPU)


@pytest.fixture(scope="module")
def trained(bars):
    """A trained translator, some hundred steps after random weights."""
    trainer = make_trainer(bars)
    for i in range(STEPS):
        numbers = trainer.step(i, i / STEPS)
    assert all(np.isfinite(v) for v in numbers.values())
    return trainer.finished()


@pytest.fixture(scope="module")
def held():
    """(x, class) of pictures that were not trained on."""
    images, labels = make_bars(40, size=SIZE, seed=9)
    return torch.from_numpy(images).float() / 255, torch.from_numpy(labels)


def test_the_classifier_calls_it_the_other_class_after_a_small_change(trained, held):
    x, own = held
    made = trained(x, 1 - own)
    success = (bar_network(2, SIZE)(made).argmax(1) == 1 - own).float().mean()
    assert float(success) > 0.9
    assert float((x - made).abs().mean()) < 0.12  # one bar gone and one new are 0.09


def test_what_is_not_asked_about_stays(trained, held):
    x, own = held
    moved = (x - trained(x, 1 - own)).abs()[:, 0]
    bars = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for k in range(2):
        bars[bar_place(k, SIZE)] = True
    assert float(moved[:, bars].mean()) > 4 * float(moved[:, ~bars].mean())


def test_the_old_bar_goes_and_the_new_one_comes(trained, held):
    x, own = held
    made = trained(x, 1 - own)
    for k in range(2):
        there = own == k
        old, new = (made[there][(..., *bar_place(c, SIZE))].mean() for c in (k, 1 - k))
        assert float(new) > float(old) + 0.15


def test_the_map_lies_in_the_two_bars_and_with_black_it_does_not(trained, held):
    """A network that also looks at the ground; against the translator's picture that hardly matters."""
    x, own = held
    network = bar_network(2, SIZE)
    network.fc.weight[0] += 0.02  # every pixel speaks a little for the left one
    score = Score(as_choice(network), 0, 1)
    x = x[own == 0]
    bars = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for k in range(2):
        bars[bar_place(k, SIZE)] = True

    def inside(baselines):
        maps = attribute("ig", score, x, baselines).abs()
        return float((maps[:, 0, bars].sum(1) / maps.sum((1, 2, 3))).mean())

    counterfactual, black = inside(GanmexBaseline(trained).of(x, 0, 1)), inside(torch.zeros_like(x)[:, None])
    assert counterfactual > 0.8
    assert black < counterfactual


# Batches


def test_every_picture_goes_to_another_class():
    trainer = make_trainer(make_bars(30, size=SIZE, classes=3), shape=TranslatorConfig(3, SIZE, 1, 4, 1))
    pairs = set()
    for _ in range(30):
        x, origin, target = trainer._batch()
        assert x.shape == (8, 1, SIZE, SIZE)
        assert (origin != target).all()
        bright = torch.stack([x[(..., *bar_place(k, SIZE))].mean((1, 2, 3)) for k in range(3)], 1)
        assert torch.equal(bright.argmax(1), origin)
        pairs |= set(zip(origin.tolist(), target.tolist(), strict=True))
    assert len(pairs) == 6


def test_a_rare_class_comes_as_often_as_the_other():
    images, labels = make_bars(40, size=SIZE)
    keep = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:2]])
    trainer = make_trainer((images[keep], labels[keep]))
    origins = torch.cat([trainer._batch()[1] for _ in range(60)]).float()
    assert float(origins.mean()) == pytest.approx(0.5, abs=0.1)


def test_similarity_comes_in_slowly(bars):
    """At the start it has no weight: with one a thousand times larger the first step is the same."""
    weights = []
    for similarity in (10.0, 1e4):
        trainer = make_trainer(bars, TranslatorTraining(batch=8, critic_base=4, similarity=similarity))
        trainer.step(0, 0.0)
        first = [p.clone() for p in trainer.model.parameters()]
        trainer.step(1, 0.5)
        weights.append((first, list(trainer.model.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(weights[0][0], weights[1][0], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0][1], weights[1][1], strict=True))


def test_the_classifier_stays_as_it_was(bars):
    trainer = make_trainer(bars)
    before = {n: t.clone() for n, t in trainer.classifier.state_dict().items()}
    trainer.step(0, 0.5)
    assert all(torch.equal(t, before[n]) for n, t in trainer.classifier.state_dict().items())


@pytest.mark.parametrize("changes", [{"flip": True}, {"reconstruction": 5.0}, {"adversarial": 0.0}])
def test_other_settings_step_too(bars, changes):
    numbers = make_trainer(bars, TranslatorTraining(batch=4, critic_base=4, **changes)).step(0, 0.5)
    assert set(numbers) == {"critic", "fooled", "class", "moved", "success"}
    assert all(np.isfinite(v) for v in numbers.values())


# Stopping and going on


def test_it_goes_on_exactly_where_it_stopped(bars):
    training = TranslatorTraining(batch=6, critic_base=4)
    one = make_trainer(bars, training)
    for i in range(3):
        one.step(i, i / 8)
    torch.save(one.state(), buffer := io.BytesIO())
    for i in range(3, 5):
        want = one.step(i, i / 8)
    other = make_trainer(bars, TranslatorTraining(batch=6, critic_base=4, seed=7))
    other.restore(torch.load(io.BytesIO(buffer.getvalue()), weights_only=False))
    for i in range(3, 5):
        found = other.step(i, i / 8)
    assert found == want
    for kind in ("model", "ema", "critic"):
        a, b = one.state()[kind], other.state()[kind]
        assert all(torch.equal(t, b[n]) for n, t in a.items()), kind


def test_a_run_leaves_its_state_and_a_sheet(bars, tmp_path):
    outcome = run(make_trainer(bars, TranslatorTraining(batch=4, critic_base=4)), Budget(steps=2), tmp_path)
    assert (outcome.steps, outcome.stop) == (2, "finished")
    assert (tmp_path / "state.pt").is_file()
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_the_finished_network_is_the_average_and_frozen(bars):
    trainer = make_trainer(bars, TranslatorTraining(batch=4, critic_base=4))
    trainer.step(0, 0.5)
    model = trainer.finished()
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert model is trainer.ema.module
