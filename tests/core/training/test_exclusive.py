"""Classes of which a picture has exactly one: cross-entropy, one temperature, probabilities that sum to 1."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import CPU, make_bars, write_idx

from core.classifiers.store import load_choice, save_classifier
from core.data import idx
from core.errors import UserError
from core.training.classifier import ClassifierConfig, ClassifierTrainer, fit_temperature, predict_logits
from core.training.job import Job
from core.training.loop import Budget
from core.training.recipes import train_classifier
from core.training.source import Source

TARGETS = ("left", "right", "middle")


def config(**changes) -> ClassifierConfig:
    shape = {"targets": TARGETS, "width": 4, "size": 16, "channels": 1, "batch": 16, "exclusive": True}
    return ClassifierConfig(**(shape | changes))


def task(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(images, [N, 3] of 0 and 1)"""
    images, labels = make_bars(n, classes=3, seed=seed)
    return images, np.eye(3, dtype=np.float32)[labels]


@pytest.fixture(scope="module")
def trainer():
    made = ClassifierTrainer(config(learning_rate=1e-2), *task(90, 1), CPU)
    for i in range(70):
        made.step(i, i / 70)
    return made


# Learning


def test_it_learns_three_classes(trainer):
    images, labels = task(60, 2)
    model = trainer.finished(*task(60, 3))
    logits = predict_logits(model, images)
    assert (logits.argmax(1) == labels.argmax(1)).mean() > 0.95


def test_the_saved_choice_is_the_softmax_of_logits_over_temperature(trainer, tmp_path):
    model = trainer.finished(*task(60, 3))
    temperature = float(model.temperature[0])
    assert (model.temperature == temperature).all(), "one for all classes"
    assert temperature != 1
    assert not model.bias.any()
    save_classifier(model, tmp_path / "c.safetensors")
    choice = load_choice(tmp_path / "c.safetensors")
    assert choice.classes == TARGETS
    images, _ = task(20, 4)
    x = torch.from_numpy(images).float() / 255
    with torch.no_grad():
        logits, posterior = model(x), choice.posterior(x)
    torch.testing.assert_close(posterior.sum(1), torch.ones(20))
    torch.testing.assert_close(posterior, torch.softmax(logits / temperature, 1), atol=5e-3, rtol=0)  # stored in half
    torch.testing.assert_close(choice(x), logits / temperature, atol=0.05, rtol=0.01)


def test_the_loss_of_one_step_by_hand(monkeypatch):
    """Without views and smoothing it is the cross-entropy of the first batch."""
    from core.training import classifier

    monkeypatch.setattr(classifier, "random_view", lambda x, view: x)
    images, labels = task(16, 1)
    one = ClassifierTrainer(config(label_smoothing=0.0), images, labels, CPU)
    rows = np.random.default_rng([0, 0]).choice(np.arange(16), 16)
    one.model.train()
    with torch.no_grad():
        logits = one.model(torch.from_numpy(images[rows]).float() / 255)
    want = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels[rows].argmax(1)))
    assert one.step(0, 0.0)["loss"] == pytest.approx(float(want), rel=1e-3)


def test_smoothing_and_mixup_keep_targets_that_sum_to_one(monkeypatch):
    from core.training import classifier

    seen = []
    plain = torch.nn.functional.cross_entropy
    monkeypatch.setattr(classifier.F, "cross_entropy", lambda z, y: seen.append(y) or plain(z, y))
    ClassifierTrainer(config(mixup=0.4, label_smoothing=0.1), *task(16, 1), CPU).step(0, 0.0)
    torch.testing.assert_close(seen[0].sum(1), torch.ones(16))
    assert float(seen[0].min()) >= 0.1 / 3 - 1e-6


# Calibration


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    classes = (rng.random((len(p), 1)) > p.cumsum(1)).sum(1)
    assert fit_temperature(logits * temperature, classes) == pytest.approx(temperature, rel=0.03)


def test_calibration_that_cannot_be_done_stays_positive_and_finite():
    logits = np.array([[5.0, 0, 0], [0, 5, 0]])
    for classes in ([0, 1], [1, 0]):  # always right, always wrong
        found = fit_temperature(logits, np.array(classes))
        assert found > 0
        assert np.isfinite(found)


# From files


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "VAL", 9)
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data")
    return Source(tmp_path / "data", None, "digit", 28, tmp_path / "cache")


def test_the_record_of_a_whole_training(source, tmp_path):
    out = tmp_path / "out"
    _, report = train_classifier(
        source, config(targets=("0", "1", "2"), batch=6), Job(Budget(steps=2), out)
    )  # fmt: skip
    assert report["all classes"]["n"] == 9
    assert 0 <= report["all classes"]["top1"] <= 1
    record = json.loads((out / "training.json").read_text())
    assert record["config"]["exclusive"] is True
    assert record["val"] == report
    assert load_choice(out / "classifier.safetensors").classes == ("0", "1", "2")


def test_rows_that_are_of_no_class_do_not_train(source, tmp_path):
    train_classifier(source, config(targets=("0", "2"), batch=4), Job(Budget(steps=1), tmp_path / "out"))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["data"]["rows"] == 10  # of 15 training rows five are ones
    assert record["val"]["all classes"]["n"] == 6


def test_without_val_rows_it_is_a_sentence(source, tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "VAL", 0)
    with pytest.raises(UserError, match="'train' and 'val'"):
        train_classifier(source, config(targets=("0", "1")), Job(Budget(steps=1), tmp_path / "out"))
