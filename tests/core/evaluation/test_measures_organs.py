"""The measures `segmenter`, `heart` and `discrimination` of a whole study: what they write, and on which pictures."""

from __future__ import annotations

import csv
import json
import math
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from toys import STUDY

from core.data.packed import training_image
from core.data.table import read_table
from core.errors import UserError
from core.evaluation import discrimination, population
from core.evaluation.cohort import commit
from core.evaluation.discrimination import discrimination_row
from core.evaluation.heart import heart_size
from core.evaluation.interval import bootstrap
from core.evaluation.measures_organs import measure_discrimination
from core.evaluation.population import independent_test, paired_test
from core.evaluation.study import evaluate_study
from core.evaluation.sweeps import CENTRES
from core.studies import Study

SEGMENTER = '\n[segmenter]\nfile = "segmenter.safetensors"\n'
VARIANT = """
[[variant]]
name = "one"
title = "one target"
file = "witness.safetensors"
targets = ["Large"]

[[variant.knob]]
target = "Large"
head = "morph"
file = "morph.safetensors"
"""


class ToySegmenter:
    """The heart is what is bright in the middle, the lungs are columns 4 to 59 of 64."""

    def __init__(self, *organs: str, level: float = 0.6) -> None:
        self.config = SimpleNamespace(size=64, organs=organs)
        self.level = level

    def segment(self, x):
        lungs = torch.zeros(len(x), 64, 64, dtype=torch.bool)
        lungs[..., 4:60] = True
        middle = torch.zeros_like(lungs)
        middle[:, 8:56, 8:56] = True
        found = {"lungs": lungs, "heart": (F.avg_pool2d(x, 7, 1, 3)[:, 0] > self.level) & middle}
        return torch.stack([found[o] for o in self.config.organs], 1)


@pytest.fixture
def folder(study_folder, tmp_path):
    """The toy study, whose study.toml says that it has a segmenter."""
    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    (tmp_path / "toy" / "study.toml").write_text(STUDY + SEGMENTER)
    return tmp_path / "toy"


@pytest.fixture
def measure(folder, labelled_folder, tmp_path, monkeypatch):
    """Measure the study with a segmenter that is known and few rounds of the bootstrap."""
    for module in (population, discrimination):
        monkeypatch.setattr(module, "bootstrap", partial(bootstrap, rounds=50))

    def run(*measures: str, segmenter=None, variant=None, **options):
        network = segmenter or ToySegmenter("lungs", "heart")
        monkeypatch.setattr(Study, "segmenter", lambda self: network)
        study, table = Study(folder, variant=variant), read_table(*labelled_folder)
        return evaluate_study(study, table, tmp_path / "out", measures=measures, **({"pictures": 4} | options))

    return run


def numbers(row: dict[str, str], *names: str) -> list[float]:
    return [float(row[n]) for n in names]


# Heart size


def test_the_heart_is_measured_and_written(measure, tmp_path):
    heard = []
    metrics = measure("heart", seed=3, report=lambda what, i, n: heard.append((what, i, n)))
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["heart"] == metrics["heart"]
    assert metrics["heart"].keys() == {"Large"}
    report = metrics["heart"]["Large"]
    assert (report["n"], report["head"], report["mode"], report["split"]) == (4, "morph", "calibrated", "test")
    assert (report["seed"], report["commit"], report["data"]["rows"]) == (3, commit(), 12)
    assert report["ctr"]["n"] == 4
    assert report["ctr"]["requested"] == report["area"]["requested"] == list(CENTRES)
    assert [h for h in heard if h[0] == "heart Large"] == [("heart Large", i, 4) for i in range(1, 5)]
    for name in ("ctr", "area"):
        with Image.open(tmp_path / "out" / "report" / f"heart-large-{name}.png") as chart:
            assert chart.format == "PNG"
            assert chart.size == (970, 516)


@pytest.fixture
def rows(tmp_path):
    """The rows of heart-large.csv, those of one picture together."""

    def read() -> list[list[dict[str, str]]]:
        with (tmp_path / "out" / "report" / "heart-large.csv").open(newline="") as handle:
            found = list(csv.DictReader(handle))
        assert list(found[0]) == ["picture", "label", "f", "requested", "achieved", "ctr", "area"]
        return [found[i : i + 11] for i in range(0, len(found), 11)]

    return read


def seen(labelled_folder, names, size: int) -> np.ndarray:
    """[N, 1, size, size] uint8 of these pictures."""
    pictures = np.stack([training_image(labelled_folder[0] / name, "chest", size) for name in names])
    return np.rint(pictures * 255).astype(np.uint8)


