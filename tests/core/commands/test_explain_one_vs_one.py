"""`contralens explain one-vs-one` on a toy study of three classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from toys import CHOICE, TRANSLATOR, write_choice

from core.images.drawn import draw_digit
from core.images.read import read_picture
from core.studies import Study


@pytest.fixture
def folder(tmp_path, study_folder):
    """The study's folder, with its translator."""
    return write_choice(tmp_path / "checkpoints", CHOICE + TRANSLATOR)


@pytest.fixture
def image(tmp_path):
    (tmp_path / "seven.png").write_bytes(draw_digit("seven"))
    return tmp_path / "seven.png"


@pytest.fixture
def words(folder, image):
    return ("explain", "one-vs-one", image, "--study", folder)


@pytest.fixture
def numbers(contralens, words):
    """The maps of the JSON that is printed; nothing else may be on stdout."""

    def run(*more) -> list[dict]:
        code, out, err = contralens(*words, *more, "--json")
        assert code == 0, err
        return json.loads(out)["maps"]

    return run


@pytest.fixture
def order(folder, image):
    """The classes, likeliest first."""
    study = Study(folder)
    answers = study.ask_choice("place", study.prepare(read_picture(image)))
    return sorted(answers, key=answers.__getitem__, reverse=True)


# What is printed and written


def test_a_map_is_printed_and_written(contralens, words, order, tmp_path):
    code, out, _ = contralens(*words, "--out", tmp_path / "o")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"why {order[0]} and not {order[1]}: the classifier says {order[0]} 0.")
    assert lines[1].split()[:2] == ["ganmex", "ig"]
    assert "the map sums to" in lines[1]
    assert lines[2] == f"written to {tmp_path / 'o'}"
    assert "not a medical device" in lines[-1]
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"ganmex-ig.png", "ganmex.png", "result.json"}
    (found,) = json.loads((tmp_path / "o" / "result.json").read_text())["maps"]
    assert (found["origin"], found["target"], found["choice"]) == (*order[:2], "place")
    assert found["scale"] > 0
    with Image.open(tmp_path / "o" / "ganmex-ig.png") as figure:
        assert figure.format == "PNG"
        assert figure.height > figure.width
    with Image.open(tmp_path / "o" / "ganmex.png") as baseline:
        assert (baseline.mode, baseline.size) == ("L", (28, 28))


def test_the_written_baseline_is_the_baseline(contralens, words, folder, image, order, tmp_path):
    assert contralens(*words, "--out", tmp_path / "o", "--baseline", "blur")[0] == 0
    study = Study(folder)
    result = study.explain("one-vs-one", study.prepare(read_picture(image)), target=order[1], baseline="blur")
    written = np.asarray(Image.open(tmp_path / "o" / "blur.png")) / 255
    np.testing.assert_allclose(written, result.picture[0], atol=1 / 255)


def test_every_method_against_every_baseline_on_one_scale(contralens, words, tmp_path):
    more = ("--method", "deeplift", "--method", "occlusion", "--baseline", "zero", "--baseline", "ganmex")
    code, out, _ = contralens(*words, *more, "--out", tmp_path / "o")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:5]] == [
        ["zero", "deeplift"], ["zero", "occlusion"], ["ganmex", "deeplift"], ["ganmex", "occlusion"],
    ]  # fmt: skip
    assert ["no sum rule" in line for line in out.splitlines()[1:5]] == [False, True, False, True]
    assert {p.name for p in (tmp_path / "o").glob("*.png")} == {
        "zero.png", "ganmex.png", "zero-deeplift.png", "zero-occlusion.png", "ganmex-deeplift.png",
        "ganmex-occlusion.png",
    }  # fmt: skip
    found = json.loads((tmp_path / "o" / "result.json").read_text())["maps"]
    assert len({a["scale"] for a in found}) == 1


def test_the_plain_gradient_has_a_scale_of_its_own(numbers):
    found = numbers("--method", "gradient", "--method", "deeplift", "--method", "deeplift")
    assert [a["method"] for a in found] == ["gradient", "deeplift"]
    assert found[0]["scale"] != found[1]["scale"]


def test_nothing_is_written_unasked(contralens, words, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, out, _ = contralens(*words)
    assert code == 0
    assert "written" not in out
    assert list((tmp_path / "here").iterdir()) == []


# What may be asked


def test_classes_score_and_steps_reach_the_explainer(numbers, order):
    (found,) = numbers("--from", order[2], "--to", order[1], "--score", "own", "--steps", 7, "--choice", "place")
    assert (found["origin"], found["target"], found["score"], found["steps"]) == (order[2], order[1], "own", 7)
    (found,) = numbers("--from", order[1])
    assert (found["origin"], found["target"]) == (order[1], order[0])


def test_a_seed_repeats(numbers):
    more = ("--method", "eg", "--steps", 8)
    a, b, c = (numbers(*more, "--seed", s)[0] for s in (1, 1, 2))
    assert a["residual"] == b["residual"] != c["residual"]
    assert c["seed"] == 2


# Mistakes


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--from", "up"), "There is no class 'up'; there is: 0, 1, 2"),
        (("--to", "up"), "There is no class 'up'"),
        (("--from", "1", "--to", "1"), "A class cannot be asked against itself: '1'"),
        (("--method", "lime"), "There is no attribution 'lime'"),
        (("--method", "ig", "--method", "lime"), "There is no attribution 'lime'"),
        (("--baseline", "grey"), "There is no baseline 'grey'"),
        (("--baseline", "mdts"), "contralens references --study bars"),
        (("--score", "softmax"), "There is no score 'softmax'"),
        (("--choice", "colour"), "has no choice 'colour'; it has: place"),
        (("--steps", "0"), "--steps"),
        (("--steps", "20000"), "from 1 to 10000, not 20000"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(mistake, words, tmp_path, more, sentence):
    assert sentence in mistake(*words, *more, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_file_in_place_of_the_folder(mistake, words, image):
    assert f"--out takes a folder; {image} is a file" in mistake(*words, "--out", image)


def test_a_study_without_a_translator_says_how_to_train_one(mistake, image, tmp_path):
    folder = write_choice(tmp_path / "other")
    assert "contralens train ganmex" in mistake("explain", "one-vs-one", image, "--study", folder)


def test_a_study_without_a_choice(mistake, image):
    assert "no choice among several classes" in mistake("explain", "one-vs-one", image, "--study", "toy", "--anyway")


def test_help(contralens):
    code, out, _ = contralens("explain", "one-vs-one", "--help")
    assert code == 0
    for option in ("--from", "--to", "--method", "--baseline", "--score", "--steps", "--json"):
        assert option in out
