"""`contralens explain fido|bbmp|extremal` and `evaluate --measure masks` on the toy study, with very few steps."""

from __future__ import annotations

import io
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image
from toys import STUDY, write_study

from core.evaluation import measures_maps
from core.evaluation.masks import masks_report
from core.explainers import presets
from core.explainers.extremal import ExtremalConfig

METHODS = ("fido", "bbmp", "extremal")
DEFAULT_KIND = {"fido": "sufficient", "bbmp": "destroying", "extremal": "sufficient"}


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Two steps quickly, three as published."""
    few = {"quick": {"steps": 2}, "paper": {"steps": 3}}
    found = {s: {m: o | few[s] for m, o in methods.items()} for s, methods in presets.PRESETS.items()}
    monkeypatch.setattr(presets, "PRESETS", found)


@pytest.fixture
def explain(contralens, image):
    """Explain the toy picture: (exit code, stdout, stderr)."""

    def run(method, *words, infill="local"):
        return contralens("explain", method, image, "--study", "toy", "--infill", infill, *words)

    return run


@pytest.fixture
def numbers(explain):
    """The JSON that explaining the toy picture prints; nothing else may be on stdout."""

    def run(method, *words, **more) -> dict:
        code, out, err = explain(method, *words, "--json", **more)
        assert code == 0, err
        return parsed(out)

    return run


@pytest.fixture
def explain_mistake(mistake, image):
    def run(method, *words) -> str:
        return mistake("explain", method, image, "--study", "toy", *words)

    return run


def parsed(out: str):
    """Strict JSON: NaN and Infinity are not numbers."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(out, parse_constant=refuse)


# What is printed and written


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_printed_and_written(explain, method, tmp_path):
    code, out, _ = explain(method, "--out", tmp_path / "o")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("Large: f = 0.")
    assert "finished" in lines[0]
    assert lines[1].startswith("  f of each filled sample: 0.")
    assert [line[:6] for line in lines[2:]].count("  area") == (4 if method == "extremal" else 0)
    assert lines[-2] == f"written to {tmp_path / 'o'}"
    assert "not a medical device" in lines[-1]
    names = {f"{method}.png", f"{method}-mask.png", f"{method}.json"}
    assert {p.name for p in (tmp_path / "o").iterdir()} == names
    result = parsed((tmp_path / "o" / f"{method}.json").read_text())
    assert (result["method"], result["kind"]) == (method, DEFAULT_KIND[method])
    assert (result["study"], result["target"], result["infill"]) == ("toy", "Large", "local")
    with Image.open(tmp_path / "o" / f"{method}-mask.png") as mask:
        assert (mask.mode, mask.size) == ("L", (32, 32))
        assert (np.asarray(mask) > 127.5).mean() == pytest.approx(result["area"], abs=0.02)
    with Image.open(io.BytesIO((tmp_path / "o" / f"{method}.png").read_bytes())) as figure:
        assert figure.format == "PNG"
        assert figure.width > figure.height  # the picture, and beside it what f saw


