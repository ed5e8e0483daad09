"""The measures `infills` and `masks` of a whole study: what they write and keep, and which pictures they take."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import BrightnessBox, make_discs

from core.data.table import read_table
from core.errors import UserError
from core.evaluation import masks, measures_maps
from core.evaluation.cohort import Options, commit
from core.evaluation.interval import bootstrap
from core.evaluation.masks import Maps, masks_report
from core.evaluation.measures_maps import MASKED, anatomy_of, present
from core.evaluation.regions import mouth
from core.evaluation.study import evaluate_study
from core.explainers import presets
from core.studies import Study


@pytest.fixture
def fake(monkeypatch):
    """Maps of noise at no cost, for one method; returns the list of (infill, speed, number of pictures) asked for."""
    heard = []

    def find(f, infill, x, sign, row, speed, seed=0):
        heard.append((infill.name, speed, len(x)))
        maps = np.random.default_rng(seed).random((len(x), 32, 32), dtype=np.float32)
        return Maps(maps, maps > 0.5)

    monkeypatch.setattr(masks, "find_maps", find)
    monkeypatch.setattr(masks, "bootstrap", partial(bootstrap, rounds=50))
    monkeypatch.setattr(masks, "SHARES", (0.0, 0.5, 1.0))
    monkeypatch.setattr(measures_maps, "masks_report", partial(masks_report, rows=("bbmp",)))
    return heard


@pytest.fixture
def measure(study_folder, labelled_folder, tmp_path):
    """Measure the toy study; f sees 'Bright' in every one of its pictures, and 'Large' in none."""

    def run(*measures: str, **options):
        options = {"pictures": 3, "targets": ("Bright",)} | options
        study, table = Study(study_folder / "toy"), read_table(*labelled_folder)
        return evaluate_study(study, table, tmp_path / "out", measures=measures, **options)

    return run


@pytest.fixture
def written(tmp_path):
    """metrics.json as it was written, and with something in it already if that is passed."""
    path = tmp_path / "out" / "metrics.json"

    def read(old=None):
        if old is not None:
            path.parent.mkdir()
            path.write_text(json.dumps(old))
        return json.loads(path.read_text())

    return read


# What is written


def test_every_infill_of_the_study_is_measured(measure, written):
    report = measure("infills", pictures=5)["infills"]
    assert written()["infills"] == report
    assert report["n"] == 5
    assert report["commit"] == commit()
    assert list(report["infills"]) == ["mean", "blur", "random", "local"]
    for one in report["infills"].values():
        assert one["visible_change"] == 0
        assert one["frechet"] >= 0


def test_a_method_with_every_infill_of_the_study(measure, written, monkeypatch):
    few = {s: {m: o | {"steps": 1} for m, o in methods.items()} for s, methods in presets.PRESETS.items()}
    monkeypatch.setattr(presets, "PRESETS", few)
    monkeypatch.setattr(measures_maps, "masks_report", partial(masks_report, rows=("extremal",)))
    measure("masks", pictures=2)
    report = written()["masks"]["Bright"]
    assert report["n"] == report["answers_present"] == 2
    assert report["preset"] == "quick"
    assert (report["split"], report["seed"], report["commit"]) == ("test", 0, commit())
    assert report["data"]["rows"] == 12
    assert list(report["cells"]["extremal"]) == ["mean", "blur", "random", "local"]


def test_measured_again_the_rest_is_kept(measure, written, fake):
    written({"infills": {"n": 1}, "masks": {"Large": {"n": 2}, "Bright": {"n": 9}}, "note": 4})
    measure("masks")
    metrics = written()
    assert metrics.keys() == {"infills", "masks", "note", "study"}
    assert (metrics["infills"], metrics["note"], metrics["masks"]["Large"]) == ({"n": 1}, 4, {"n": 2})
    assert metrics["masks"]["Bright"]["n"] == 3
    assert {name for name, *_ in fake} == {"mean", "blur", "random", "local"}
    fake.clear()
    measure("infills")
    metrics = written()
    assert metrics["infills"]["n"] == 3
    assert "cells" in metrics["masks"]["Bright"]
    assert fake == []


def test_masks_that_were_found_are_not_looked_for_again(measure, fake):
    first = measure("masks")["masks"]["Bright"]["cells"]
    assert {pace for _, pace, _ in fake} == {"quick", "paper"}
    fake.clear()
    assert measure("masks")["masks"]["Bright"]["cells"] == first
    assert fake == []


def test_the_preset_reaches_the_masks(measure, fake):
    assert measure("masks", speed="paper")["masks"]["Bright"]["preset"] == "paper"
    assert {pace for _, pace, _ in fake} == {"paper"}


def test_progress_names_its_part(measure, fake):
    heard = []
    measure("infills", "masks", report=lambda what, i, n: heard.append((what, i, n)))
    assert list(dict.fromkeys(what for what, *_ in heard)) == ["answers", "reading", "infills", "masks Bright"]
    for part in ("infills", "masks Bright"):
        _, i, n = [h for h in heard if h[0] == part][-1]
        assert i == n


def test_mistakes(measure, fake):
    with pytest.raises(UserError, match="no preset 'slow'"):
        measure("masks", speed="slow")
    with pytest.raises(UserError, match="no target 'Small'"):
        measure("masks", targets=("Small",))
    with pytest.raises(UserError, match=r"no measure 'mask'; choose from .*infills, masks"):
        measure("mask")


# Which pictures


def test_a_finding_that_f_sees_nowhere_is_left_out(measure, fake):
    assert "masks" not in measure("masks", targets=("Large",))
    assert measure("masks", targets=("Large", "Bright"))["masks"].keys() == {"Bright"}


def test_masks_explain_what_f_found():
    images = make_discs(40, seed=2, cause="intensity").images
    p = BrightnessBox(threshold=0.35).posterior(torch.from_numpy(images).float() / 255).numpy()
    there = np.flatnonzero(p >= 0.5)
    assert 5 < len(there) < 35
    np.testing.assert_array_equal(present(p, MASKED, 0), there)
    few = present(p, 4, 0)
    assert few.tolist() == sorted(set(few.tolist()) & set(there.tolist()))
    assert len(few) == 4
    np.testing.assert_array_equal(few, present(p, 4, 0))
    assert few.tolist() != present(p, 4, 1).tolist()


# Where the finding is


def heart_folder(folder, files):
    """The left half of the picture is the heart, for these files."""
    from PIL import Image

    folder.mkdir()
    mask = np.zeros((48, 48), dtype=np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save(folder / "half.png")
    (folder / "masks.csv").write_text("file,heart\n" + "".join(f"{name},half.png\n" for name in files))
    return folder


def test_hearts_are_compared_where_they_are_known(measure, labelled_folder, tmp_path, fake):
    files = read_table(*labelled_folder).split("test").files
    report = measure("masks", masks=heart_folder(tmp_path / "hearts", files[3:5]))["masks"]["Bright"]
    assert (report["anatomy"]["name"], report["anatomy"]["n"]) == ("heart", 2)
    assert report["anatomy"]["area"] == pytest.approx(0.5, abs=0.03)
    for one in report["cells"]["bbmp"].values():
        assert one["inside"]["n"] == 2
        assert one["inside"]["value"] == pytest.approx(0.5, abs=0.08)  # the maps are noise


def test_a_folder_of_masks_for_other_pictures(measure, tmp_path, fake):
    with pytest.raises(UserError, match=r"masks\.csv"):
        measure("masks", masks=tmp_path)
    none = heart_folder(tmp_path / "hearts", ["elsewhere.png"])
    assert "anatomy" not in measure("masks", masks=none)["masks"]["Bright"]


def cohort(modality: str):
    return SimpleNamespace(
        study=SimpleNamespace(modality=modality, size=32), options=Options(), images=make_discs(6).images
    )


@pytest.mark.parametrize("target", ["Smiling", "Mouth_Slightly_Open"])
def test_a_smile_is_in_the_mouth(target):
    faces, chosen = cohort("face"), np.array([1, 4])
    name, pictures, regions = anatomy_of(faces, target, chosen)
    assert name == "mouth"
    np.testing.assert_array_equal(pictures, faces.images[chosen])
    np.testing.assert_array_equal(regions, [mouth(32)] * 2)


@pytest.mark.parametrize(
    ("modality", "target"), [("face", "No_Beard"), ("photo", "Smiling"), ("chest", "Cardiomegaly")]
)
def test_where_nothing_is_known(modality, target):
    assert anatomy_of(cohort(modality), target, np.array([0])) is None
