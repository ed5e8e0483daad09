"""A whole study measured: what metrics.json holds, and that measuring a part keeps the rest."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import STUDY, BrightnessBox, make_discs

from core.data.table import read_table
from core.errors import UserError
from core.evaluation import masks
from core.evaluation.regions import mouth
from core.evaluation.study import MASKED, _anatomy, _present, commit, evaluate_study
from core.explainers import presets
from core.studies import Study


@pytest.fixture(scope="module", autouse=True)
def _one_step():
    """One step of every mask explainer, at either speed."""
    with pytest.MonkeyPatch.context() as patch:
        few = {s: {m: o | {"steps": 1} for m, o in methods.items()} for s, methods in presets.PRESETS.items()}
        patch.setattr(presets, "PRESETS", few)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(study_folder, labelled_folder, cache, tmp_path_factory):
    """(metrics, folder) of everything measured on the test rows."""
    out = tmp_path_factory.mktemp("measured")
    study = Study(study_folder / "toy")
    return evaluate_study(study, read_table(*labelled_folder), out, pictures=5, targets=("Bright",), cache=cache), out


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
    parts += [metrics["infills"], metrics["masks"]["Bright"]]
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
    rng = np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / "noise" / f"{i}.png")
    metrics = evaluate_study(
        Study(tmp_path / "toy"), read_table(*labelled_folder), tmp_path, measures=("gate",),
        negatives=(tmp_path / "noise",), cache=cache,
    )  # fmt: skip
    gate = metrics["gate"]
    assert gate["false_alarms"]["n"] == 12
    assert gate["caught"].keys() == {"noise"}
    assert gate["caught"]["noise"]["n"] >= 1
    assert 0 <= gate["caught"]["noise"]["auc"] <= 1


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


def test_the_commit_is_short_and_marks_changes():
    assert re.fullmatch(r"[0-9a-f]{7,12}\+?|unknown", commit())


# Infills and masks


@pytest.fixture
def fake(monkeypatch):
    """Maps at no cost; returns the list of (row, infill, speed, number of pictures) asked for."""
    heard = []

    def find(f, infill, x, sign, row, speed, seed=0):
        heard.append((row, infill.name, speed, len(x)))
        maps = np.random.default_rng(seed).random((len(x), 32, 32), dtype=np.float32)
        return masks.Maps(maps, maps > 0.5)

    monkeypatch.setattr(masks, "find_maps", find)
    return heard


def measure(study_folder, labelled_folder, out, **options):
    options = {"measures": ("masks",), "pictures": 3, "targets": ("Bright",), "cache": out / "cache"} | options
    return evaluate_study(Study(study_folder / "toy"), read_table(*labelled_folder), out, **options)


def test_every_infill_of_the_study_is_measured(measured, study_folder):
    report = measured[0]["infills"]
    assert report["n"] == 5
    assert tuple(report["infills"]) == Study(study_folder / "toy").infills == ("mean", "blur", "random", "local")
    for one in report["infills"].values():
        assert one["visible_change"] == 0
        assert one["frechet"] >= 0


def test_every_method_is_measured_with_every_infill(measured):
    report = measured[0]["masks"]["Bright"]
    assert report["n"] == report["answers_present"] == 5
    assert report["preset"] == "quick"
    assert report["cells"].keys() == set(masks.ROWS)
    assert {tuple(of) for of in report["cells"].values()} == {("mean", "blur", "random", "local")}


def test_masks_measured_again_keep_the_rest(study_folder, labelled_folder, tmp_path, fake):
    old = {"infills": {"n": 1}, "masks": {"Large": {"n": 2}, "Bright": {"n": 3}}, "note": 4}
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    measure(study_folder, labelled_folder, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics.keys() == {"infills", "masks", "note", "study"}
    assert (metrics["infills"], metrics["note"], metrics["masks"]["Large"]) == ({"n": 1}, 4, {"n": 2})
    assert metrics["masks"]["Bright"]["n"] == 3
    assert "cells" in metrics["masks"]["Bright"]
    assert {name for _, name, *_ in fake} == {"mean", "blur", "random", "local"}
    fake.clear()
    metrics = measure(study_folder, labelled_folder, tmp_path, measures=("infills",))
    assert metrics["infills"]["n"] == 3
    assert "cells" in metrics["masks"]["Bright"]
    assert fake == []


def test_masks_that_were_found_are_not_looked_for_again(study_folder, labelled_folder, tmp_path, fake):
    first = measure(study_folder, labelled_folder, tmp_path)
    assert {pace for *_, pace, _ in fake} == {"quick", "paper"}
    fake.clear()
    again = measure(study_folder, labelled_folder, tmp_path)
    assert again["masks"]["Bright"]["cells"] == first["masks"]["Bright"]["cells"]
    assert fake == []


def test_the_preset_reaches_the_masks(study_folder, labelled_folder, tmp_path, fake):
    report = measure(study_folder, labelled_folder, tmp_path, speed="paper")["masks"]["Bright"]
    assert {pace for *_, pace, _ in fake} == {"paper"}
    assert report["preset"] == "paper"
    with pytest.raises(UserError, match="no preset 'slow'"):
        measure(study_folder, labelled_folder, tmp_path, speed="slow")


def test_a_finding_the_study_lacks(study_folder, labelled_folder, tmp_path, fake):
    with pytest.raises(UserError, match="no target 'Small'"):
        measure(study_folder, labelled_folder, tmp_path, targets=("Small",))


def test_masks_explain_what_f_found():
    images = make_discs(40, seed=2, cause="intensity").images
    f = BrightnessBox(threshold=0.35)
    present = np.flatnonzero(f.posterior(torch.from_numpy(images).float() / 255).numpy() >= 0.5)
    assert 5 < len(present) < 35
    np.testing.assert_array_equal(_present(f, images, MASKED, 0), present)
    few = _present(f, images, 4, 0)
    assert few.tolist() == sorted(set(few.tolist()) & set(present.tolist()))
    assert len(few) == 4
    np.testing.assert_array_equal(few, _present(f, images, 4, 0))
    assert few.tolist() != _present(f, images, 4, 1).tolist()


def heart_folder(folder, files):
    """The left half of the picture is the heart, for these files."""
    from PIL import Image

    folder.mkdir()
    mask = np.zeros((48, 48), dtype=np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save(folder / "half.png")
    (folder / "masks.csv").write_text("file,heart\n" + "".join(f"{name},half.png\n" for name in files))
    return folder


def test_hearts_are_compared_where_they_are_known(study_folder, labelled_folder, tmp_path, fake):
    files = read_table(*labelled_folder).split("test").files
    folder = heart_folder(tmp_path / "hearts", files[3:5])
    report = measure(study_folder, labelled_folder, tmp_path, masks=folder)["masks"]["Bright"]
    assert (report["anatomy"]["name"], report["anatomy"]["n"]) == ("heart", 2)
    assert report["anatomy"]["area"] == pytest.approx(0.5, abs=0.03)
    for of in report["cells"].values():
        for one in of.values():
            assert one["inside"]["n"] == 2
            assert one["inside"]["value"] == pytest.approx(0.5, abs=0.08)  # the maps are noise


def test_a_folder_without_masks(study_folder, labelled_folder, tmp_path, fake):
    with pytest.raises(UserError, match=r"masks\.csv"):
        measure(study_folder, labelled_folder, tmp_path, masks=tmp_path)
    none = heart_folder(tmp_path / "hearts", ["elsewhere.png"])
    assert "anatomy" not in measure(study_folder, labelled_folder, tmp_path, masks=none)["masks"]["Bright"]


@pytest.mark.parametrize("target", ["Smiling", "Mouth_Slightly_Open"])
def test_a_smile_is_in_the_mouth(target):
    images, chosen = make_discs(6).images, np.array([1, 4])
    study = SimpleNamespace(modality="face", size=32)
    name, pictures, regions = _anatomy(study, target, None, images, chosen, None)
    assert name == "mouth"
    np.testing.assert_array_equal(pictures, images[chosen])
    np.testing.assert_array_equal(regions, [mouth(32)] * 2)
    for other in (SimpleNamespace(modality="face", size=32), SimpleNamespace(modality="photo", size=32)):
        assert _anatomy(other, "No_Beard", None, images, chosen, None) is None