def test_the_csv_has_every_frame_with_the_picture_first(measure, rows, folder, labelled_folder):
    measure("heart", seed=3)
    pictures = rows()
    assert len(pictures) == 4
    for i, frames in enumerate(pictures):
        assert {f["picture"] for f in frames} == {str(i)}
        assert len({(f["label"], f["f"]) for f in frames}) == 1
        assert frames[0]["requested"] == ""
        assert frames[0]["achieved"] == frames[0]["f"]
        assert [float(f["requested"]) for f in frames[1:]] == list(CENTRES)
    # Labels and answers are those of the pictures that were drawn, in the order of the table.
    test, study = read_table(*labelled_folder).split("test"), Study(folder)
    drawn = np.sort(np.random.default_rng(3).permutation(12)[:4])
    assert [int(f[0]["label"]) for f in pictures] == test.label("Large")[drawn].astype(int).tolist()
    x = torch.from_numpy(seen(labelled_folder, [test.files[i] for i in drawn], 32)).float() / 255
    answers = study.blackbox("Large").posterior(x)
    assert [float(f[0]["f"]) for f in pictures] == pytest.approx(answers.tolist(), abs=2e-5)


def test_the_picture_itself_is_measured_at_the_segmenters_size(measure, rows, labelled_folder):
    measure("heart", pictures=12)
    views = torch.from_numpy(seen(labelled_folder, read_table(*labelled_folder).split("test").files, 64)).float() / 255
    organs = ToySegmenter("lungs", "heart").segment(views).numpy()
    for (lungs, heart), frames in zip(organs, rows(), strict=True):
        size = heart_size(heart, lungs)
        assert numbers(frames[0], "ctr", "area") == pytest.approx([size.ctr, size.area], abs=2e-5)


def test_the_metrics_are_the_csv_summed_up(measure, rows):
    report = measure("heart", pictures=12)["heart"]["Large"]
    pictures = rows()
    positive = np.array([f[0]["label"] == "1" for f in pictures])
    assert 2 < positive.sum() < 10
    for name in ("ctr", "area"):
        sizes = np.array([[float(f[name]) for f in frames] for frames in pictures])
        found = report[name]
        assert [m["value"] for m in found["mean"]] == pytest.approx(sizes[:, 1:].mean(0), abs=2e-5)
        slopes = [np.polyfit(CENTRES, row, 1)[0] for row in sizes[:, 1:]]
        assert found["slope"]["value"] == pytest.approx(np.mean(slopes), abs=1e-4)
        query, less, more = sizes[:, 0], sizes[:, 1], sizes[:, -1]
        groups = {
            "healthy": query[~positive], "condition": query[positive], "made_condition": more[~positive],
            "made_healthy": less[positive],
        }  # fmt: skip
        for group, values in groups.items():
            assert found["groups"][group]["n"] == len(values)
            assert found["groups"][group]["mean"]["value"] == pytest.approx(values.mean(), abs=2e-5)
        paired = paired_test(query[~positive], more[~positive])
        assert found["paired"]["healthy to made_condition"]["n"] == paired["n"]
        independent = independent_test(query[~positive], query[positive])
        effect = found["independent"]["healthy against condition"]["effect"]
        assert effect == pytest.approx(independent["effect"], abs=0.02)


def test_hearts_that_are_found_nowhere_are_no_numbers_and_no_chart(measure, rows, tmp_path):
    report = measure("heart", segmenter=ToySegmenter("heart", "lungs", level=2.0), pictures=3)["heart"]["Large"]
    assert (report["n"], report["ctr"]["n"]) == (3, 0)
    assert report["ctr"]["slope"] == {"value": None, "low": None, "high": None}
    groups = report["ctr"]["groups"]
    assert groups["healthy"]["not_found"] + groups["condition"]["not_found"] == 3
    assert all(math.isnan(float(f["ctr"])) for frames in rows() for f in frames)
    assert not list((tmp_path / "out" / "report").glob("heart-large-*.png"))
    json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=pytest.fail)  # NaN is not JSON


@pytest.mark.parametrize("organs", [("lungs",), ("spleen",)])
def test_without_a_heart_there_is_no_heart_size(measure, organs):
    with pytest.raises(UserError, match="no segmenter of the heart, so there is nothing for the measure 'heart'"):
        measure("heart", segmenter=ToySegmenter(*organs), pictures=2)


