"""Cells of a grid, trained and measured: resumed, skipped, run anew, and failing without taking the others along."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import small_config

from core.data.packed import packed_images
from core.data.table import read_table
from core.errors import UserError
from core.evaluation import cohort as cohort_module
from core.evaluation.cohort import Cohort, Options
from core.networks.store import load_exaggerator, save_exaggerator
from core.studies import Study
from core.training import ablation as module
from core.training.ablation import NOTE, Bench, run_ablation
from core.training.exaggerator import ExaggeratorTrainer
from core.training.grid import Cell, Grid
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Budget
from core.training.source import Source

GRID = Grid("Two weights", (Cell("low", {"rec": 1}), Cell("high", {"rec": 100})))


@pytest.fixture(scope="module")
def make_bench(study_folder, labelled_folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    folder, labels = labelled_folder

    def make(budget=None, head="paper", pictures=3, where=None, study=study_folder / "toy"):
        study, table = Study(study), read_table(folder, labels)
        rows = table.split("test")
        images = packed_images(rows, "chest", 32, cache)
        cohort = Cohort(study, table, rows, images, cache, Options(pictures=pictures), lambda what, i, n: None)
        return Bench(
            cohort, Source(folder, labels, "chest", 32, cache, where), study.blackbox("Large"), "Large",
            small_config(head, continuous=head != "paper"), ExaggeratorTraining(batch=4, critic_base=4),
            budget or Budget(steps=3),
        )  # fmt: skip

    return make


@pytest.fixture
def no_measuring(monkeypatch):
    """Measuring in no time; counts its calls."""
    calls = []
    number = {"value": 0.5, "low": 0.4, "high": 0.6}

    def report(knob, f, witness, features, images, **options):
        calls.append(len(images))
        direct = {"n": len(images)} | dict.fromkeys(("error", "top", "bottom", "witness_ratio"), number)
        return {"head": knob.head, "direct": direct, "closeness": number}

    monkeypatch.setattr(module, "knob_report", report)
    return calls


@pytest.fixture
def steps(monkeypatch):
    """The weights `rec` with which a step was made."""
    seen: list[float] = []
    step = ExaggeratorTrainer.step

    def counted(self, index, fraction):
        seen.append(self.training.rec)
        return step(self, index, fraction)

    monkeypatch.setattr(ExaggeratorTrainer, "step", counted)
    return seen


def interrupt_at(cell, step):
    def report(what, done, of, numbers):
        if what == f"train {cell}" and done == step:
            raise KeyboardInterrupt

    return report


def test_two_cells_trained_measured_and_written(make_bench, monkeypatch, tmp_path):
    for place in (cohort_module, module):
        monkeypatch.setattr(place, "commit", lambda: "abc1234")  # somebody may commit in the middle of a test
    table = run_ablation(GRID, make_bench(pictures=12), tmp_path)
    assert [r["cell"] for r in table["rows"]] == ["low", "high"]
    assert [r["weights"] for r in table["rows"]] == [{"gan": 1, "f": 1, "rec": 1}, {"gan": 1, "f": 1, "rec": 100}]
    assert (table["seed"], table["split"], table["commit"], table["pictures"]) == (0, "test", "abc1234", 12)
    assert (table["head"], table["note"], table["budget"]) == ("paper", "", {"steps": 3, "minutes": None})
    for row in table["rows"]:
        assert (row["steps"], row["stop"], row["pictures"], row["same_person"]) == (3, "finished", 12, None)
        assert row["commit"] == "abc1234"
        assert "independent network" in row["frechet"]["features"]
        assert row["frechet"]["overall"] > 0
        for name in ("closeness", "error", "top", "bottom", "witness_ratio"):
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"], name
    assert json.loads((tmp_path / "ablation.json").read_text()) == table
    with (tmp_path / "ablation.csv").open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert [(line["cell"], line["rec"], line["steps"]) for line in lines] == [("low", "1", "3"), ("high", "100", "3")]
    assert (tmp_path / "ablation.md").read_text().count("\n| ") == 3
    one, other = (load_exaggerator(tmp_path / c / "exaggerator.safetensors").state_dict() for c in ("low", "high"))
    assert any(not torch.equal(one[n], other[n]) for n in one)


def test_finished_cells_are_not_run_again(make_bench, no_measuring, steps, tmp_path):
    table = run_ablation(GRID, make_bench(), tmp_path)
    assert (steps, len(no_measuring)) == ([1] * 3 + [100] * 3, 2)
    assert run_ablation(GRID, make_bench(), tmp_path) == table
    assert (len(steps), len(no_measuring)) == (6, 2)


def test_a_changed_cell_is_run_anew_and_the_other_kept(make_bench, no_measuring, steps, tmp_path):
    run_ablation(GRID, make_bench(), tmp_path)
    steps.clear()
    other = Grid("Another", (GRID.cells[0], Cell("high", {"rec": 50})))
    table = run_ablation(other, make_bench(), tmp_path)
    assert steps == [50] * 3
    assert table["rows"][1]["weights"]["rec"] == 50


def test_more_pictures_are_measured_without_training_again(make_bench, no_measuring, steps, tmp_path):
    run_ablation(GRID, make_bench(), tmp_path)
    table = run_ablation(GRID, make_bench(pictures=5), tmp_path)
    assert (len(steps), no_measuring) == (6, [3, 3, 5, 5])
    assert [r["steps"] for r in table["rows"]] == [3, 3]


def test_another_classifier_is_another_ablation(make_bench, no_measuring, steps, tmp_path, study_folder):
    run_ablation(GRID, make_bench(), tmp_path / "o")
    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    shutil.copy(tmp_path / "toy" / "witness.safetensors", tmp_path / "toy" / "spare")
    shutil.copy(tmp_path / "toy" / "classifier.safetensors", tmp_path / "toy" / "witness.safetensors")
    run_ablation(GRID, make_bench(study=tmp_path / "toy"), tmp_path / "o")
    assert (len(steps), len(no_measuring)) == (6, 4)  # another witness: measured again, not trained again
    text = (tmp_path / "toy" / "study.toml").read_text().replace('"classifier.safetensors"', '"spare"')
    (tmp_path / "toy" / "study.toml").write_text(text.replace('targets = ["Large", "Bright"]', 'targets = ["Large"]'))
    run_ablation(GRID, make_bench(study=tmp_path / "toy"), tmp_path / "o")
    assert len(steps) == 12


def test_ctrl_c_keeps_what_is_finished_and_goes_on_where_it_stopped(make_bench, no_measuring, steps, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_ablation(GRID, make_bench(), tmp_path / "parts", interrupt_at("high", 2))
    assert steps == [1] * 3 + [100] * 2
    kept = json.loads((tmp_path / "parts" / "ablation.json").read_text())
    assert [r["cell"] for r in kept["rows"]] == ["low"]
    steps.clear()
    run_ablation(GRID, make_bench(), tmp_path / "parts")
    assert steps == [100]
    run_ablation(GRID, make_bench(), tmp_path / "whole")
    parts, whole = (
        load_exaggerator(tmp_path / n / "high" / "exaggerator.safetensors").state_dict() for n in ("parts", "whole")
    )
    assert all(torch.equal(parts[n], whole[n]) for n in whole)


def test_an_interrupted_cell_gets_what_is_left_of_its_minutes(make_bench, no_measuring, monkeypatch, tmp_path):
    budgets = []
    train = module.train_exaggerator

    def noted(source, f, shape, training, job, *, target):
        budgets.append(job.budget.minutes)
        return train(source, f, shape, training, replace(job, budget=Budget(steps=3)), target=target)

    monkeypatch.setattr(module, "train_exaggerator", noted)
    bench = make_bench(Budget(minutes=5))
    with pytest.raises(KeyboardInterrupt):
        run_ablation(GRID, bench, tmp_path, interrupt_at("low", 2))
    spent = torch.load(tmp_path / "low" / "state.pt", weights_only=False)["seconds"] / 60
    run_ablation(GRID, bench, tmp_path)
    assert budgets == [5, pytest.approx(5 - spent), 5]


def test_a_cell_that_diverges_is_a_result(make_bench, no_measuring, steps, tmp_path):
    step = ExaggeratorTrainer.step

    def diverging(self, index, fraction):
        losses = step(self, index, fraction)
        return losses | {"gan": float("nan")} if self.training.rec == 1 and index == 1 else losses

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExaggeratorTrainer, "step", diverging)
        table = run_ablation(GRID, make_bench(), tmp_path)
    low, high = table["rows"]
    assert low == {
        "cell": "low", "head": "paper", "weights": {"gan": 1, "f": 1, "rec": 1}, "other": {},
        "failed": "diverged: 'gan' was no longer a number at step 2",
    }  # fmt: skip
    assert high["steps"] == 3
    assert "failed: diverged" in (tmp_path / "ablation.md").read_text()
    steps.clear()
    assert run_ablation(GRID, make_bench(), tmp_path) == table  # it would diverge again
    assert steps == []


def test_weights_that_are_no_numbers_are_not_measured(make_bench, no_measuring, monkeypatch, tmp_path):
    train = module.train_exaggerator

    def broken(source, f, shape, training, job, *, target):
        outcome = train(source, f, shape, training, job, target=target)
        network = load_exaggerator(job.out / "exaggerator.safetensors")
        next(network.parameters()).fill_(float("nan"))
        save_exaggerator(network, job.out / "exaggerator.safetensors", target=target)
        return outcome

    monkeypatch.setattr(module, "train_exaggerator", broken)
    table = run_ablation(GRID, make_bench(), tmp_path)
    assert all("weights are no longer numbers" in row["failed"] for row in table["rows"])
    assert no_measuring == []


def test_a_cell_that_fails_for_another_reason_is_tried_again(make_bench, no_measuring, monkeypatch, tmp_path):
    train = module.train_exaggerator

    def short(source, f, shape, training, *args, **options):
        if training.rec == 1:
            raise MemoryError("out of\nmemory")
        return train(source, f, shape, training, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train_exaggerator", short)
        table = run_ablation(GRID, make_bench(), tmp_path)
    assert table["rows"][0]["failed"] == "MemoryError: out of memory"
    assert table["rows"][1]["steps"] == 3
    assert run_ablation(GRID, make_bench(), tmp_path)["rows"][0]["steps"] == 3


def test_mistakes_before_anything_is_trained(make_bench, steps, tmp_path):
    with pytest.raises(UserError, match="cell b: there is no setting 'lambda'"):
        run_ablation(Grid("", (Cell("a", {}), Cell("b", {"lambda": 1}))), make_bench(), tmp_path)
    with pytest.raises(UserError, match="no rows in split 'train'"):
        run_ablation(GRID, make_bench(where="split=val"), tmp_path)
    with pytest.raises(UserError, match="has 1 pictures to measure on"):
        run_ablation(GRID, make_bench(pictures=1), tmp_path)
    assert (steps, list(tmp_path.iterdir())) == ([], [])


def test_other_heads_come_with_the_note(make_bench, no_measuring, tmp_path):
    table = run_ablation(Grid("", (Cell("m", {"head": "morph"}),)), make_bench(Budget(steps=1)), tmp_path)
    assert table["note"] == NOTE
    assert "| m | morph |" in (tmp_path / "ablation.md").read_text()


def test_faces_are_verified_where_there_is_a_recogniser(make_bench, no_measuring, monkeypatch, tmp_path):
    number = {"value": 0.9, "low": 0.8, "high": 1.0}
    monkeypatch.setattr(module, "identity_report", lambda *args: {"accuracy": number})
    bench = make_bench(Budget(steps=1))
    bench.cohort.study.modality = "face"
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert run_ablation(GRID, bench, tmp_path)["rows"][0]["same_person"] is None
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    assert run_ablation(GRID, bench, tmp_path)["rows"][0]["same_person"] == number


def test_the_pictures_are_those_evaluate_takes(make_bench, monkeypatch, tmp_path):
    taken = []

    def report(knob, f, witness, features, images, **options):
        taken.append(images)
        raise RuntimeError("enough")

    monkeypatch.setattr(module, "knob_report", report)
    bench = make_bench(Budget(steps=1))
    run_ablation(GRID, bench, tmp_path)
    assert np.array_equal(taken[0], bench.cohort.images[bench.cohort.choose("Large", 3)])
    assert np.array_equal(taken[0], taken[1])
