"""Measured numbers as Markdown, and that README.md and measured.md say what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.evaluation.summary import brief, page, summary
from core.studies import list_studies, open_study

ROOT = Path(__file__).resolve().parents[3]
NUMBER = {"value": 0.5, "low": 0.4, "high": 0.6}
QUALITY = {"n": 9, "auc": NUMBER, "accuracy": NUMBER, "ece": NUMBER}
SHIPPED = [s.name for s in list_studies() if open_study(s.name).metrics]


def metrics(**more):
    return {"study": "toy", "classifier": {"targets": {"Large": QUALITY}}} | more


def test_a_distance_that_could_not_be_taken_is_a_dash():
    report = {
        "direct": {"error": NUMBER},
        "closeness": NUMBER,
        "frechet": {"present": None, "absent": 1.25, "overall": 3.0},
    }
    text = summary(metrics(rivals={"Large": {"n": 9, "methods": {"xgem": report}}}))
    assert "| Large | xgem | 9 | - | 1.25 | 3 |" in text


def test_every_part_has_a_heading():
    text = summary(
        metrics(identity={"Large": {"n": 3, "accuracy": NUMBER, "mean_distance": 0.1, "false_matches": NUMBER}})
    )
    assert text.startswith("## Classifiers\n\n| network |")
    assert "\n\n## Same person\n\n| same person (dlib) |" in text
    assert "## Gate" not in text


def test_variants_come_last_and_a_level_deeper():
    text = summary(metrics(variants={"misled": metrics(), "bare": {}}))
    assert text.endswith(summary(metrics(), 3))
    assert "## The variant misled\n\n### Classifiers" in text
    assert "bare" not in text


def test_nothing_measured_is_no_text():
    assert summary({}) == ""
    assert brief({}) == ""


def test_the_page_names_the_study():
    assert page(metrics()).startswith("# toy: what was measured\n")


@pytest.mark.parametrize("study", SHIPPED)
def test_measured_md_says_what_metrics_json_holds(study):
    opened = open_study(study)
    assert (opened.folder / "measured.md").read_text(encoding="utf-8") == page(opened.metrics)


@pytest.mark.parametrize("study", SHIPPED)
def test_the_readme_says_what_metrics_json_holds(study):
    assert brief(open_study(study).metrics) in (ROOT / "README.md").read_text(encoding="utf-8")
