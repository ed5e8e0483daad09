"""`contralens bench` on a toy study of several classes: what was timed, what was missing, and bounded memory."""

from __future__ import annotations

import json
import sys

import pytest
from toys import CHOICE, TRANSLATOR, write_choice

from core.commands import bench_panel
from core.commands.bench_memory import measure_deepshap
from core.commands.bench_panel import against_captum, median, panel, print_panel
from core.images.drawn import draw_digit
from core.images.read import read_picture
from core.studies import Study


@pytest.fixture
def folder(tmp_path):
    """The study's folder, with its translator."""
    return write_choice(tmp_path / "checkpoints", CHOICE + TRANSLATOR)


@pytest.fixture
def prepared(folder):
    return Study(folder).prepare(read_picture(draw_digit("seven")))


@pytest.fixture
def alone(monkeypatch):
    """No process of its own."""
    monkeypatch.setattr(bench_panel, "deepshap_memory", lambda folder, device: measure_deepshap(str(folder), device))


def test_bench(contralens, folder, alone, monkeypatch):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder.parent))
    code, out, err = contralens("bench", "--rounds", 1, "--device", "cpu", "--json")
    assert code == 0, err
    numbers = json.loads(out)["studies"]["bars"]["panel"]
    assert (numbers["maps"], numbers["maps_in_full"]) == (20, 35)
    assert numbers["missing"] == ["mdts", "expected", "mean"]
    assert numbers["seconds"] > numbers["ig_seconds"] > 0


def test_no_rounds_are_a_sentence(mistake):
    assert "--rounds" in mistake("bench", "--rounds", 0)


def test_what_is_there_is_timed_and_what_is_not_is_named(folder, alone, monkeypatch, capsys):
    """With the other methods standing still: all maps of all baselines are asked for once a round."""
    study, asked = Study(folder), []
    monkeypatch.setattr(study, "explain", lambda name, picture, **options: asked.append(options))
    numbers = panel(study, 1, "cpu")
    once = {(o["baseline"], o["method"]) for o in asked}
    assert len(once) == numbers["maps"] == 4 * 5
    assert {b for b, _ in once} == set(study.baselines)
    assert not {b for b, _ in once} & set(numbers["missing"])
    print_panel("bars", numbers)
    out = capsys.readouterr().out
    assert "(20 of 35, without mdts, expected, mean)" in out
    assert "DeepSHAP's memory, 32 baselines" in out


# Integrated Gradients alone


def test_against_captums(folder, prepared):
    pytest.importorskip("captum")
    found = against_captum(Study(folder), prepared, 3, "cpu")
    assert found["steps"] == 128
    assert min(found["ours_seconds"], found["captum_seconds"], found["ratio"]) > 0


def test_without_captum_it_says_so(folder, prepared, monkeypatch, capsys):
    for name in ("captum", "captum.attr"):
        monkeypatch.setitem(sys.modules, name, None)
    assert against_captum(Study(folder), prepared, 1, "cpu") is None
    print_panel("bars", {
        "maps": 35, "maps_in_full": 35, "missing": [], "seconds": 1.0, "ig_seconds": 0.1, "captum": None,
        "deepshap_megabytes": None,
    })  # fmt: skip
    out = capsys.readouterr().out
    assert "not timed, captum is not installed" in out
    assert "(35 of 35)" in out
    assert "not measured, this system does not tell a peak" in out


def test_the_median_leaves_out_the_first_round(monkeypatch):
    seconds = iter([100.0, 3.0, 1.0, 2.0])
    monkeypatch.setattr(bench_panel, "_seconds", lambda work, device: next(seconds))
    assert median(lambda: None, 3, "cpu") == 2
