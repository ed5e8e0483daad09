"""Figures and rows of the evidence page, against numbers worked out by hand."""

from __future__ import annotations

import fake
import numpy as np
import pytest

from core.evaluation.knob_saliency import METHODS
from dashboard.parts import evidence


@pytest.fixture(scope="module")
def heart():
    return fake.hearts()


def test_a_row_a_method():
    metrics = {"knobs": {fake.TARGET: fake.KNOBS}, "identity": fake.IDENTITY}
    knob, rival = evidence.knob_rows(metrics, fake.TARGET)
    assert knob == {
        "method": "Progressive Exaggeration, morph head", "FD present ↓": "1.95",
        "FD overall ↓": "2.46", "closeness ↑": "90% (86 to 94)", "same person ↑": "85% (81 to 89)",
        "f misses the request by ↓": "0.06 (0.02 to 0.10)", "calibrated ↓": "0.010 (-0.030 to 0.050)",
        "independent network follows ↑": "0.70 (0.66 to 0.74)",
    }, "and no column of FD absent, which is empty in every row"  # fmt: skip
    assert rival["method"] == "xGEM"
    assert rival["same person ↑"] == "25% (21 to 29)", "its own, which is kept beside the knob's"
    unmeasured = "FD overall ↓", "closeness ↑", "calibrated ↓", "independent network follows ↑"
    assert [rival[k] for k in unmeasured] == ["-"] * 4


def test_rivals_are_read_from_a_measure_of_their_own():
    knob, rival = evidence.rival_rows({"rivals": {fake.TARGET: fake.RIVALS}}, fake.TARGET)
    assert (knob["method"], rival["method"]) == ("Progressive Exaggeration, morph head", "xGEM")
    assert (knob["same person ↑"], rival["same person ↑"]) == ("80% (76 to 84)", "25% (21 to 29)")
    assert rival["f misses the request by ↓"] == "0.20 (0.16 to 0.24)"


@pytest.mark.parametrize(
    ("knob", "start"),
    [((0.5, 0.45, 0.55), "Yes, more than chance does (0.50 against 0.70"), ((0.68, 0.6, 0.75), "Not shown: "),
     ((0.9, 0.85, 0.95), "No: replacing pixels at random takes the answer sooner (0.90 against 0.70")],
)  # fmt: skip
def test_what_deletion_says_is_said(knob, start):
    def area(value, low, high):
        return {"area": {"value": value, "low": low, "high": high}}

    methods = {"knob": area(*knob), "random": area(0.7, 0.65, 0.75), "fido-ssr": area(0.55, 0.5, 0.6)}
    text = evidence.saliency_sentence({"methods": methods}, {"fido-ssr": "FIDO-SSR"})
    assert text.startswith(start)
    assert text.endswith("FIDO-SSR does best (0.55).") is (knob[0] > 0.55)


def test_nothing_about_persons_where_there_are_none():
    rows = evidence.knob_rows({"knobs": {fake.TARGET: fake.KNOBS}}, fake.TARGET)
    assert not any("same person ↑" in r for r in rows)


def test_what_the_paper_printed():
    smiling = {r["method"]: r for r in evidence.paper_rows("Smiling")}
    assert smiling["Progressive Exaggeration"]["FID overall"] == "35.8"
    assert smiling["xGEM"]["same person"] == "0.0%"
    assert {r["same person"] for r in evidence.paper_rows("Cardiomegaly")} == {"-"}
    assert evidence.paper_rows("Effusion") == []


def test_the_band_goes_up_and_comes_back(heart):
    band, line = evidence.trend_figure(heart, "ctr").data
    means = heart["ctr"]["mean"]
    assert len(band.x) == len(band.y) == 20
    assert (band.y[0], band.y[9], band.y[10], band.y[19]) == (
        means[0]["high"], means[9]["high"], means[9]["low"], means[0]["low"],
    )  # fmt: skip
    assert line.y[-1] - line.y[0] == pytest.approx(0.1, abs=0.003), "every heart was drawn .1 larger"


def test_a_box_a_group(heart):
    figure = evidence.groups_figure(heart, "ctr")
    assert len(figure.data) == 4
    for box, name in zip(figure.data, evidence.GROUPS, strict=True):
        drawn = [box.lowerfence[0], box.q1[0], box.median[0], box.q3[0], box.upperfence[0]]
        assert drawn == heart["ctr"]["groups"][name]["percentiles"]
        assert box.x[0].endswith("n = 30")
    medians = dict(zip(evidence.GROUPS, (b.median[0] for b in figure.data), strict=True))
    assert medians["made_condition"] - medians["healthy"] == pytest.approx(0.05, abs=0.01)
    assert medians["condition"] - medians["made_healthy"] == pytest.approx(0.05, abs=0.01)


