"""From a folder and a CSV to a checkpoint."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from toys import AreaBox, small_config

from core.classifiers.store import load_classifier
from core.errors import UserError
from core.networks.store import load_exaggerator
from core.training.classifier import ClassifierConfig
from core.training.gate import train_gate
from core.training.job import Job
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Budget
from core.training.recipes import train_classifier, train_exaggerator
from core.training.source import Source
from core.weights import read_weights

SMALL = ClassifierConfig(targets=("Large", "Bright"), width=8, batch=8)
FEW = ExaggeratorTraining(batch=4, critic_base=4)


@pytest.fixture
def source(labelled_folder, tmp_path):
    data, labels = labelled_folder
    return Source(data, labels, "chest", 32, tmp_path / "cache")


def changed(source, **changes) -> Source:
    return Source(**{**source.__dict__, **changes})


def test_a_classifier_and_its_record(source, tmp_path):
    _, report = train_classifier(source, SMALL, Job(Budget(steps=2), tmp_path / "out"))
    model = load_classifier(tmp_path / "out" / "classifier.safetensors")
    assert (model.targets, model.size, model.channels) == (("Large", "Bright"), 32, 1)
    assert report.keys() == {"Large", "Bright"}
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (record["steps"], record["stop"]) == (2, "finished")
    assert record["data"]["rows"] == 24  # the train rows alone
    assert record["val"] == report


def test_labels_that_are_blank_are_not_measured(source, tmp_path):
    _, report = train_classifier(source, SMALL, Job(Budget(steps=1), tmp_path / "out"))
    val = source.table().split("val")
    assert report["Bright"]["n"] == int((~np.isnan(val.label("Bright"))).sum())
    assert report["Bright"]["n"] < report["Large"]["n"] == len(val)


def test_an_exaggerator_and_its_record(source, tmp_path):
    outcome = train_exaggerator(
        source, AreaBox(), small_config(), FEW, Job(Budget(steps=2), tmp_path / "out"), target="Large"
    )
    assert outcome.stop == "finished"
    network = load_exaggerator(tmp_path / "out" / "exaggerator.safetensors")
    assert network.config == small_config()
    assert read_weights(tmp_path / "out" / "exaggerator.safetensors")[1]["target"] == "Large"
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["target"] == "Large"
    assert record["data"]["rows"] == 24
    assert record["training"]["f"] == 1.0
    assert (tmp_path / "out" / "samples.png").is_file()


def test_an_exaggerator_with_a_sibling(source, tmp_path):
    train_classifier(source, SMALL, Job(Budget(steps=1), tmp_path / "f"))
    file = str(tmp_path / "f" / "classifier.safetensors")
    train = partial(train_exaggerator, source, AreaBox(), small_config(), replace(FEW, siblings=(file, file)))
    train(Job(Budget(steps=1), tmp_path / "out"), target="Large")
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["training"]["siblings"] == [file, file]
    with pytest.raises(UserError, match="no target 'Bar'"):
        train(Job(Budget(steps=1), tmp_path / "other"), target="Bar")


def test_a_knob_is_held_only_to_one_it_began_from(source, tmp_path):
    with pytest.raises(UserError, match="--init"):
        train_exaggerator(
            source, AreaBox(), small_config(), replace(FEW, keep=1.0), Job(Budget(steps=1), tmp_path), target="Large"
        )


def test_the_explainer_never_sees_test_pictures(source, tmp_path, monkeypatch):
    from core.training import recipes

    seen = []
    trainer = recipes.ExaggeratorTrainer

    def watched(config, training, f, images, *rest):
        seen.append(images)
        return trainer(config, training, f, images, *rest)

    monkeypatch.setattr(recipes, "ExaggeratorTrainer", watched)
    train_exaggerator(source, AreaBox(), small_config(), FEW, Job(Budget(steps=1), tmp_path / "out"), target="Large")
    table = source.table()
    train, test = (source.images(table.split(s)) for s in ("train", "test"))
    np.testing.assert_array_equal(seen[0], train)
    assert not any((seen[0] == picture).all((1, 2, 3)).any() for picture in test)


def test_only_the_rows_that_are_wanted(source):
    assert len(changed(source, where="Bar=1").table()) == sum(v == "1" for v in source.table().columns["Bar"])
    assert len(changed(source, where="split=val,test").table()) == 24


def test_several_conditions_keep_the_rows_that_fit_all_of_one_alternative(source, tmp_path):
    tied = changed(source, where="Large=1&Bar=1|Large=0&Bar=0")
    columns = tied.table().columns
    assert columns["Large"] == columns["Bar"]
    assert set(columns["Large"]) == {"0", "1"}
    train_classifier(tied, SMALL, Job(Budget(steps=1), tmp_path / "out"))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["where"] == "Large=1&Bar=1|Large=0&Bar=0"
    assert record["data"]["rows"] == 14  # of 24 train rows, 7 are large with a bar and 7 neither


@pytest.fixture
def given(monkeypatch):
    """What the trainer was given: images and labels."""
    from core.training import recipes

    kept, trainer = [], recipes.ClassifierTrainer
    monkeypatch.setattr(
        recipes,
        "ClassifierTrainer",
        lambda c, images, labels, d: kept.append((images, labels)) or trainer(c, images, labels, d),
    )
    return kept


def test_a_balanced_attribute_says_nothing_of_the_target(source, tmp_path, given):
    # Of the train rows, 7 and 6 are large with and without a bar, 4 and 7 small; of the val rows, 3, 4, 3 and 2.
    config = ClassifierConfig(targets=("Large",), width=8, batch=8)
    _, report = train_classifier(source, config, Job(Budget(steps=1), tmp_path / "out"), balance="Bar")
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["balance"] == "Bar"
    assert record["data"]["rows"] == 16
    assert report["Large"]["n"] == 8
    train = source.table().split("train").balanced("Large", "Bar", config.seed)
    assert record["data"] == train.describe()
    ((images, labels),) = given
    np.testing.assert_array_equal(images, source.images(train))
    np.testing.assert_array_equal(labels[:, 0], train.label("Large"))
    assert labels.mean() == 0.5
    for large in (0, 1):
        assert train.label("Bar")[train.label("Large") == large].tolist().count(1) == 4


def test_the_first_target_is_balanced_after_unknown_rows_are_left_out(source, tmp_path, given):
    config = ClassifierConfig(targets=("Bright", "Large"), width=8, batch=8, seed=3)
    train_classifier(source, config, Job(Budget(steps=1), tmp_path / "out"), balance="Bar")
    ((_, labels),) = given
    assert labels.shape[1] == 2
    assert not np.isnan(labels[:, 0]).any()
    assert labels[:, 0].mean() == 0.5


def test_without_balance_every_row_is_used(source, tmp_path, given):
    train_classifier(source, SMALL, Job(Budget(steps=1), tmp_path / "out"))
    assert len(given[0][0]) == 24
    assert json.loads((tmp_path / "out" / "training.json").read_text())["balance"] is None


def test_what_cannot_be_balanced(source, tmp_path):
    with pytest.raises(UserError, match="'Large' and 'Bar' cannot be balanced"):
        train_classifier(changed(source, where="Bar=1"), SMALL, Job(Budget(steps=1), tmp_path / "out"), balance="Bar")
    with pytest.raises(UserError, match="no column 'Age'"):
        train_classifier(source, SMALL, Job(Budget(steps=1), tmp_path / "out"), balance="Age")


@pytest.mark.parametrize("where", ["Colour=1", "Bar", "Bar=", "Bar=1&", "Bar=1&Colour=1", "Bar=1|Colour=1"])
def test_a_filter_that_makes_no_sense(source, where):
    with pytest.raises(UserError, match=re.escape(f"a column of the label file, not '{where}'")):
        changed(source, where=where).table()


def test_a_filter_that_leaves_nothing(source):
    with pytest.raises(UserError, match=r"No row of .*labels\.csv fits --where Bar=7"):
        changed(source, where="Bar=7").table()


def test_a_classifier_needs_train_and_val(source, tmp_path):
    with pytest.raises(UserError, match="rows in both 'train' and 'val'"):
        train_classifier(changed(source, where="split=train,test"), SMALL, Job(Budget(steps=1), tmp_path / "out"))


def test_an_exaggerator_needs_train_rows(source, tmp_path):
    with pytest.raises(UserError, match="train"):
        train_exaggerator(
            changed(source, where="split=val"), AreaBox(), small_config(), FEW, Job(Budget(steps=1), tmp_path / "out"),
            target="Large",
        )  # fmt: skip


def test_a_target_without_a_label_in_val_is_a_sentence_or_a_number(source, labelled_folder, tmp_path):
    # A target whose column is blank in every val row cannot be calibrated or measured; that is no fault of ours.
    text = labelled_folder[1].read_text().splitlines()
    rows = [text[0] + ",Rare", *(f"{line},{'' if ',val,' in line else i % 2}" for i, line in enumerate(text[1:]))]
    (tmp_path / "rare.csv").write_text("\n".join(rows) + "\n")
    config = ClassifierConfig(targets=("Large", "Rare"), width=8, batch=8)
    said = ""
    try:
        train_classifier(changed(source, labels=tmp_path / "rare.csv"), config, Job(Budget(steps=1), tmp_path / "out"))
    except UserError as fault:
        said = str(fault)
    if not said:
        model = load_classifier(tmp_path / "out" / "classifier.safetensors")
        assert torch.isfinite(model.posterior(torch.rand(2, 1, 32, 32))).all()
    assert not said or "Rare" in said


def test_a_gate_learns_the_studys_own_pictures(source, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "noise").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / "noise" / f"{i}.png")
    result = train_gate(source, (tmp_path / "noise",), Job(Budget(steps=3), tmp_path / "out"))
    gate = load_classifier(tmp_path / "out" / "gate.safetensors")
    assert gate.targets == ("in_domain",)
    assert 0 < result["threshold"] < 1
    assert 0 <= result["caught"] <= 1
