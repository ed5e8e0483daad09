"""A metrics.json flattened into a table and charts."""

from __future__ import annotations

import csv

from core.evaluation.flat import numbers, parts_with, write_report

METRICS = {
    "study": "toy",
    "classifier": {"targets": {"Wide": {"n": 500, "auc": {"value": 0.9, "low": 0.86, "high": 0.94}, "bins": [1, 2]}}},
    "knobs": {
        "Wide": {
            "morph": {
                "head": "morph",
                "direct": {
                    "n": 200, "requests": [0.1, 0.9], "curve": [0.2, 0.8],
                    "error": {"value": 0.1, "low": 0.05, "high": 0.2},
                },
            }
        }
    },
}  # fmt: skip


def test_every_number_is_a_row_with_its_place_and_sample_size():
    rows = numbers(METRICS)
    assert [(r["of"], r["measure"], r["n"]) for r in rows] == [
        ("classifier / targets / Wide", "auc", 500),
        ("knobs / Wide / morph / direct", "error", 200),
    ]
    assert (rows[0]["value"], rows[0]["low"], rows[0]["high"]) == (0.9, 0.86, 0.94)
    assert numbers({}) == []


def test_parts_by_what_they_hold():
    assert list(parts_with(METRICS, "bins")) == ["classifier / targets / Wide"]
    assert list(parts_with(METRICS, "curve")) == ["knobs / Wide / morph / direct"]
    assert parts_with({}, "curve") == {}


def test_the_report_is_a_table_and_a_chart_a_knob(tmp_path):
    write_report(METRICS, tmp_path / "report")
    with (tmp_path / "report" / "numbers.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [r["measure"] for r in rows] == ["auc", "error"]
    assert rows[1]["n"] == "200"
    assert (tmp_path / "report" / "response-wide.png").read_bytes()[:4] == b"\x89PNG"


def test_without_a_knob_there_is_no_chart(tmp_path):
    write_report({}, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["numbers.csv"]
