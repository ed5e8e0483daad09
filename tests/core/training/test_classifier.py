"""Training a classifier: calibration, blanks, auxiliary outputs, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import make_discs

from core.classifiers.store import load_classifier, save_classifier
from core.evaluation.classification import auc
from core.training.classifier import ClassifierConfig, ClassifierTrainer, fit_platt, predict_logits
from core.training.loop import Budget, run

CPU = torch.device("cpu")


def small(**changes) -> ClassifierConfig:
    return ClassifierConfig(**({"targets": ("large",), "width": 8, "size": 32, "channels": 1, "batch": 16} | changes))


def task(n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    discs = make_discs(n, seed=seed)
    return discs.images, np.stack([discs.radius > 0.23, discs.bar], 1).astype(np.float32)


# Calibration


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.5, 0.7), (0.5, -1.2)])
def test_calibration_recovers_what_was_done_to_the_logits(temperature, bias):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 40_000)
    labels = rng.random(40_000) < 1 / (1 + np.exp(-truth))
    raw = (truth - bias) * temperature  # so that raw / temperature + bias is the truth
    found = fit_platt(raw, labels)
    assert found == (pytest.approx(temperature, rel=0.05), pytest.approx(bias, abs=0.06))


def test_calibration_never_reverses_an_answer():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=500)
    temperature, _ = fit_platt(logits, logits < 0)
    assert temperature > 0


@pytest.mark.parametrize("labels", [np.ones(20), np.zeros(20)])
def test_calibration_with_one_class_stays_finite(labels):
    assert np.isfinite(fit_platt(np.linspace(-2, 2, 20), labels)).all()


def test_calibration_without_any_label_changes_nothing():
    assert fit_platt(np.zeros(0), np.zeros(0)) == (1, 0)


# One step


def test_blank_labels_do_not_count():
    images, labels = task()
    labels[:, 1] = np.nan
    trainer = ClassifierTrainer(small(targets=("large", "bar")), images, labels, CPU)
    trainer.step(0, 0.0)
    gradient = trainer.model.net.fc.weight.grad
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0


def test_a_batch_of_blanks_is_not_a_nan():
    images, labels = task()
    trainer = ClassifierTrainer(small(), images, np.full_like(labels[:, :1], np.nan), CPU)
    assert trainer.step(0, 0.0)["loss"] == 0
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_mixed_pairs_count_only_where_both_are_known():
    images, labels = task()
    labels[:32, 0] = np.nan
    trainer = ClassifierTrainer(small(mixup=0.4), images, labels[:, :1], CPU)
    assert np.isfinite(trainer.step(0, 0.0)["loss"])


def test_labels_are_smoothed_by_hand():
    # At logits of zero every cross-entropy is ln 2, whatever the smoothed label.
    images, labels = task()
    trainer = ClassifierTrainer(small(label_smoothing=0.1), images, labels[:, :1], CPU)
    torch.nn.init.zeros_(trainer.model.net.fc.weight)
    torch.nn.init.zeros_(trainer.model.net.fc.bias)
    assert trainer.step(0, 0.0)["loss"] == pytest.approx(np.log(2), abs=1e-6)


def test_the_rate_warms_up_and_falls():
    images, labels = task()
    trainer = ClassifierTrainer(small(learning_rate=1e-3), images, labels[:, :1], CPU)
    assert trainer.step(0, 0.0)["rate"] == pytest.approx(1e-5)  # 1 % of the warm-up
    assert trainer.step(200, 0.0)["rate"] == pytest.approx(1e-3)
    assert trainer.step(200, 0.5)["rate"] == pytest.approx((0.01 + 0.99 / 2) * 1e-3)
    assert trainer.step(200, 1.0)["rate"] == pytest.approx(1e-5)


def test_balance_draws_both_classes_equally():
    images, labels = task()
    labels[:, 0] = 0
    labels[:3, 0] = 1
    trainer = ClassifierTrainer(small(balance=True), images, labels[:, :1], CPU)
    assert [g.tolist() for g in trainer.groups] == [list(range(3, 64)), [0, 1, 2]]
    trainer.images[:3], trainer.images[3:] = 255, 0
    seen = []
    trainer.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((1, 2, 3)) > 0.5))
    trainer.step(0, 0.0)
    assert int(seen[0].sum()) == 8


def test_normalisation_is_measured_on_the_pictures():
    images, labels = task()
    trainer = ClassifierTrainer(small(), images, labels[:, :1], CPU)
    assert trainer.model.mean.item() == pytest.approx(images.mean() / 255, abs=1e-4)
    assert trainer.model.std.item() == pytest.approx(images.std() / 255, abs=1e-3)


# A whole run


def test_discs_are_learned_in_seconds(tmp_path):
    images, labels = task(256)
    trainer = ClassifierTrainer(small(batch=32), images, labels[:, :1], CPU)
    run(trainer, Budget(steps=90), tmp_path)
    model = trainer.finished(images[:128], labels[:128, :1])
    held_out, truth = task(128, seed=9)
    logits = predict_logits(model, held_out)[:, 0]
    assert auc(truth[:, 0], logits) > 0.95
    x = torch.from_numpy(held_out).float() / 255
    assert ((model.posterior(x)[:, 0] > 0.5).numpy() == (truth[:, 0] == 1)).mean() > 0.85


def test_auxiliary_outputs_are_cut_off(tmp_path):
    images, labels = task()
    trainer = ClassifierTrainer(small(auxiliary=("bar",)), images, labels, CPU)
    run(trainer, Budget(steps=2), tmp_path)
    averaged = trainer.ema.module
    model = trainer.finished(images, labels[:, :1])
    assert averaged.targets == ("large", "bar")
    assert model.targets == ("large",)
    assert torch.equal(model.net.fc.weight, averaged.net.fc.weight[:1])
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_calibration_of_blanks_leaves_the_target_alone(tmp_path):
    images, labels = task()
    trainer = ClassifierTrainer(small(targets=("large", "bar")), images, labels, CPU)
    run(trainer, Budget(steps=1), tmp_path)
    labels[:, 1] = np.nan
    model = trainer.finished(images, labels)
    assert torch.isfinite(model.temperature).all()
    assert torch.isfinite(model.bias).all()


def test_stopped_and_resumed_is_as_if_never_stopped(tmp_path):
    images, labels = task()

    def trainer():
        return ClassifierTrainer(small(mixup=0.2), images, labels[:, :1], CPU)

    def stop(done, of, numbers):
        if done == 2:
            raise KeyboardInterrupt

    whole, first, rest = trainer(), trainer(), trainer()
    run(whole, Budget(steps=5), tmp_path / "whole")
    first = trainer()
    run(first, Budget(steps=5), tmp_path / "parts", progress=stop)
    rest = trainer()
    run(rest, Budget(steps=5), tmp_path / "parts", resume=True)
    for name, value in whole.ema.module.state_dict().items():
        assert torch.equal(value, rest.ema.module.state_dict()[name]), name


def test_a_warm_start_takes_over_what_fits(tmp_path):
    images, labels = task()
    old = ClassifierTrainer(small(seed=7), images, labels[:, :1], CPU)
    save_classifier(old.model, tmp_path / "old.safetensors")
    new = ClassifierTrainer(small(targets=("a", "b"), init=str(tmp_path / "old.safetensors")), images, labels, CPU)
    torch.testing.assert_close(new.model.net.conv1.weight, old.model.net.conv1.weight, atol=1e-3, rtol=1e-3)
    assert new.model.net.fc.weight.shape[0] == 2


def test_logits_do_not_depend_on_the_batch_size():
    images, labels = task()
    model = ClassifierTrainer(small(), images, labels[:, :1], CPU).model
    np.testing.assert_allclose(predict_logits(model, images, batch=7), predict_logits(model, images), atol=1e-5)


# Adversarial steps


def test_an_adversarial_step_stays_in_its_ball_and_raises_the_loss():
    images, labels = task()
    trainer = ClassifierTrainer(small(robust=1.5), images, labels[:, :1], CPU)
    for index in range(10):
        trainer.step(index, index / 10)
    x = torch.from_numpy(images).float() / 255
    wanted, known = torch.from_numpy(labels[:, :1]), torch.ones(len(x), 1, dtype=torch.bool)
    attacked = trainer._attacked(x, wanted, known)
    lengths = (attacked - x).flatten(1).norm(dim=1)
    assert lengths.max() <= 1.5 + 1e-4
    assert lengths.std() > 0.2  # every picture has a radius of its own
    with torch.no_grad():
        assert trainer._loss(attacked, wanted, known) > trainer._loss(x, wanted, known)
    assert not attacked.requires_grad


def test_robust_training_holds_under_steps_that_fool_the_plain_network(tmp_path):
    """A small pattern tells the classes apart for sure, a large one nearly so; the plain network trusts the small."""
    rng = np.random.default_rng(0)
    n, size = 256, 16
    labels = rng.integers(0, 2, n)
    sign = np.where(labels == 1, 1.0, -1.0)[:, None, None]
    right = np.where(rng.random(n) < 0.9, 1.0, -1.0)[:, None, None]
    pictures = 0.5 + rng.normal(0, 0.02, (n, size, size))
    pictures[:, :8] += 0.25 * sign * right  # large: right nine times in ten
    board = np.indices((8, size)).sum(0) % 2 * 2 - 1
    pictures[:, 8:] += 0.04 * sign * board  # small: always right
    images = (pictures.clip(0, 1) * 255).round().astype(np.uint8)[:, None]
    held = {}
    for robust in (0.0, 2.5):
        config = small(size=size, robust=robust, learning_rate=4e-3)
        trainer = ClassifierTrainer(config, images, labels[:, None].astype(np.float32), CPU)
        trainer.view = type(trainer.view)()  # no other disturbance
        run(trainer, Budget(steps=120), tmp_path / str(robust))
        model = trainer.ema.module.eval()
        fooled = torch.from_numpy(images).float() / 255
        fooled[:, :, 8:] -= torch.from_numpy(0.08 * sign * board).float()[:, None]  # the small pattern turned round
        with torch.no_grad():
            held[robust] = float(((model(fooled)[:, 0] > 0).numpy() == (labels == 1)).mean())
    assert held[2.5] > held[0.0] + 0.3


def test_a_blend_lies_between_the_first_weights_and_the_trained(tmp_path):
    images, labels = task()
    first = ClassifierTrainer(small(), images, labels[:, :1], CPU).finished(images, labels[:, :1])
    save_classifier(first, tmp_path / "first.safetensors")
    ends = {}
    for blend in (0.0, 0.25, 1.0):
        config = small(init=str(tmp_path / "first.safetensors"), blend=blend, learning_rate=2e-2)
        trainer = ClassifierTrainer(config, images, labels[:, :1], CPU)
        run(trainer, Budget(steps=30), tmp_path / str(blend))
        ends[blend] = trainer.finished(images, labels[:, :1]).net.conv1.weight
    start, end = load_classifier(tmp_path / "first.safetensors").net.conv1.weight, ends[1.0]
    assert (end - start).abs().max() > 1e-3
    torch.testing.assert_close(ends[0.0], start)
    torch.testing.assert_close(ends[0.25], start + 0.25 * (end - start))
