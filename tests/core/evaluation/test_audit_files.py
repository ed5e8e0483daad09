"""An audit in words, as a CSV and as a chart, of reports whose rates are known."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from core.evaluation.audit_files import audit_rows, group_words, verdict, write_csv, write_plot
from core.evaluation.confounding import compare_flips, confounding_report

N = 60


def records(flips: float, *, wrong: float = 0.05, reached: bool = True, attribute=None) -> list[dict]:
    """N pictures; a share of the explanations flips at both ends, and the oracle misreads a share of the pictures."""
    rows = []
    for i in range(N):
        a = i % 2 if attribute is None else attribute
        after = a if i >= flips * N else 1 - a
        rows.append(
            {
                "attribute": a, "oracle": float(1 - a if i < wrong * N else a), "query": 0.5,
                "more": 0.95 if reached else 0.6, "less": 0.05 if reached else 0.4,
                "more_oracle": float(after), "less_oracle": float(after), "site": "ab"[i // 2 % 2], "attributes": "z",
            }
        )  # fmt: skip
    return rows


def report(by=(), failed=(), **classifiers) -> dict:
    first, *others = classifiers
    return {
        "study": "toy", "target": "Very_Large", "attribute": "Corner_Bar", "n": N, "failed": list(failed),
        "classifiers": {name: confounding_report(rows, by=by) for name, rows in classifiers.items()},
        "compared": {f"{first} against {o}": compare_flips(classifiers[first], classifiers[o]) for o in others},
    }  # fmt: skip


@pytest.fixture(scope="module")
def both():
    return report(("site", "attributes"), biased=records(0.9), fair=records(0.06))


EVERY = {
    "both": lambda: report(("site",), biased=records(0.9), fair=records(0.06)),
    "nothing flips": lambda: report(main=records(0.0, wrong=0.0)),
    "everything flips": lambda: report(main=records(1.0)),
    "not reached": lambda: report(main=records(0.0, reached=False)),
    "one group": lambda: report(main=records(0.1, attribute=1)),
    "failed": lambda: report(main=records(0.1), failed=[{"file": "a.png", "why": "It is broken."}]),
}


@pytest.mark.parametrize("name", EVERY)
def test_no_verdict_acquits(name):
    lines = verdict(EVERY[name]())
    text = " ".join(lines).lower()
    for word in ("no bias", "not biased", "unbiased", "is fair", "bias-free", "free of bias", "no confounding", "safe"):
        assert word not in text.replace("fair:", ""), word
    assert lines[-1].endswith("What was not tested may still be there.")
    for line in lines:
        assert line.endswith((".", ","))
        assert "_" not in line
        assert "None" not in line
        assert "nan" not in line


def test_the_verdict_says_who_was_measured_and_which_classifier_flips(both):
    lines = verdict(both)
    assert lines[0].startswith("60 pictures: 30 corner bar=0, 30 corner bar=1, 30 site a, 30 site b, ")
    assert "60 attributes z. The knob turns very large, the oracle reads corner bar." in lines[0]
    assert [line.split(" (")[0] for line in lines[1:]] == [
        "The oracle is wrong about 5.0%",
        "biased: asked for more very large, corner bar changed in 90.0%",
        "fair: asked for more very large, corner bar changed in 6.7%",
        "biased against fair: 13.5 times as many flips",
        "This covers one attribute as one network reads it, on these pictures, turned by this knob. What was not "
        "tested may still be there.",
    ]
    biased, fair, against = lines[2:5]
    assert "of the explanations, asked for less very large, corner bar changed in 90.0% (" in biased
    assert biased.endswith(
        ", both more than the oracle's errors explain: this classifier's answer goes with corner bar."
    )
    assert fair.endswith(", neither more than the oracle's errors explain.")
    assert against.endswith(" when asked for less.")
    assert against.count("13.5 times as many flips") == 2


def test_ends_that_differ_have_a_sentence_each():
    rows = records(0.9)
    for row in rows:
        row["less_oracle"] = row["oracle"]
    more, less = (x for x in verdict(report(main=rows)) if "asked for" in x)
    assert more.startswith("main: asked for more very large, corner bar changed in 90.0% (")
    assert more.endswith("of the explanations, more than the oracle's errors explain: this classifier's answer goes "
                         "with corner bar.")  # fmt: skip
    assert less.startswith("main: asked for less very large, corner bar changed in 5.0% (")
    assert less.endswith("of the explanations, not more than the oracle's errors explain.")


def test_errors_that_cancel_hide_no_movement():
    """The oracle misreads 12 of the 30 without a bar; turned, 21 of them and none of the others: no more flips."""
    rows = records(0.0, wrong=0.0)
    without = [r for r in rows if r["attribute"] == 0]
    having = [r for r in rows if r["attribute"] == 1]
    for i, row in enumerate(without):
        row["oracle"], row["more_oracle"], row["less_oracle"] = float(i < 12), float(i < 21), float(i < 12)
    for i, row in enumerate(having):
        row["oracle"], row["less_oracle"] = float(i >= 9), float(i >= 9)
    found = report(main=rows) | {"positive": "with a bar"}
    part = found["classifiers"]["main"]["more"]
    assert part["excess"]["value"] == 0
    assert part["moved"]["all"]["value"] == pytest.approx(18 / 60)
    assert part["moved"]["attribute=0"]["value"] == part["moved"]["attribute=1"]["value"] == pytest.approx(9 / 30)
    more, less = (x for x in verdict(found) if "asked for" in x)
    assert "no more often than the oracle errs, but its answer moves 30.0 points (" in more
    assert more.endswith(" towards with a bar when asked for more: this knob does not leave corner bar alone.")
    assert less.endswith("not more than the oracle's errors explain.")


def test_the_oracles_own_errors_are_said():
    (line,) = (x for x in verdict(report(main=records(0.1, wrong=0.2))) if "unchanged" in x)
    assert "20.0%" in line
    lines = verdict(report(a=records(0.1, wrong=0.2), b=records(0.1, wrong=0.1)))
    assert [x.split(" (")[0] for x in lines if "unchanged" in x] == [
        "a: the oracle is wrong about 20.0%", "b: the oracle is wrong about 10.0%",
    ]  # fmt: skip


def test_a_knob_that_did_not_get_there_says_little():
    (line,) = (x for x in verdict(report(main=records(0.0, reached=False))) if "asked for" in x)
    assert "the knob got there in only 0.0% (0.0% to 0.0%) and 0.0% (0.0% to 0.0%) of them" in line
    assert line.endswith("so this says little.")
    # Flips beyond the oracle's errors count even so.
    (line,) = (x for x in verdict(report(main=records(0.9, reached=False))) if "asked for" in x)
    assert "goes with" in line


def test_empty_groups_and_failures_are_said():
    lines = verdict(report(main=records(0.1, attribute=1)))
    assert "No picture was corner bar=0, so nothing is known of those." in lines
    lines = verdict(EVERY["failed"]())
    assert "1 picture could not be measured and is listed in audit.json." in lines
    assert not any("could not be measured" in x for x in verdict(EVERY["both"]()))


def test_no_ratio_where_nothing_flips():
    lines = verdict(report(biased=records(0.9), fair=records(0.0)))
    assert not any("times as many" in x for x in lines)


def test_the_csv_has_every_group_and_both_controls(both, tmp_path):
    write_csv(both, tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    groups = [
        "all", "attribute=0", "attribute=1", "site=a", "site=b", "attributes=z", "control: unchanged pictures",
        "control: shuffled labels",
    ]  # fmt: skip
    assert [(r["classifier"], r["asked for"], r["group"]) for r in rows] == [
        (c, e, g) for c in ("biased", "fair") for e in ("more", "less") for g in groups
    ]
    first = rows[0]
    assert (first["n"], float(first["flipped"]), float(first["reached"])) == ("60", 0.9, 1)
    assert float(first["low"]) < 0.9 < float(first["high"])
    assert {r["n"] for r in rows if r["group"].startswith("attribute=")} == {"30"}
    assert len(rows) == len(audit_rows(both))


def test_the_chart_has_a_line_for_every_rate(both, tmp_path):
    write_plot(both, tmp_path / "deep" / "audit.png")
    with Image.open(tmp_path / "deep" / "audit.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    write_plot(report(main=records(0.1)), tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as picture:
        assert picture.height < pixels.shape[0]
    assert pixels.shape[1] > 500
    coloured = (pixels.max(2).astype(int) - pixels.min(2)) > 60
    assert coloured.sum() > 12 * 30  # twelve dots and their whiskers


def test_a_chart_of_nothing_but_zeros_is_drawn(tmp_path):
    write_plot(report(main=records(0.0, wrong=0.0)), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("n", [1, 2, 19])
def test_a_handful_is_no_verdict_however_alike_they_are(n):
    """Every explanation flips and the oracle is never wrong: the bootstrap of so few has no width."""
    text = " ".join(verdict(report(main=records(1.0, wrong=0.0)[:n])))
    assert "goes with" not in text
    assert "so few pictures cannot tell that from the oracle's errors" in text
    assert "goes with corner bar" in " ".join(verdict(report(main=records(1.0, wrong=0.0)[:20])))


def test_so_few_pictures_cannot_tell(both):
    found = both["classifiers"]["fair"]
    few = both | {"classifiers": {"fair": found | {"n": 19}}, "compared": {}}
    assert [line.split("; ")[-1] for line in verdict(few) if "asked for" in line] == [
        "so few pictures cannot tell that from the oracle's errors."
    ]


def test_the_attribute_is_named_where_its_name_is_known():
    (first, *_) = verdict(report(main=records(0.1)) | {"positive": "with a bar"})
    assert first.startswith("60 pictures: 30 not with a bar, 30 with a bar. ")
    assert group_words("site=", "corner bar", None) == "site not given"
    assert group_words("site=B", "corner bar", None) == "site B"
    assert [group_words(f"Wearing_Hat={v}", "corner bar", None) for v in "10"] == ["wearing hat", "not wearing hat"]
    assert group_words("attributes=z", "corner bar", None) == "attributes z", "not the attribute"


def test_one_picture_is_not_pictures():
    assert verdict(report(main=records(0.1)) | {"n": 1})[0].startswith("1 picture: ")
