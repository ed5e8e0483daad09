"""Figures and rows of the bias check, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import fake
import numpy as np
import pytest

from core.evaluation.audit_files import verdict
from dashboard.parts import bias

SWEEP = fake.sweep_of(0.22, "calibrated")


@pytest.fixture(scope="module")
def report():
    return fake.audit()


@pytest.mark.parametrize("query", [0.004, 0.07, 0.22, 0.5, 0.73, 0.985])
def test_about_seven_frames_with_both_ends_and_the_picture(query):
    """An end may give way to a picture that is right beside it."""
    requested = np.sort(np.append(fake.REQUESTS, query))
    origin = int(np.searchsorted(requested, query))
    frames = bias.picked(replace(SWEEP, requested=requested, origin=origin, query=query))
    assert 6 <= len(frames) <= bias.FRAMES
    assert frames == sorted(set(frames))
    assert origin in frames
    assert min(frames) in (0, origin)
    assert max(frames) in (21, origin)
    assert requested[min(frames)] < 0.1
    assert requested[max(frames)] > 0.9


def test_the_picture_takes_the_place_of_its_neighbour():
    """Seven requests evenly spread are .01, .15, .35, .5, .65, .85 and .99; .22, frame 5, is nearest to .15."""
    evenly = [0.01, 0.15, 0.22, 0.35, 0.5, 0.65, 0.85, 0.99]
    np.testing.assert_allclose(SWEEP.requested[[0, 3, 5, 8, 11, 14, 18, 21]], evenly)
    assert bias.picked(SWEEP) == [0, 5, 8, 11, 14, 18, 21]


def test_one_line_a_classifier_and_a_mark_for_the_picture():
    seen = [np.linspace(0, 1, 22), np.full(22, 0.3)]
    figure = bias.oracle_figure({"biased": SWEEP, "fair": SWEEP}, seen, "male")
    lines, marks = figure.data[0::2], figure.data[1::2]
    assert [line.name for line in lines] == ["biased", "fair"]
    np.testing.assert_array_equal(lines[0].x, SWEEP.achieved)
    np.testing.assert_array_equal(lines[1].y, seen[1])
    assert [(m.x[0], m.y[0]) for m in marks] == [(0.22, seen[0][5]), (0.22, 0.3)]
    assert lines[0].line.color != lines[1].line.color
    assert figure.layout.yaxis.title.text == "the oracle says male"


def test_a_knob_is_a_row_and_a_target_a_column():
    figure = bias.matrix_figure(fake.DISCRIMINATION)
    (cells,) = figure.data
    assert np.asarray(cells.z).tolist() == [[0.93, 0.21]]
    assert tuple(cells.text[0]) == ("93%<br>(89 to 97)", "21%<br>(17 to 25)")
    assert (cells.x, cells.y) == (("cardiomegaly", "effusion"), ("cardiomegaly",))
    assert np.asarray(bias.matrix_figure(fake.DISCRIMINATION, "flipped_unasked").data[0].z).tolist() == [[0.05, 0.04]]


def test_rows_of_an_audit(report):
    """Of 40 pictures, half with the attribute, a biased knob flips the half that had the other answer."""
    names = bias.classifier_names({"biased": "title", "fair": "other"})
    rows = bias.table_rows(report, names, "male")
    assert len(rows) == 2 * 2 * 5  # classifiers, ends; all, two groups, two controls
    whole, without, having, unchanged, shuffled = rows[:5]
    assert [r["pictures"] for r in rows[:3]] == ["all", "not male", "male"]
    assert whole["classifier"] == "biased: title"
    assert whole["asked for"] == "more cardiomegaly"
    assert [whole["n"], without["n"], having["n"]] == [40, 20, 20]
    assert whole["sex changed"].startswith("50% (")
    assert without["sex changed"] == "100% (100 to 100)"
    assert having["sex changed"] == "0% (0 to 0)"
    assert unchanged["sex changed"].startswith("2% ("), "the oracle is wrong about one of forty"
    assert shuffled["sex changed"].startswith("50% (")
    assert (whole["classifier got there"], whole["oracle says male"]) == ("100%", "48% → 100%")
    assert (without["classifier got there"], without["oracle says male"]) == ("", "")
    assert (without["before turning"], unchanged["before turning"]) == ("0%", "")
    less = rows[5]
    assert (less["asked for"], less["oracle says male"]) == ("less cardiomegaly", "48% → 0%")
    fair = rows[10]
    assert (fair["classifier"], fair["sex changed"]) == ("fair: other", unchanged["sex changed"])


def test_classifiers_without_a_title_keep_their_name(report):
    assert {r["classifier"] for r in bias.table_rows(report, {}, "male")} == {"biased", "fair"}
    assert bias.classifier_names({}) == {"main": "main: the study's own"}


def test_the_sentences_of_an_audit(report):
    """What was seen and on how many; of the ratio 20 of 40 against 1 of 40; never that there is no bias."""
    lines = verdict(report)
    assert lines[0] == "40 pictures: 20 sex=0, 20 sex=1. The knob turns cardiomegaly, the oracle reads sex."
    text = "\n".join(lines)
    assert text.count("both more than the oracle's errors explain: this classifier's answer goes with sex") == 1
    assert text.count("neither more than the oracle's errors explain") == 1
    assert text.count("20.0 times as many flips") == 2
    assert "could not be measured" not in text
    assert lines[-1].endswith("What was not tested may still be there.")


@pytest.mark.parametrize("failed", [2, [{"file": "a.png", "why": "x"}, {"file": "b.png", "why": "y"}]])
def test_failed_pictures_are_counted_whether_they_were_kept_by_name_or_by_number(report, failed):
    assert "2 pictures could not be measured" in "\n".join(verdict(report | {"failed": failed}))