def test_a_group_of_nobody_has_no_box(heart):
    groups = heart["ctr"]["groups"] | {"condition": {"n": 0, "not_found": 3}}
    assert len(evidence.groups_figure({"ctr": heart["ctr"] | {"groups": groups}}, "ctr").data) == 3


def test_a_row_a_test(heart):
    rows = evidence.test_rows(heart, "ctr")
    assert [r["test"] for r in rows] == ["paired t", "paired t"] + ["independent t"] * 3
    assert rows[0]["comparison"] == "without, by the label → without, asked for more"
    assert rows[0]["effect"].startswith("d_z = +")
    assert rows[0]["p"] == "< 1e-10"
    assert rows[1]["mean difference"].startswith("-0.05")
    assert rows[-1]["n"] == "30 and 30"


def test_numbers_of_a_test_by_hand():
    found = {"n": 5, "difference": 0.01234, "t": 2.5, "p": 0.0456, "effect": 1.234}
    report = {"ctr": {"paired": {"a_b to c": found, "too few": {"n": 2}}, "independent": {}}}
    assert evidence.test_rows(report, "ctr") == [
        {"comparison": "a_b → c", "test": "paired t", "n": "5", "mean difference": "+0.0123", "effect": "d_z = +1.23",
         "t": "2.50", "p": "0.046"}
    ]  # fmt: skip


def test_a_curve_a_map():
    figure = evidence.deletion_figure(fake.SALIENCY, {"knob": "the knob"})
    lines = {line.name: line for line in figure.data}
    assert len(lines) == 7
    assert list(lines["the knob"].x) == [0.0, 0.1, 0.3, 0.5]
    np.testing.assert_allclose(lines["the knob"].y, [0.9, 0.6, 0.45, 0.3])
    assert (lines["random"].line.dash, lines["gradient"].line.dash) == ("dot", "solid")
    assert lines["the knob"].line.width > lines["gradient"].line.width


def test_a_row_a_map_with_its_own_number_of_pictures():
    rows = {r["map"]: r for r in evidence.saliency_rows(fake.SALIENCY, {"fido-ssr": "FIDO-SSR"})}
    assert rows["knob"] == {"map": "knob", "n": 200, "area under the curve ↓": "0.60 (0.56 to 0.64)"}
    assert rows["FIDO-SSR"]["n"] == 60


def test_every_map_that_is_measured_has_a_title():
    import ast
    from pathlib import Path

    page = ast.parse((Path(evidence.__file__).parents[1] / "app_pages/evidence.py").read_text(encoding="utf-8"))
    named = next(n.value for n in page.body if isinstance(n, ast.Assign) and n.targets[0].id == "SALIENCY")
    assert {k.value for k in named.keys} == set(METHODS)


def test_a_row_a_cell_of_the_ablation():
    good, bad = evidence.ablation_rows(fake.ABLATION)
    assert good == {
        "cell": "reference", "weights": "gan 1, f 1, rec 100", "failed": "", "steps": "2000", "FD present ↓": "1.20",
        "FD overall ↓": "3.40", "closeness ↑": "82% (78 to 86)", "f misses the request by ↓": "0.12 (0.08 to 0.16)",
    }, "what no cell says, and what all say, is left out"  # fmt: skip
    assert bad["weights"] == "gan 100, f 1, rec 100, batch 16"
    assert (bad["steps"], bad["closeness ↑"]) == ("-", "-")
    assert bad["failed"].startswith("diverged")
    assert good.keys() == bad.keys()


def test_cells_of_several_heads_say_which():
    first, second = fake.ABLATION["rows"]
    rows = evidence.ablation_rows(fake.ABLATION | {"rows": [first, second | {"head": "morph"}]})
    assert [r["head"] for r in rows] == ["paper", "morph"]
    assert "failed" not in evidence.ablation_rows(fake.ABLATION | {"rows": [first]})[0]


def test_what_a_measurement_was_made_on():
    assert evidence.about(fake.ABOUT | {"n": 7}) == (
        "n = 7, split test, of a table of 2072 pictures (digest 70442ef013b5a4bc), seed 0, code abc1234"
    )
    assert evidence.about({}) == ""
    assert evidence.heading("No_Beard") == "No beard"
