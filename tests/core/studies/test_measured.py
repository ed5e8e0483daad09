"""What the shipped measurements must hold: numbers `contralens evaluate` wrote, against what was promised."""

from __future__ import annotations

import pytest

from core.studies import list_studies, open_study


def _metrics(name: str) -> dict:
    study = next((s for s in list_studies() if s.name == name), None)
    if study is None:
        pytest.skip(f"the study {name} is not installed")
    return open_study(name).metrics


@pytest.mark.parametrize("name", ["chest-xray", "chest-xray-128"])
def test_specificity_does_not_depend_on_the_source(name):
    """Measured by `contralens evaluate` on held-out negatives of every archive: within ten points of the first."""
    sources = {k: v["specificity"]["value"] for k, v in _metrics(name)["sources"].items() if k.startswith("nih_")}
    assert len(sources) >= 2
    own = sources.pop("nih_kaggle128")
    assert all(abs(value - own) <= 0.10 for value in sources.values()), (own, sources)


@pytest.mark.parametrize("name", ["chest-xray", "chest-xray-128", "faces", "faces-64"])
def test_the_gate_keeps_others_out_and_its_own_in(name):
    gate = _metrics(name)["gate"]
    assert gate["false_alarms"]["share"] <= 0.05
    caught = sum(r["share"] * r["n"] for r in gate["caught"].values()) / sum(r["n"] for r in gate["caught"].values())
    assert caught >= 0.95


@pytest.mark.parametrize("name", ["chest-xray", "faces", "faces-64"])
def test_the_in_painter_beats_what_needs_no_training(name):
    """Inside holes of 20 to 60 %: 30 % below local mean and blur, and nearer the real set than any other infill."""
    infills = _metrics(name)["infills"]["infills"]
    own = infills.pop("ca")
    for other in ("local", "blur"):
        assert own["hole_l1"]["value"] < 0.7 * infills[other]["hole_l1"]["value"]
        assert own["hole_l1"]["high"] < 0.8 * infills[other]["hole_l1"]["low"]
    assert own["frechet"] < min(i["frechet"] for i in infills.values())
    assert all(i["visible_change"] == 0 for i in (own, *infills.values()))


@pytest.mark.parametrize(
    ("name", "target"), [("chest-xray", "Cardiomegaly"), ("faces", "Smiling"), ("faces-64", "Smiling")]
)
def test_masks_do_more_than_random_regions(name, target):
    report = _metrics(name)["masks"][target]
    assert report["n"] >= 100
    for infill in report["cells"]["fido-ssr"]:
        cell = report["cells"]["fido-ssr"][infill]
        assert cell["succeeds"]["low"] > cell["random_succeeds"]["high"], infill
    assert report["cells"]["fido-ssr"]["ca"]["inside"]["value"] > 1.5 * report["anatomy"]["area"]


def test_digits_are_told_apart():
    assert _metrics("digits")["choices"]["digit"]["accuracy"]["value"] >= 0.99


@pytest.mark.parametrize(
    ("name", "target"), [("chest-xray", "Cardiomegaly"), ("chest-xray-128", "Cardiomegaly"), ("faces", "Smiling")]
)
def test_the_knob_does_what_it_says(name, target):
    """Calibrated, on 500 held-out pictures: answers as asked, in order, both ends, back again, and others agree."""
    knob = _metrics(name)["knobs"][target]["morph"]["calibrated"]
    assert knob["n"] >= 500
    assert knob["error"]["value"] <= 0.06
    assert knob["monotone"]["value"] >= 0.95
    assert min(knob["top"]["value"], knob["bottom"]["value"]) >= 0.90
    assert knob["cycle"]["value"] <= 0.03
    assert knob["still_max"] == 0
    assert knob["witness_sign"]["value"] >= 0.98
