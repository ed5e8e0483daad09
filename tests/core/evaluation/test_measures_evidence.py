"""The measure `saliency` of a whole study: what it writes, and on which pictures."""

from __future__ import annotations

import csv
import json
from functools import partial

import numpy as np
import pytest

from core.data.table import read_table
from core.evaluation import knob_saliency, measures_evidence
from core.evaluation.interval import bootstrap
from core.evaluation.knob_saliency import METHODS, run_saliency
from core.evaluation.study import evaluate_study
from core.evaluation.summary import summary
from core.explainers import presets
from core.studies import Study


@pytest.fixture
def measure(study_folder, labelled_folder, tmp_path, monkeypatch):
    """Measure the toy study, with two steps of FIDO on two pictures."""
    monkeypatch.setitem(presets.PRESETS["quick"], "fido", {"steps": 2, "samples": 1, "rate": 0.2})
    monkeypatch.setattr(measures_evidence, "run_saliency", partial(run_saliency, few=2, shares=(0.0, 0.2, 0.5)))
    monkeypatch.setattr(knob_saliency, "bootstrap", partial(bootstrap, rounds=20))

    def run(**options):
        study, table = Study(study_folder / "toy"), read_table(*labelled_folder)
        return evaluate_study(study, table, tmp_path / "out", measures=("saliency",), **options)

    return run


def test_what_is_written(measure, tmp_path):
    out = tmp_path / "out"
    heard = []
    metrics = measure(pictures=4, report=lambda what, i, n: heard.append((what, i, n)))
    report = json.loads((out / "metrics.json").read_text())["saliency"]["Large"]
    assert report == metrics["saliency"]["Large"]
    assert report["n"] == 4
    assert (report["head"], report["infill"], report["preset"], report["seed"]) == ("morph", "local", "quick", 0)
    assert list(report["methods"]) == list(METHODS)
    assert report["methods"]["fido-ssr"]["n"] == report["few"]["n"] == 2
    assert ("saliency Large", 26, 26) in heard
    with (out / "report" / "saliency-large.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(r["method"], float(r["share"])) for r in rows] == [(m, s) for m in METHODS for s in report["shares"]]
    for row in rows:
        k = report["shares"].index(float(row["share"]))
        found = report["methods"][row["method"]]
        for column, name in (("probability", "curve"), ("decision", "decision"), ("accuracy", "accuracy")):
            assert float(row[column]) == found[name][k]
            assert float(row[f"{column}_low"]) <= float(row[column]) <= float(row[f"{column}_high"])
    assert (out / "report" / "saliency-large.png").stat().st_size > 5000


def test_the_table(measure):
    text = summary(measure(pictures=3))
    assert "Large, deletion with noise up to 50%" in text
    assert "the same 2" in text
    lines = [
        line for line in text.splitlines() if line.startswith("| ") and line[2:].startswith(tuple(METHODS.values()))
    ]
    assert len(lines) == len(METHODS)
    assert summary({}) == ""


def test_the_pictures_are_those_of_the_knob_and_at_most_200(measure, monkeypatch):
    seen = []
    whole = measures_evidence.run_saliency

    def spy(f, network, infill, mean, images, labels, **options):
        seen.append((len(images), labels))
        return whole(f, network, infill, mean, images, labels, **options)

    monkeypatch.setattr(measures_evidence, "run_saliency", spy)
    monkeypatch.setattr(measures_evidence, "PICTURES", 3)
    measure(pictures=100)
    assert seen[0][0] == 3
    assert set(np.unique(seen[0][1])) <= {0.0, 1.0}
