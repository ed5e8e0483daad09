"""What an impatient user does wrong: one sentence, exit code 2, and nothing that was finished is lost."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from torch import nn

from core import cli
from core.commands.serve import _check_place
from core.commands.shared import a_folder, above_zero, from_zero
from core.commands.show import prepare_file
from core.errors import NotFinite, UserError
from core.images.faces import NoFace, SeveralFaces
from core.networks.exaggerator import Exaggerator
from core.weights import save_weights

TRAIN = ("train", "classifier", "--study", "toy", "--targets", "Large", "--device", "cpu", "--width", "4")


@pytest.fixture
def words(table, tmp_path):
    return (*TRAIN, *table, "--out", tmp_path / "o")


# How long


@pytest.mark.parametrize("much", [("--steps", "0"), ("--steps", "-3"), ("--minutes", "0"), ("--minutes", "nan")])
def test_no_training_at_all_leaves_the_checkpoint(contralens, mistake, words, tmp_path, much):
    assert contralens(*words, "--steps", "1")[0] == 0
    before = (tmp_path / "o" / "classifier.safetensors").read_bytes()
    assert much[0] in mistake(*words, *much)
    assert (tmp_path / "o" / "classifier.safetensors").read_bytes() == before


def test_no_step_is_for_cutting_a_knob_down(contralens, mistake, table, tmp_path):
    knob = ("train", "exaggerator", "--study", "toy", *table, "--target", "Large", "--base", "8", "--device", "cpu")
    two = '{"bands": [[16, 0.1], [8, 0.2]]}'
    assert "--steps" in mistake(*knob, "--out", tmp_path / "a", "--steps", "0")
    assert contralens(*knob, "--out", tmp_path / "a", "--steps", "1", "--limits", two)[0] == 0
    cut = ("--init", tmp_path / "a" / "exaggerator.safetensors", "--limits", '{"bands": [[16, 0.1]]}')
    assert contralens(*knob, "--out", tmp_path / "b", "--steps", "0", *cut)[0] == 0
    from core.networks.store import load_exaggerator

    old, new = (load_exaggerator(tmp_path / n / "exaggerator.safetensors") for n in "ab")
    assert [b.side for b in new.config.bands] == [16]
    assert torch.equal(old.stem.weight, new.stem.weight)
    assert isinstance(new, Exaggerator)


# Going on


def test_another_training_is_not_gone_on_with(contralens, mistake, words, tmp_path):
    assert contralens(*words, "--steps", "1")[0] == 0
    before = (tmp_path / "o" / "classifier.safetensors").read_bytes()
    for change in (("--targets", "Bright"), ("--width", "6"), ("--architecture", "densenet")):
        assert "is of another training" in mistake(*words, *change, "--steps", "2", "--resume")
    assert (tmp_path / "o" / "classifier.safetensors").read_bytes() == before
    assert contralens(*words, "--steps", "2", "--resume")[0] == 0
    assert json.loads((tmp_path / "o" / "training.json").read_text())["steps"] == 2


def test_nothing_to_go_on_from_is_said(contralens, words, tmp_path):
    code, _, err = contralens(*words, "--steps", "1", "--resume")
    assert code == 0
    assert f"there is no state in {tmp_path / 'o'} to go on from, so this begins anew" in err


def test_an_interrupted_training_says_how_to_go_on(contralens, words, monkeypatch):
    from core.training.classifier import ClassifierTrainer

    step = ClassifierTrainer.step

    def stopping(self, index, fraction):
        if index == 2:
            raise KeyboardInterrupt
        return step(self, index, fraction)

    monkeypatch.setattr(ClassifierTrainer, "step", stopping)
    code, out, err = contralens(*words, "--steps", "5")
    assert code == 130
    assert "the same command with --resume goes on" in err
    assert "written:" in out


# Numbers and names


@pytest.mark.parametrize(
    "change",
    [
        ("--rate", "nan"), ("--rate", "inf"), ("--rate", "0"), ("--mixup", "-1"), ("--mixup", "nan"), ("--width", "0"),
        ("--threads", "-1"), ("--seed", "-1"), ("--targets", ""), ("--classes", "Bar"), ("--minutes", "inf"),
    ],
)  # fmt: skip
def test_numbers_out_of_range(mistake, words, change):
    assert mistake(*words, "--steps", "1", *change).startswith("contralens: ")


@pytest.mark.parametrize(
    "options", ['{"f": "big"}', '{"f": null}', '{"f": NaN}', '{"f": -1}', '{"batch": 1}', '{"cycle_every": 0}', "[1]"]
)
def test_settings_of_another_kind(mistake, table, tmp_path, options):
    knob = ("train", "exaggerator", "--study", "toy", *table, "--target", "Large", "--out", tmp_path / "k")
    assert "--options" in mistake(*knob, "--steps", "1", "--options", options)
    inpainter = ("train", "inpainter", "--study", "toy", *table, "--out", tmp_path / "i", "--steps", "1")
    for wrong in ('{"rate": "x"}', '{"batch": 0}', '{"speed": 1}'):
        assert "--options" in mistake(*inpainter, "--options", wrong)


def test_a_side_that_cannot_be_halved(mistake, table, tmp_path):
    for model in ("inpainter", "vae-infill"):
        words = ("train", model, "--study", "toy", *table, "--out", tmp_path / "o", "--steps", "1", "--size", "50")
        assert "a multiple of 8, which 50 is not" in mistake(*words)
    knob = ("train", "exaggerator", "--study", "toy", *table, "--target", "Large", "--out", tmp_path / "k")
    assert "a multiple of 16, which 40 is not" in mistake(*knob, "--steps", "1", "--size", "40")


def test_a_target_gets_its_columns_spelling(contralens, words, tmp_path):
    assert contralens(*(w if w != "Large" else "large" for w in words), "--steps", "1")[0] == 0
    from core.classifiers.store import load_classifier

    assert load_classifier(tmp_path / "o" / "classifier.safetensors").targets == ("Large",)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_callbacks(value):
    with pytest.raises(Exception, match="is not a number above 0"):
        above_zero(value)
    if value:
        with pytest.raises(Exception, match="is not a number, 0 or more"):
            from_zero(value)
    assert above_zero(None) is from_zero(None) is None
    assert from_zero(0.0) == 0


# Files


def test_a_folder_below_a_file_is_none(mistake, words, table, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UserError, match=r"--out takes a folder; .*file is a file"):
            a_folder(place)
        assert "--out takes a folder" in mistake(*words, "--steps", "1", "--out", place)
        assert "--out takes a folder" in mistake("evaluate", "--study", "toy", *table, "--out", place)
    assert a_folder(tmp_path / "not" / "yet") == tmp_path / "not" / "yet"


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_damaged_metrics_are_a_sentence(mistake, table, study_folder, tmp_path, content):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "metrics.json").write_text(content, encoding="latin-1")
    line = mistake("evaluate", "--study", "toy", *table, "--out", tmp_path / "o", "--measure", "classifier")
    assert "metrics.json is damaged" in line
    assert (tmp_path / "o" / "metrics.json").read_text(encoding="latin-1") == content


def test_one_folder_holds_one_study(mistake, table, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "metrics.json").write_text('{"study": "other"}')
    line = mistake("evaluate", "--study", "toy", *table, "--out", tmp_path / "o", "--measure", "classifier")
    assert "holds what was measured of other; measure toy into another --out" in line


def test_what_a_study_lacks_is_said_when_it_is_asked_for(mistake, table, tmp_path):
    words = ("evaluate", "--study", "toy", *table, "--out", tmp_path / "o", "--measure")
    assert "has no segmenter, so there is nothing for the measure 'segmenter'" in mistake(*words, "segmenter")
    assert "has no choice among several classes" in mistake(*words, "one-vs-one")
    assert "has no head 'oil'; it has: morph, paper" in mistake(*words, "knobs", "--heads", "oil")
    assert not (tmp_path / "o" / "metrics.json").exists()


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    layer = nn.Linear(2, 2)
    save_weights(layer, tmp_path / "w.safetensors", {})
    before = (tmp_path / "w.safetensors").read_bytes()
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    with pytest.raises(NotFinite, match=r"w\.safetensors was not written; train at a smaller rate"):
        save_weights(layer, tmp_path / "w.safetensors", {})
    assert (tmp_path / "w.safetensors").read_bytes() == before


def test_an_output_that_cannot_be_written(monkeypatch, capsys):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "contralens: The output cannot be read or written: No space left on device.\n"


# Pictures


def test_a_picture_and_a_check_are_two_wishes(mistake, tmp_path):
    assert "leave the picture or --check out" in mistake("predict", tmp_path / "a.png", "--study", "toy", "--check")


def test_a_folder_is_no_picture(mistake, tmp_path):
    assert "is a folder; name one picture in it" in mistake("predict", tmp_path, "--study", "toy")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (NoFace(), "two.png: no face was found in this picture; cut one out"),
        (SeveralFaces([None, None]), "two.png: there are 2 faces in this picture; pass --face 0 to 1."),
        (SeveralFaces([None]), "two.png: There is only one face in this picture; leave out which one."),
        (UserError("There is no digit to see."), "two.png: There is no digit to see."),
    ],
)
def test_what_cannot_be_prepared_names_its_file(fault, said):
    class Study:
        def prepare(self, picture, face):
            raise fault

    with pytest.raises(UserError, match=said):
        prepare_file(Study(), None, Path("folder/two.png"), None)


# The dashboard


def test_a_port_that_is_taken_and_an_address_that_is_not_here():
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Nothing can listen on localhost:{port} .*; pass another --port"):
            _check_place("localhost", port)
    _check_place("localhost", port)
    with pytest.raises(UserError, match=r"no address nonsense\.invalid on this machine; pass another --host"):
        _check_place("nonsense.invalid", 8501)


@pytest.mark.parametrize("port", ["0", "-5", "80000"])
def test_ports_end_at_65535(mistake, port):
    assert "--port" in mistake("--port", port)
