"""A whole study measured: what metrics.json holds, and that measuring a part keeps the rest."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import STUDY, many_classes, write_many

from core.data.table import LabelledTable, read_table
from core.errors import UserError
from core.evaluation.cohort import commit
from core.evaluation.measures import _strangers
from core.evaluation.study import evaluate_study
from core.evaluation.summary import page
from core.images.read import read_picture
from core.studies import Study


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(study_folder, labelled_folder, cache, tmp_path_factory):
    """(metrics, folder) of everything measured on the test rows."""
    out = tmp_path_factory.mktemp("measured")
    study = Study(study_folder / "toy")
    return evaluate_study(study, read_table(*labelled_folder), out, pictures=5, cache=cache), out


def intervals(value, path=()):
    """Every {value, low, high} in a nested dictionary, with its path."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= value.keys():
            yield "/".join(path), value
        else:
            for key, inner in value.items():
                yield from intervals(inner, (*path, key))


def test_the_file_is_what_was_returned(measured):
    metrics, out = measured
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert metrics["study"] == "toy"


def test_every_number_names_its_data_and_its_code(measured, labelled_folder):
    metrics, _ = measured
    test = read_table(*labelled_folder).split("test")
    parts = [metrics["classifier"], metrics["witness"], metrics["oracles"]["Bar"], *metrics["knobs"]["Large"].values()]
    parts.append(metrics["infills"])
    for part in parts:
        assert part["data"] == test.describe()
        assert part["split"] == "test"
        assert part["seed"] == 0
        assert part["commit"] == commit()


def test_every_number_has_an_interval(measured):
    found = dict(intervals(measured[0]))
    assert len(found) > 30
    for path, number in found.items():
        assert number["low"] <= number["high"], path


def test_both_heads_are_measured_on_the_same_pictures(measured):
    knobs = measured[0]["knobs"]["Large"]
    assert knobs.keys() == {"morph", "paper"}
    assert [knobs[head]["direct"]["n"] for head in knobs] == [5, 5]
    assert knobs["morph"]["direct"]["still_max"] == 0
    assert knobs["paper"]["direct"]["still_max"] > 0


def test_what_the_classifier_says_is_what_is_measured(measured, study_folder, labelled_folder):
    import torch

    from core.data.packed import training_image
    from core.evaluation.classification import accuracy

    folder, labels = labelled_folder
    test, study = read_table(folder, labels).split("test"), Study(study_folder / "toy")
    images = np.stack([np.rint(training_image(folder / n, "chest", 32) * 255) / 255 for n in test.files])
    with torch.no_grad():
        p = study.blackbox("Bright").posterior(torch.from_numpy(images).float()).numpy()
    truth, known = test.label("Bright"), ~np.isnan(test.label("Bright"))
    report = measured[0]["classifier"]["targets"]["Bright"]
    assert report["n"] == known.sum() < len(test)
    assert report["accuracy"]["value"] == pytest.approx(accuracy(truth[known], p[known]), abs=1e-5)


def test_samples_get_reference_predictions(measured, study_folder):
    from core.images.read import read_picture

    _, out = measured
    references = json.loads((out / "references.json").read_text())
    study = Study(study_folder / "toy")
    answer = study.predict(study.prepare(read_picture(study.sample("camera"))))
    assert references["camera"] == pytest.approx(answer, abs=1e-3)


def test_a_part_measured_again_keeps_the_rest(study_folder, labelled_folder, cache, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"knobs": {"Large": {"morph": "old"}}, "note": 1}))
    study, table = Study(study_folder / "toy"), read_table(*labelled_folder)
    metrics = evaluate_study(study, table, tmp_path, measures=("classifier",), cache=cache)
    assert metrics["knobs"] == {"Large": {"morph": "old"}}
    assert metrics["note"] == 1
    assert "targets" in metrics["classifier"]


def test_the_gate_is_measured_on_its_own_and_on_others(study_folder, labelled_folder, cache, tmp_path):
    import shutil

    from PIL import Image

    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    text = STUDY + '\n[gate]\nfile = "gate.safetensors"\nthreshold = 0.5\n'
    (tmp_path / "toy" / "study.toml").write_text(text)
    (tmp_path / "noise").mkdir()
    (tmp_path / "strange").mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / "noise" / f"{i}.png")
        Image.fromarray(rng.integers(0, 99, (32, 32), dtype=np.uint8)).save(tmp_path / "strange" / f"{i}.png")
    metrics = evaluate_study(
        Study(tmp_path / "toy"), read_table(*labelled_folder), tmp_path, measures=("gate",),
        negatives=(tmp_path / "noise",), unseen=(tmp_path / "strange",), cache=cache,
    )  # fmt: skip
    gate = metrics["gate"]
    assert gate["false_alarms"]["n"] == 12
    assert gate["caught"].keys() == {"noise", "strange"}
    assert 1 <= gate["caught"]["noise"]["n"] < 10  # of what it was trained against, the part it did not see
    assert gate["caught"]["strange"]["n"] == 30
    assert "strange (caught; a kind it never met) | 30" in page(metrics)
    assert 0 <= gate["caught"]["noise"]["auc"] <= 1


