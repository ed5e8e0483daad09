"""An ablation's table as CSV and Markdown, from a table written by hand."""

from __future__ import annotations

import csv
import io

import pytest

from core.evaluation.summary import summary
from core.evaluation.summary_ablation import COLUMNS, ablation, csv_text, markdown, row_of


def number(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def report(cell="reference", **changes):
    weights = {"gan": 1.0, "f": 1.0, "rec": 100.0}
    return {
        "cell": cell, "head": "paper", "weights": weights, "other": {}, "settings": {"trained": 1}, "steps": 2000,
        "seconds": 90.0, "stop": "finished", "commit": "abc1234",
        "knob": {
            "head": "paper", "closeness": number(0.816),
            "direct": {
                "n": 200, "error": number(0.12), "top": number(0.9), "bottom": number(0.8), "witness_ratio": number(0.7)
            },
            "frechet": {"features": "a net", "present": 1.2, "absent": None, "overall": 3.4, "real_halves": 0.4},
        },
        "identity": {"accuracy": number(0.722), "n": 200},
    } | changes  # fmt: skip


def table_of(*reports, **changes):
    rows = [row_of(r) for r in reports]
    budget = {"steps": 2000, "minutes": None}
    about = {"grid": "Weights", "head": "paper", "pictures": 200, "budget": budget, "note": "", "rows": rows}
    return about | changes


FAILED = {k: v for k, v in report("gan-100").items() if k in ("cell", "head", "weights", "other")} | {
    "failed": "diverged: 'gan' | step 3"
}


def test_a_row_has_the_intervals_and_nothing_of_the_settings():
    row = row_of(report())
    assert row["error"] == number(0.12)
    assert row["same_person"] == number(0.722)
    assert row["frechet"]["overall"] == 3.4
    assert "settings" not in row
    assert row_of(FAILED) == FAILED


def test_the_columns_of_the_csv():
    text = csv_text(table_of(report(), FAILED))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert tuple(text.splitlines()[0].split(",")) == COLUMNS
    assert {"cell", "gan", "f", "rec", "steps", "fd_overall", "closeness", "closeness_low", "failed"} <= set(COLUMNS)
    good, bad = lines
    assert (good["cell"], good["gan"], good["rec"], good["steps"], good["minutes"]) == (
        "reference", "1", "100", "2000", "1.5",
    )  # fmt: skip
    assert (good["fd_features"], good["fd_present"], good["fd_absent"]) == ("a net", "1.2", "")
    assert [float(good[f"same_person{end}"]) for end in ("", "_low", "_high")] == pytest.approx([0.722, 0.712, 0.732])
    assert good["failed"] == ""
    assert (bad["cell"], bad["failed"]) == ("gan-100", "diverged: 'gan' | step 3")
    assert all(bad[c] == "" for c in ("steps", "fd_overall", "error", "same_person", "minutes"))


def test_the_markdown():
    said, _, head, line, good, bad = markdown(table_of(report(), FAILED), "Young").splitlines()
    assert "knob Young, head paper, 2000 steps a cell, 200 held-out pictures" in said
    assert "FD (a net), which is 0.40 between two halves" in said
    assert "same person" in head
    assert "other" not in head
    assert good == "| reference | 1, 1, 100 | 2000 | 1.20 | - | 3.40 | 81.6% | 72.2% | 0.120 | 90.0% | 80.0% | 0.70 |"
    assert bad.startswith("| gan-100 | 1, 1, 100 | failed: diverged: 'gan' / step 3 | - |")
    assert len({part.count("|") for part in (head, line, good, bad)}) == 1


def test_what_was_not_measured_has_no_column():
    knob = {k: v for k, v in report()["knob"].items() if k != "frechet"}
    knob["direct"] = {k: v for k, v in knob["direct"].items() if k != "witness_ratio"}
    text = markdown(table_of(report(knob=knob, identity=None)), "Young")
    assert "same person" not in text
    assert "FD" not in text
    assert text.splitlines()[-1].endswith("| 80.0% | - |")
    assert "a net" not in csv_text(table_of(report(knob=knob, identity=None)))


def test_other_settings_and_heads_get_columns_of_their_own():
    changed = report("wide", head="morph", other={"head": "morph", "base": 32})
    table = table_of(report(), changed, note="Mind the head.", budget={"steps": None, "minutes": 2.5})
    said, _, head, _, first, second = markdown(table, "Young").splitlines()
    assert "2.5 minutes a cell" in said
    assert said.endswith("Mind the head.")
    assert head.startswith("| cell | head | gan, f, rec | other | steps |")
    assert first.startswith("| reference | paper | 1, 1, 100 |  | 2000 |")
    assert second.startswith("| wide | morph | 1, 1, 100 | base 32 | 2000 |")


def test_all_cells_failed():
    assert "failed: diverged" in markdown(table_of(FAILED), "Young")


def test_a_distance_with_an_interval_is_read_as_well():
    knob = report()["knob"] | {"frechet": report()["knob"]["frechet"] | {"overall": number(2.5)}}
    assert "| 2.50 |" in markdown(table_of(report(knob=knob)), "Young")


def test_the_summary_of_a_study_has_it():
    metrics = {"ablation": {"Young": table_of(report()), "Smiling": table_of(report())}}
    assert summary(metrics) == f"## Ablation of the losses\n\n{ablation(metrics)}"
    assert summary(metrics).count("| reference |") == 2
    assert summary({}) == ""
