"""The command line for several classes, from MNIST's files to measured maps, on a toy that fits into a second."""

from __future__ import annotations

import json
import sys
from functools import partial

import numpy as np
import pytest
import torch
from toys import CHOICE, TRANSLATOR, write_choice, write_idx

from core import cli
from core.classifiers.store import load_choice
from core.data import idx
from core.evaluation import measures_maps
from core.networks.store import load_translator
from core.studies import Study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The study's folder, with its translator; idx files lie in `data` beside `bars`."""
    monkeypatch.setattr(idx, "VAL", 6)
    folder = write_choice(tmp_path, CHOICE + TRANSLATOR)
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(tmp_path))
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data")
    return folder


@pytest.fixture
def contralens(folder, monkeypatch, capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["contralens", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


def test_training_a_choice(contralens, folder, tmp_path):
    out = tmp_path / "run"
    code, said, _ = contralens(
        "train", "classifier", "--study", "bars", "--data", tmp_path / "data", "--targets", "0,1,2", "--exclusive",
        "--width", 4, "--steps", 2, "--out", out, "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    assert "all classes (val): " in said
    assert "right of 6" in said
    assert load_choice(out / "classifier.safetensors").classes == ("0", "1", "2")


def test_training_a_translator(contralens, folder, tmp_path):
    out = tmp_path / "run"
    words = (
        "train", "ganmex", "--study", "bars", "--data", tmp_path / "data", "--width", 4, "--out", out,
        "--options", '{"batch": 4, "critic_base": 4}', "--device", "cpu",
    )  # fmt: skip
    code, said, _ = contralens(*words, "--steps", 2)
    assert code == 0
    assert "finished after 2 steps" in said
    assert "ganmex-place.safetensors" in said
    model = load_translator(out / "ganmex-place.safetensors")
    assert (model.config.classes, model.config.size, model.config.channels, model.config.width) == (3, 28, 1, 4)
    record = json.loads((out / "training.json").read_text())
    assert (record["steps"], record["choice"], record["data"]["rows"]) == (2, "place", 18)
    assert record["training"]["batch"] == 4
    assert (out / "samples.png").is_file()
    code, said, _ = contralens(*words, "--steps", 3, "--resume")
    assert "finished after 3 steps" in said
    made = model(torch.rand(2, 1, 28, 28), torch.tensor([0, 2]))
    assert made.shape == (2, 1, 28, 28)


def test_references_are_kept_beside_the_study(contralens, folder, tmp_path):
    code, said, _ = contralens("references", "--study", "bars", "--data", tmp_path / "data", "--each", 4)
    assert code == 0
    assert "place: 12 pictures" in said
    saved = np.load(folder / "references.npz")
    assert saved["place_pictures"].shape == (12, 1, 28, 28)
    assert np.bincount(saved["place_labels"]).tolist() == [4, 4, 4]
    assert "mdts" in Study(folder).baselines


@pytest.mark.slow
def test_measuring_one_against_one(contralens, folder, tmp_path, monkeypatch):
    """With two attributions: all of them on every baseline take minutes."""
    few = partial(measures_maps.maps_report, methods=("deeplift", "gradient"), checked=1)
    monkeypatch.setattr(measures_maps, "maps_report", few)
    out = tmp_path / "measured"
    code, _, _ = contralens(
        "evaluate", "--study", "bars", "--data", tmp_path / "data", "--measure", "one-vs-one", "--pictures", 2,
        "--out", out,
    )  # fmt: skip
    assert code == 0
    found = json.loads((out / "metrics.json").read_text())["one_vs_one"]["place"]
    assert found.keys() >= {"data", "split", "seed", "commit", "baselines", "maps"}
    assert found["split"] == "test"
    assert found["baselines"].keys() == {"ganmex", "mdts", "mean", "blur", "zero", "max"}
    assert found["maps"]["n"] == 2
    cells = found["maps"]["cells"]
    assert cells["deeplift"].keys() == found["baselines"].keys() | {"expected"}
    assert all(cell["residual"]["value"] < 0.01 for cell in cells["deeplift"].values())
    assert len(cells["gradient"]) == 1


# Mistakes


@pytest.fixture
def mistake(contralens):
    """Run a command line that must end with 2 and one line on stderr; returns that line."""

    def run(*words) -> str:
        code, _, err = contralens(*words)
        assert code == 2, err
        (line,) = (line for line in err.splitlines() if line.strip())
        assert line.startswith("contralens: ")
        return line

    return run


def test_data_without_labels(mistake, tmp_path):
    (tmp_path / "empty").mkdir()
    line = mistake("references", "--study", "bars", "--data", tmp_path / "empty")
    assert "pass one with --labels" in line


def test_a_study_without_a_choice(mistake, study_folder, monkeypatch, tmp_path):
    toy = ("--study", study_folder / "toy", "--data", tmp_path / "data")
    assert "no choice among several classes" in mistake("references", *toy)
    assert "no choice among several classes" in mistake("train", "ganmex", *toy, "--out", tmp_path, "--steps", 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--choice", "colour", "--steps", 1), "has no choice 'colour'; it has: place"),
        ((), "Say how long to train"),
        (("--steps", 1, "--options", "{nonsense"), "--options is not a JSON object"),
        (("--steps", 1, "--options", '{"speed": 3}'), "--options: there is no setting 'speed'"),
    ],
)
def test_a_translator_that_cannot_be_trained(mistake, tmp_path, words, sentence):
    line = mistake("train", "ganmex", "--study", "bars", "--data", tmp_path / "data", "--out", tmp_path, *words)
    assert sentence in line
