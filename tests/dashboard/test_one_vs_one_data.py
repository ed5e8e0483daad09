"""What the one-against-one page sends to the browser and writes in its tables."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import fake
import numpy as np
import pytest
from PIL import Image

from core.attributions.methods import METHODS
from core.baselines.baseline import NAMES, TITLES
from core.errors import UserError
from core.explainers.map_figure import shared_limit
from core.studies.lines import label
from dashboard.parts.panel import (
    ABOUT,
    COLUMNS,
    panel_data,
    residual_note,
)
from dashboard.parts.trust import COLUMNS as MEASURES
from dashboard.parts.trust import baseline_rows, map_rows


def decode(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def panel():
    """(picture, 'baseline|method' -> map, faults, what is sent) of the fake study."""
    study = fake.FakeStudy()
    prepared = study.prepare(fake.picture_of(fake.chest()))
    found, faults = {}, {}
    for baseline in NAMES:
        for method in COLUMNS:
            try:
                found[f"{baseline}|{method}"] = study.explain(
                    "one-vs-one", prepared, target="", baseline=baseline, method=method
                )
            except UserError as fault:
                faults[baseline] = str(fault)
    data = panel_data(prepared.tensor, found, faults, rows=NAMES, key="k", chosen="ganmex|ig")
    return prepared.tensor, found, faults, json.loads(json.dumps(data, allow_nan=False))


# What goes to the browser


def test_every_baseline_is_a_row_and_every_map_a_cell(panel):
    _, found, faults, data = panel
    assert [r["key"] for r in data["rows"]] == list(NAMES)
    assert [c["key"] for c in data["columns"]] == list(COLUMNS)
    assert data["cells"].keys() == found.keys()
    assert set(faults) == {"mdts", "expected", "mean"}
    for row in data["rows"]:
        assert row["title"] == TITLES[row["key"]]
        assert row["about"] == ABOUT[row["key"]]
        assert (row["fault"] is None) == (row["key"] not in faults)
        assert ("picture" in row) == ("says" in row) == (row["key"] not in faults)
    assert (data["size"], data["key"], data["chosen"], len(data["colours"])) == (64, "k", "ganmex|ig", 256)


def test_a_map_comes_back_within_one_code(panel):
    _, found, _, data = panel
    limit = data["limit"]
    assert limit == shared_limit([a.flat for a in found.values()]) > 0
    for name, a in found.items():
        sent = (decode(data["cells"][name]["map"]).astype(float) - 128) / 127 * limit
        assert sent.shape == (64, 64)
        assert float(np.abs(sent - np.clip(a.flat, -limit, limit)).max()) <= limit / 127


def test_the_pictures_are_those_of_the_study(panel):
    picture, found, _, data = panel
    np.testing.assert_allclose(decode(data["picture"]) / 255, picture[0], atol=1 / 255)
    by_row = {row["key"]: row for row in data["rows"]}
    assert (decode(by_row["max"]["picture"]) == 255).all()
    sent = decode(by_row["ganmex"]["picture"]) / 255
    np.testing.assert_allclose(sent, found["ganmex|ig"].picture[0], atol=1 / 255)


def test_a_row_says_what_the_classifier_calls_its_baseline(panel):
    _, found, _, data = panel
    a = found["ganmex|ig"]
    says = plain(next(r["says"] for r in data["rows"] if r["key"] == "ganmex"))
    assert says.startswith(label(a.origin))
    assert f"\n{label(a.target)} " in says
    assert 2 <= says.count("\n") + 1 <= 3


def test_colour_stays_colour(panel):
    _, found, _, _ = panel
    rng = np.random.default_rng(0)
    picture = rng.random((3, 64, 64)).astype(np.float32)
    a = replace(found["zero|ig"], map=rng.normal(size=(3, 64, 64)), picture=picture)
    data = panel_data(picture, {f"zero|{m}": replace(a, method=m) for m in COLUMNS}, {}, rows=("zero",), key="k")
    assert decode(data["picture"]).shape == decode(data["rows"][0]["picture"]).shape == (64, 64, 3)
    assert decode(data["cells"]["zero|ig"]["map"]).shape == (64, 64)
    assert data["chosen"] is None


def test_without_any_map_there_is_still_a_panel(panel):
    data = panel_data(panel[0], {}, dict.fromkeys(NAMES, "There is none."), rows=NAMES, key="k")
    assert data["cells"] == {}
    assert data["limit"] == 1
    assert {r["fault"] for r in data["rows"]} == {"There is none."}


def test_the_sum_rule_in_words(panel):
    a = panel[1]["zero|ig"]
    assert residual_note(replace(a, residual=-0.0123, change=4.56)) == "off by 0.012 of +4.6"
    assert residual_note(replace(a, method="occlusion")) == "no sum rule"


# Tables


def test_a_row_for_each_map():
    rows = [{k: plain(v) for k, v in row.items()} for row in map_rows(fake.ONE_VS_ONE["maps"])]
    assert [(r["attribution"], r["baseline"]) for r in rows] == [
        ("Integrated Gradients", "GANMEX"), ("Integrated Gradients", "Zero"), ("Occlusion", "GANMEX"),
    ]  # fmt: skip
    assert rows[0][MEASURES["fall_most_mean"]] == "1.00 (0.96 to 1.04)"
    assert rows[0]["likeness after redrawing ↓"] == "0.12"
    assert rows[2][MEASURES["repeatability"]] == "-", "not measured"
    assert len({tuple(r) for r in rows}) == 1


def test_a_row_for_each_baseline():
    rows = [{k: plain(v) for k, v in row.items()} for row in baseline_rows(fake.ONE_VS_ONE["baselines"])]
    assert [r["baseline"] for r in rows] == ["GANMEX", "Zero"]
    assert rows[0]["the classifier calls it the other class ↑"].startswith("97% (93 to ")
    assert rows[1]["Fréchet distance ↓"] == "40.00"


def test_every_column_is_an_attribution():
    assert set(COLUMNS) < set(METHODS)