@pytest.fixture
def damaged(labelled_folder, tmp_path):
    """The discs with one test picture missing and one broken."""
    folder = tmp_path / "discs"
    shutil.copytree(labelled_folder[0], folder)
    (folder / "007.png").unlink()
    (folder / "011.png").write_bytes((folder / "011.png").read_bytes()[:200])
    return read_table(folder, folder / "labels.csv", missing_ok=True)


def test_pictures_that_cannot_be_read_are_listed_and_no_measure_sees_them(study_folder, damaged, tmp_path):
    study, out = Study(study_folder / "toy"), tmp_path / "out"
    metrics = evaluate_study(study, damaged, out, measures=("classifier", "knobs", "infills"), pictures=20)
    assert [f["file"] for f in metrics["failed"]] == ["007.png", "011.png"]
    assert "There is no file at" in metrics["failed"][0]["why"]
    assert "011.png" in metrics["failed"][1]["why"]
    assert metrics["classifier"]["data"]["rows"] == metrics["classifier"]["targets"]["Large"]["n"] == 10
    assert metrics["knobs"]["Large"]["morph"]["direct"]["n"] == 10
    names = [n for n in damaged.split("test").files if n not in ("007.png", "011.png")]
    kept = damaged.where(np.isin(np.array(damaged.files), names))
    alone = evaluate_study(study, kept, tmp_path / "kept", measures=("classifier",))
    assert "failed" not in alone
    assert alone["classifier"] == metrics["classifier"]


def test_mended_pictures_are_read_and_are_no_longer_listed(study_folder, labelled_folder, damaged, tmp_path):
    study, out = Study(study_folder / "toy"), tmp_path / "out"
    assert "failed" in evaluate_study(study, damaged, out, measures=("classifier",))
    for name in ("007.png", "011.png"):
        shutil.copy(labelled_folder[0] / name, damaged.folder / name)
    metrics = evaluate_study(study, damaged, out, measures=("classifier",))
    assert "failed" not in metrics
    assert metrics["classifier"]["targets"]["Large"]["n"] == 12


def test_nothing_readable_is_a_sentence(study_folder, damaged, tmp_path):
    table = damaged.where(np.isin(np.array(damaged.files), ["007.png", "011.png"]))
    with pytest.raises(UserError, match=r"None of the 2 pictures could be read; the first said: There is no file"):
        evaluate_study(Study(study_folder / "toy"), table, tmp_path, measures=("classifier",))


def test_networks_are_asked_once(study_folder, labelled_folder, tmp_path, monkeypatch):
    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    table, heard = read_table(*labelled_folder), []

    def measure():
        heard.clear()
        return evaluate_study(
            Study(tmp_path / "toy"), table, tmp_path / "out", measures=("classifier",),
            report=lambda what, i, n: heard.append(what),
        )  # fmt: skip

    first = measure()
    assert heard == ["answers"] * 12
    assert measure() == first
    assert heard == []
    shutil.copy(tmp_path / "toy" / "gate.safetensors", tmp_path / "toy" / "oracle.safetensors")  # other weights
    (tmp_path / "toy" / "study.toml").write_text(STUDY.replace('target = "Bar"', 'target = "in_domain"'))
    with pytest.raises(UserError, match="no column 'in_domain'"):
        measure()
    assert heard == ["answers"] * 12


def test_an_interrupted_pass_goes_on(study_folder, labelled_folder, tmp_path):
    study, table, heard = Study(study_folder / "toy"), read_table(*labelled_folder), []

    def stop(what, i, n):
        heard.append(i)
        if i == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_study(study, table, tmp_path, measures=("classifier",), report=stop)
    metrics = evaluate_study(
        study, table, tmp_path, measures=("classifier",), report=lambda what, i, n: heard.append(i)
    )
    assert heard == list(range(1, 13))
    assert metrics["classifier"]["targets"]["Large"]["n"] == 12


def test_a_network_of_many_classes_is_asked_for_some(study_folder, tmp_path, monkeypatch):
    from core.evaluation.answers import ask_cohort

    monkeypatch.setattr("core.studies.study.load_packaged", many_classes)
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "l.csv").write_text("file,split\n0.png,test\n1.png,test\n2.png,test\n")
    study = Study(write_many(tmp_path / "c") / "many")
    asked = study.targets[5:7]
    rows, answers = ask_cohort(study, read_table(tmp_path, tmp_path / "l.csv"), tmp_path / "cache", asked=asked)
    assert len(rows) == 3
    assert answers.names.keys() == {"classifier", "likeliest"}
    assert answers.names["classifier"] == asked
    prepared = study.prepare(read_picture(tmp_path / "1.png"))
    with torch.no_grad():
        wanted = study.blackbox(asked[1]).posterior(torch.from_numpy(prepared.tensor)[None])
    assert answers.of("classifier", asked[1])[1] == pytest.approx(float(wanted), rel=0.05)