def test_nothing_is_written_unasked(explain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = explain("bbmp")
    assert code == 0
    assert "written" not in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", METHODS)
def test_json(numbers, method):
    result = numbers(method)
    assert (result["method"], result["kind"]) == (method, DEFAULT_KIND[method])
    assert result["settings"]["steps"] == 3
    assert result["answer"] is (result["query"] >= 0.5)
    assert 0 <= result["area"] <= 1
    assert all(0 <= p <= 1 for p in result["after"])
    assert "not a medical device" in result["notice"]


def test_the_same_words_give_the_same_numbers(numbers):
    same = ("query", "area", "after", "objective", "settings")
    a, b, c = (numbers("fido", "--seed", seed, infill="random") for seed in (1, 1, 2))
    assert [a[k] for k in same] == [b[k] for k in same]
    assert a["after"] != c["after"]
    assert (a["seed"], c["seed"]) == (1, 2)


# What may be asked


def test_options_reach_fido(numbers):
    words = ("--kind", "sdr", "--sparsity", 3, "--area", 0.2, "--hard-edges", "--grain", "pixel", "--answer", "present")
    result = numbers("fido", *words, "--target", "Bright", infill="blur")
    assert (result["kind"], result["infill"], result["target"], result["answer"]) == (
        "destroying", "blur", "Bright", True,
    )  # fmt: skip
    wanted = {"kind": "sdr", "sparsity": 3, "area": 0.2, "hard_edges": True, "grain": "pixel", "answer": "present"}
    assert wanted.items() <= result["settings"].items()


def test_options_reach_bbmp(numbers):
    result = numbers("bbmp", "--kind", "preservation", "--answer", "absent", "--preset", "quick", infill="mean")
    assert (result["kind"], result["answer"], result["infill"]) == ("sufficient", False, "mean")
    assert result["settings"]["steps"] == 2


def test_options_reach_extremal(numbers):
    result = numbers("extremal", "--kind", "delete", "--areas", "0.1, 0.3", infill="mean")
    assert result["kind"] == "destroying"
    assert [area for area, _ in result["ladder"]] == [0.1, 0.3]
    assert result["settings"]["area"] in (0.1, 0.3)


def test_areas_by_default(numbers):
    assert numbers("extremal")["settings"]["areas"] == list(ExtremalConfig().areas)


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize("method", METHODS)
def test_a_preset_reaches_every_method(numbers, method, preset):
    options = presets.preset(preset, method)
    options.pop("areas", None)  # those of --areas count
    assert options.items() <= numbers(method, "--preset", preset, infill="mean")["settings"].items()


@pytest.mark.parametrize("infill", ["mean", "blur", "random", "local"])
def test_infills_that_need_no_training(numbers, infill):
    result = numbers("bbmp", infill=infill)
    assert result["infill"] == infill
    assert len(result["after"]) == (4 if infill == "random" else 1)


# Mistakes


@pytest.mark.parametrize("method", METHODS)
def test_mistakes_of_every_method(explain_mistake, method):
    for words, said in (
        (("--kind", "magic", "--infill", "mean"), "'magic'"),
        (("--infill", "paint"), "no infill 'paint'"),
        (("--infill", "ca"), "no trained infill 'ca'"),
        (("--infill", "mean", "--preset", "slow"), "no preset 'slow'; choose one of quick, paper"),
        (("--infill", "mean", "--answer", "maybe"), "no answer 'maybe'"),
        (("--infill", "mean", "--target", "Small"), "no target 'Small'"),
        (("--infill", "mean", "--seed", "one"), "--seed"),
    ):
        assert said in explain_mistake(method, *words)


def test_an_untrained_infill_says_how_to_train_it(explain_mistake):
    line = explain_mistake("fido", "--infill", "ca")
    assert "contralens train inpainter --study toy" in line
    assert "it has: mean, blur, random, local" in line


@pytest.mark.parametrize("areas", ["0", "1", "0.1,1.5", "-0.1", "nan"])
def test_areas_that_are_no_shares(explain_mistake, areas):
    assert "strictly between 0 and 1" in explain_mistake("extremal", "--infill", "mean", f"--areas={areas}")


@pytest.mark.parametrize("areas", ["some", "0.1;0.2", "0.1,,0.2"])
def test_areas_that_are_no_numbers(explain_mistake, areas):
    line = explain_mistake("extremal", "--infill", "mean", f"--areas={areas}")
    assert f"--areas takes numbers separated by commas, not '{areas}'" in line


@pytest.mark.parametrize("area", [0, 1, 1.5, -0.2, "nan"])
def test_an_area_that_is_no_share(explain_mistake, area):
    assert "between 0 and 1" in explain_mistake("fido", "--infill", "mean", f"--area={area}")


def test_a_grain_nobody_knows(explain_mistake):
    assert "by 'grid' or by 'pixel'" in explain_mistake("fido", "--infill", "mean", "--grain", "sand")


@pytest.mark.parametrize("method", METHODS)
def test_the_gate_refuses_unless_told_otherwise(contralens, mistake, method, image, tmp_path, monkeypatch):
    folder = write_study(tmp_path, STUDY + '\n[gate]\nfile = "gate.safetensors"\nthreshold = 1.1\n')
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    words = ("explain", method, image, "--study", "toy", "--infill", "mean")
    assert "--anyway" in mistake(*words)
    assert contralens(*words, "--anyway", "--json")[0] == 0


@pytest.mark.parametrize("method", METHODS)
def test_help(contralens, method):
    code, out, _ = contralens("explain", method, "--help")
    assert code == 0
    for option in ("--kind", "--infill", "--preset", "--answer", "--seed", "--json"):
        assert option in out


# evaluate


@pytest.fixture
def measure(table, tmp_path, monkeypatch):
    """The words that measure the masks of two pictures by one method."""
    monkeypatch.setattr(measures_maps, "masks_report", partial(masks_report, rows=("bbmp",)))
    return ("evaluate", "--study", "toy", *table, "--out", tmp_path / "o", "--pictures", 2, "--measure", "masks")


def test_evaluate_masks(contralens, measure, tmp_path):
    code, out, _ = contralens(*measure, "--targets", "Large, Bright", "--preset", "paper")
    assert code == 0
    assert "written: " in out
    report = parsed((tmp_path / "o" / "metrics.json").read_text())["masks"]
    assert report.keys() == {"Bright"}  # f sees nothing large
    assert report["Bright"]["preset"] == "paper"
    assert report["Bright"]["n"] == 2


def test_evaluate_masks_and_infills_as_json(contralens, measure):
    code, out, _ = contralens(*measure[:-1], "infills", "--json")
    assert code == 0
    assert parsed(out)["infills"]["n"] == 2
    code, out, _ = contralens(*measure, "--targets", "Bright", "--json")
    metrics = parsed(out)
    assert code == 0
    assert metrics["infills"]["n"] == 2
    assert metrics["masks"]["Bright"]["preset"] == "quick"


def test_evaluate_mistakes(contralens, measure, tmp_path):
    for words, said in (
        (("--targets", "Small"), "no target 'Small'"),
        (("--targets", "Bright", "--preset", "slow"), "no preset 'slow'"),
        (("--targets", "Bright", "--masks", tmp_path), "masks.csv"),
    ):
        code, _, err = contralens(*measure, *words)
        assert code == 2
        assert said in err.splitlines()[-1]
