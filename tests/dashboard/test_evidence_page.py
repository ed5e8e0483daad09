"""The evidence page over the fake study: all parts, none, and a metrics.json of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import fake
import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.published import WHY_NOT

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(fake_study):
    """Opens the page behind the notice."""

    def go() -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=120)
        app.session_state["notice_accepted"] = True
        app.run()
        return app.switch_page("app_pages/evidence.py").run()

    return go


def texts(app: AppTest) -> str:
    """Everything written on the page, in plain spaces."""
    return "\n".join(
        e.value for kind in ("markdown", "caption", "warning", "error", "info") for e in app.get(kind)
    ).replace("\u00a0", " ")


def upload(app: AppTest, data: bytes) -> AppTest:
    """The page gets a metrics.json."""
    (uploader,) = app.get("file_uploader")
    return uploader.set_value(("metrics.json", data, "application/json")).run()


def without(*parts: str) -> dict:
    """A full metrics.json with some parts missing."""
    return {k: v for k, v in fake.evidence().items() if k not in parts}


def test_nothing_measured_is_one_sentence(page):
    app = page()
    assert not app.exception
    assert [i.value for i in app.info] == ["No knob has been measured here yet: `contralens evaluate` does it."]
    assert not app.dataframe
    assert not app.get("plotly_chart")


def test_everything_that_was_measured(page, fake_study):
    fake_study.metrics = fake.evidence()
    app = page()
    assert not app.exception
    assert not app.error
    assert not app.info
    text = texts(app)
    knobs, paper, tests, maps, cells = (t.value for t in app.dataframe)
    assert list(knobs["method"]) == ["Progressive Exaggeration, morph head", "xGEM"]
    assert list(knobs["same person ↑"]) == ["85% (81 to 89)", "25% (21 to 29)"]
    assert (len(paper), len(tests), len(maps), len(cells)) == (2, 5, 7, 2)
    assert "## Cardiomegaly" in text
    assert "n = 200, split test, of a table of 2072 pictures (digest 70442ef013b5a4bc), seed 0, code abc1234" in text
    assert WHY_NOT in text
    assert "features of densenet of width 16" in text
    assert len(app.get("plotly_chart")) == 3 + 2 + 1
    assert "the cardiothoracic ratio changes by **0.1" in text
    assert "of the 60 pictures with both organs found" in text
    assert "Dice on held-out pictures: heart 0.92 (0.88 to 0.96) (n = 40), lungs" in text
    assert set(maps["map"]) >= {"the knob: |most − least|", "FIDO-SSR", "random order"}
    assert "### What do the losses do? Cardiomegaly" in text
    assert list(cells["weights"]) == ["gan 1, f 1, rec 100", "gan 100, f 1, rec 100, batch 16"]
    assert "Weights of the losses, head paper: n = 200, split test" in text


def test_the_other_size(page, fake_study):
    fake_study.metrics = fake.evidence()
    app = page()
    (size,) = (s for s in app.segmented_control if s.key == f"size-{fake.TARGET}")
    size.select("area").run()
    assert not app.exception
    assert "the heart area by the square of the chest's width changes by **0.03" in texts(app)


def test_rivals_have_a_table_of_their_own(page, fake_study):
    fake_study.metrics = {"knobs": {fake.TARGET: {"morph": fake.KNOBS["morph"]}}, "rivals": {fake.TARGET: fake.RIVALS}}
    app = page()
    assert not app.exception
    assert "**Beside xGEM and Latent Shift**" in texts(app)
    assert "n = 60, split test" in texts(app)
    assert [len(t.value) for t in app.dataframe] == [1, 2, 2]


@pytest.mark.parametrize(
    ("parts", "charts", "tables"),
    [
        (("heart", "saliency", "ablation", "identity"), 3, 2),
        (("heart", "ablation"), 4, 3),
        (("saliency", "segmenter"), 5, 4),
    ],
)
def test_what_is_missing_is_left_out(page, fake_study, parts, charts, tables):
    fake_study.metrics = without(*parts)
    app = page()
    assert not app.exception
    assert (len(app.get("plotly_chart")), len(app.dataframe)) == (charts, tables)
    if "segmenter" in parts:
        assert "whose Dice has not been measured" in texts(app)


def test_own_results_take_the_place_of_the_shipped_ones(page):
    mine = {"knobs": {"No_Beard": {"residual": fake.KNOBS["morph"]}}}
    app = upload(page(), json.dumps(mine).encode())
    assert not app.exception
    assert not app.error
    assert not app.info
    assert "## No beard" in texts(app)
    (table,) = (t.value for t in app.dataframe)
    assert list(table["method"]) == ["Progressive Exaggeration, residual head"]
    assert len(app.get("plotly_chart")) == 2


def test_own_results_without_knobs_say_so(page, fake_study):
    fake_study.metrics = fake.evidence()
    app = upload(page(), b"{}")
    assert not app.exception
    assert len(app.info) == 1
    assert not app.dataframe


NOT_JSON, NOT_OURS = "This is not a JSON file", "This JSON is not a metrics.json of Contralens"
ODD = "Parts of this metrics.json are missing or have another form than ours."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no json", NOT_JSON),
        (b"\xff\xfe\x00", NOT_JSON),
        (b"[" * 200_000, NOT_JSON),
        (b"[1, 2]", NOT_OURS),
        (b'{"knobs": [1]}', NOT_OURS),
        (b'{"knobs": {"A": 3}}', ODD),
        (b'{"knobs": {"A": {}}}', ODD),
        (b'{"knobs": {"A": {"morph": {"direct": {"n": 3}}}}}', ODD),
        (json.dumps({"knobs": {"A": {"morph": fake.KNOBS["morph"]}}, "heart": {"A": {"n": 3}}}).encode(), ODD),
        (json.dumps({"knobs": {"A": {"morph": fake.KNOBS["morph"]}}, "saliency": {"A": []}}).encode(), ODD),
        (json.dumps({"knobs": {"A": {"morph": fake.KNOBS["morph"]}}, "ablation": {"A": [1]}}).encode(), ODD),
    ],
)
def test_a_file_that_is_something_else_is_one_sentence(page, data, sentence):
    app = upload(page(), data)
    assert not app.exception
    assert len(app.error) == 1
    assert sentence in app.error[0].value