def test_only_what_a_measure_needs_is_asked(study_folder, labelled_folder, tmp_path):
    """Knobs are measured on 500 pictures; asking every network about all of a cohort first would take longer."""
    folder = tmp_path / "toy"
    shutil.copytree(study_folder / "toy", folder)
    (folder / "oracle.safetensors").unlink()
    table = read_table(*labelled_folder)
    found = evaluate_study(Study(folder), table, tmp_path / "out", measures=("infills",), pictures=4)
    assert found["infills"]["n"] == 4
    with pytest.raises(UserError, match="oracle"):
        evaluate_study(Study(folder), table, tmp_path / "out", measures=("classifier",), pictures=4)


@pytest.fixture
def numbered(tmp_path, monkeypatch):
    """(study with many classes, folder, the class numbers of its four pictures from likeliest to least)"""
    monkeypatch.setattr("core.studies.study.load_packaged", many_classes)
    study = Study(write_many(tmp_path / "c") / "many")
    rng, order = np.random.default_rng(0), []
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        prepared = study.prepare(read_picture(tmp_path / f"{i}.png"))
        kept = torch.from_numpy(np.rint(prepared.tensor * 255) / 255).float()
        order.append(study.network.posterior(kept[None])[0].argsort(descending=True).tolist())
    return study, tmp_path, order


def test_classes_with_numbers_are_compared_with_the_likeliest(numbered):
    study, folder, order = numbered
    classes = [order[0][0], order[1][4], order[2][5], ""]  # right, among the first five, not among them, unknown
    (folder / "l.csv").write_text("file,class_index\n" + "".join(f"{i}.png,{c}\n" for i, c in enumerate(classes)))
    table = read_table(folder, folder / "l.csv")
    metrics = evaluate_study(study, table, folder / "out", measures=("classifier",), split="all")
    found = metrics["choices"]["imagenet"]
    assert (found["n"], found["split"]) == (3, "all")
    assert found["accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["top5"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert "classifier" not in metrics
    assert "| imagenet | 3 | 33.3% " in page(metrics)
    assert "among the first five" in page(metrics)


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ("file\n0.png\n", "add a column 'class_index' with the number of each picture's class, 0 to"),
        ("file,class_index\n0.png,cat\n", "'cat', the class of 0.png, is not one"),
        ("file,class_index\n0.png,1000\n", "'1000', the class of 0.png, is not one"),
    ],
)
def test_classes_without_numbers_are_a_sentence(numbered, csv, said):
    study, folder, _ = numbered
    (folder / "l.csv").write_text(csv)
    with pytest.raises(UserError, match=said):
        evaluate_study(
            study, read_table(folder, folder / "l.csv"), folder / "out", measures=("classifier",), split="all"
        )


def test_mistakes(study_folder, labelled_folder, cache, tmp_path):
    study, table = Study(study_folder / "toy"), read_table(*labelled_folder)
    with pytest.raises(UserError, match="no measure 'beauty'; choose from classifier"):
        evaluate_study(study, table, tmp_path, measures=("beauty",), cache=cache)
    with pytest.raises(UserError, match="no rows in split 'test'"):
        evaluate_study(study, table.split("train"), tmp_path, cache=cache)
    blank = type(table)(table.folder, table.files, {n: c for n, c in table.columns.items() if n != "Large"})
    with pytest.raises(UserError, match="no column 'Large'"):
        evaluate_study(study, blank, tmp_path, measures=("classifier",), cache=cache)


def test_a_column_without_a_known_label_is_a_sentence_or_nothing(study_folder, labelled_folder, cache, tmp_path):
    table = read_table(*labelled_folder)
    blank = type(table)(table.folder, table.files, table.columns | {"Bright": ("",) * len(table)})
    said, metrics = "", {}
    try:
        metrics = evaluate_study(Study(study_folder / "toy"), blank, tmp_path, measures=("classifier",), cache=cache)
    except UserError as fault:
        said = str(fault)
    assert "Bright" in said or metrics["classifier"]["targets"].get("Bright", {"n": 0})["n"] == 0


def test_a_target_nobody_labelled_leaves_the_other_measures_alone(study_folder, labelled_folder, cache, tmp_path):
    table = read_table(*labelled_folder)
    blank = type(table)(table.folder, table.files, table.columns | {"Large": ("",) * len(table)})
    metrics = evaluate_study(
        Study(study_folder / "toy"), blank, tmp_path, measures=("knobs", "infills"), pictures=3, cache=cache
    )
    assert "knobs" not in metrics
    assert metrics["infills"]["n"] == 3


@pytest.mark.parametrize("names", [("anna",) * 3, ("",) * 3])
def test_strangers_need_two_identities(names):
    rows = LabelledTable(Path(), ("a", "b", "c"), {"identity": names})
    assert not len(_strangers(rows, np.arange(3), 0))
    two = LabelledTable(Path(), ("a", "b", "c"), {"identity": ("anna", "anna", "bert")})
    assert list(_strangers(two, np.arange(3), 0))[:2] == [2, 2]


def test_the_commit_is_short_and_marks_changes():
    assert re.fullmatch(r"[0-9a-f]{7,12}\+?|unknown", commit())