def test_without_a_segmenter_nothing_of_organs_is_measured(measure, folder, tmp_path):
    (folder / "study.toml").write_text(STUDY)
    for name in ("heart", "segmenter"):
        with pytest.raises(UserError, match=f"nothing for the measure '{name}'"):
            measure(name, masks=tmp_path, pictures=2)


def test_a_knob_that_paints_the_whole_picture_is_left_out(measure, folder):
    knobs = STUDY.replace('head = "morph"\nfile = "morph', 'head = "residual"\nfile = "paper')
    before = knobs.index('[[knob]]\ntarget = "Large"\nhead = "residual"')
    after = knobs.index("[[knob]]", before + 1)
    (folder / "study.toml").write_text(knobs[:before] + knobs[after:] + SEGMENTER)
    assert Study(folder).heads("Large") == ("paper",)
    assert "heart" not in measure("heart", pictures=2)


# The segmenter


def masks_folder(path, files, organs=("heart", "lungs")):
    """The left half of each picture, for every organ."""
    path.mkdir()
    half = np.zeros((48, 48), np.uint8)
    half[:, :24] = 255
    Image.fromarray(half).save(path / "half.png")
    lines = [f"file,{','.join(organs)}", *(f"{name}{',half.png' * len(organs)}" for name in files)]
    (path / "masks.csv").write_text("\n".join(lines))
    return path


def test_dice_of_the_pictures_that_have_masks(measure, labelled_folder, tmp_path):
    table = read_table(*labelled_folder)
    test, train = table.split("test"), table.split("train")
    masks = masks_folder(tmp_path / "masks", [*test.files[2:5], train.files[0]])
    report = measure("segmenter", masks=masks)["segmenter"]
    assert (report["size"], report["split"]) == (64, "test")
    assert report["data"] == test.where(np.arange(2, 5)).describe()
    # 32 columns drawn, 56 found, 28 in common, in every picture.
    same = round(2 * 28 / (32 + 56), 5)
    assert report["lungs"] == {"n": 3, "dice": {"value": same, "low": same, "high": same}}
    assert report["heart"]["n"] == 3
    assert 0 < report["heart"]["dice"]["value"] < 1


def test_the_segmenter_is_measured_on_masks_only(measure, tmp_path):
    with pytest.raises(UserError, match="name their folder with --masks"):
        measure("segmenter")
    assert not (tmp_path / "out").exists()
    none = masks_folder(tmp_path / "none", ["elsewhere.png"])
    with pytest.raises(UserError, match="No picture of this split has a mask in"):
        measure("segmenter", masks=none)
    with pytest.raises(UserError, match="needs the columns 'file' and 'lungs'"):
        measure("segmenter", masks=masks_folder(tmp_path / "hearts", ["003.png"], ("heart",)))


# Discrimination


def test_a_row_for_every_knob_with_every_target(measure, tmp_path):
    heard = []
    metrics = measure("discrimination", pictures=5, seed=2, report=lambda what, i, n: heard.append((what, i, n)))
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())["discrimination"]
    assert report == metrics["discrimination"]
    assert report["targets"] == ["Large", "Bright"]
    assert (report["split"], report["seed"]) == ("test", 2)
    assert report["knobs"].keys() == {"Large"}
    row = report["knobs"]["Large"]
    assert row["n"] == 5
    assert row["flipped"].keys() == row["flipped_unasked"].keys() == {"Large", "Bright"}
    assert [h[1:] for h in heard if h[0] == "discrimination Large"] == [(i, 5) for i in range(1, 6)]


def test_the_row_is_that_of_the_pictures_that_were_drawn(measure, folder, labelled_folder):
    names, study = read_table(*labelled_folder).split("test").files, Study(folder)
    for pictures, drawn in ((200, range(12)), (3, np.sort(np.random.default_rng(4).permutation(12)[:3]))):
        images = seen(labelled_folder, [names[i] for i in drawn], 32)
        wanted = discrimination_row(study.exaggerator("Large"), study.classifier, "Large", images, seed=4)
        found = measure("discrimination", pictures=pictures, seed=4)["discrimination"]["knobs"]["Large"]
        assert found == wanted


def test_one_target_cannot_be_told_from_others(measure, folder):
    (folder / "study.toml").write_text(STUDY + VARIANT)
    assert "discrimination" in measure("discrimination", pictures=2)
    assert "discrimination" not in measure("discrimination", pictures=2, variant="one")


def test_one_class_of_many_is_not_measured():
    metrics, nothing = {}, SimpleNamespace(one_of_many=True, targets=("a", "b", "c"), knobs=("a",))
    measure_discrimination(SimpleNamespace(study=nothing, options=None), metrics, None, pytest.fail)
    assert metrics == {}
