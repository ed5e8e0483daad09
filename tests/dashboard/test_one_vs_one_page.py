"""The one-against-one page over the fake study, in both views, and its mistakes as sentences."""

from __future__ import annotations

from pathlib import Path

import fake
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.baselines.baseline import NAMES
from dashboard.parts.panel import COLUMNS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(fake_study):
    """Opens the page behind the notice, with the fake study's sample."""

    def go(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=120)
        app.session_state["notice_accepted"] = True
        app.run()
        for name, value in ({"sample": "drawn"} | query).items():
            app.query_params[name] = value
        return app.switch_page("app_pages/one_vs_one.py").run()

    return go


def texts(app: AppTest) -> str:
    """Everything written on the page."""
    return "\n".join(
        e.value for kind in ("markdown", "caption", "warning", "error", "info") for e in app.get(kind)
    ).replace("\u00a0", " ")


def query(app: AppTest, name: str) -> str:
    """One entry of the address."""
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


def select(app: AppTest, name: str):
    """The select box whose key starts so."""
    return next(s for s in app.selectbox if s.key.startswith(name))


@pytest.fixture
def sent(monkeypatch):
    """What the page gives the browser, run by run; `answer` is what the browser says."""
    from dashboard.parts import panel

    seen, answer = [], {}
    monkeypatch.setattr(panel, "_mount", lambda **k: seen.append(k["data"]) or answer)
    return seen, answer


def test_it_starts_with_the_likeliest_class_against_the_second_and_ganmex(page, sent):
    app = page()
    assert not app.exception
    assert not app.error
    answer = fake.FakeStudy().ask_choice("heart", fake.FakeStudy().prepare(fake.picture_of(fake.chest())))
    order = sorted(answer, key=answer.get, reverse=True)
    assert [select(app, "from-").value, select(app, "to-").value] == order[:2]
    data = sent[0][-1]
    assert data["chosen"] == "ganmex|ig"
    assert data["cells"].keys() == {f"{b}|{m}" for b in ("ganmex", "blur", "zero", "max") for m in COLUMNS}
    assert [r["key"] for r in data["rows"]] == list(NAMES)
    assert "**Integrated Gradients against GANMEX**" in texts(app)
    assert (query(app, "view"), query(app, "score")) == ("compare", "contrast")


def test_the_chosen_map_is_shown_large(page, sent):
    app = page()
    app.session_state[f"chosen-ovo-{sent[0][-1]['key']}"] = "zero|occlusion"
    app.run()
    assert not app.exception
    assert "**Occlusion against zero**" in texts(app)
    assert sent[0][-1]["chosen"] == "zero|occlusion"
    sent[1]["cell"] = "zero|nonsense"
    app.run()
    assert not app.exception
    assert "**Occlusion against zero**" in texts(app)


def test_another_question_is_another_panel(page, sent):
    app = page()
    before = sent[0][-1]
    asked = {select(app, "from-").value, select(app, "to-").value}
    (third,) = set(fake.CLASSES) - asked
    select(app, "to-").set_value(third).run()
    assert not app.exception
    after = sent[0][-1]
    assert after["key"] != before["key"]
    assert after["cells"]["ganmex|ig"] != before["cells"]["ganmex|ig"]


def test_the_other_score_is_in_the_address_and_changes_the_maps(page, sent):
    app = page(score="own")
    own = sent[0][-1]
    assert query(app, "score") == "own"
    app.segmented_control(key="score").select("contrast").run()
    assert query(app, "score") == "contrast"
    assert sent[0][-1]["cells"]["zero|ig"]["say"] != own["cells"]["zero|ig"]["say"]


def test_a_mistake_is_looked_at_through_the_translator(page):
    app = page(view="mistake")
    assert not app.exception
    assert not app.error
    assert "The classifier says" in texts(app)
    assert query(app, "view") == "mistake"
    captions = texts(app)
    assert "what spoke for" in captions
    other = select(app, "should-")
    assert len(other.options) == 2


def test_without_a_translator_a_mistake_names_the_command(page, fake_study):
    fake_study.baselines = ("blur", "zero", "max")
    app = page(view="mistake")
    assert not app.exception
    assert "contralens train ganmex" in texts(app)


def test_without_a_translator_the_panel_starts_with_what_there_is(page, fake_study, sent):
    fake_study.baselines = ("blur", "zero", "max")
    app = page()
    assert not app.exception
    assert sent[0][-1]["chosen"] == "blur|ig"


@pytest.mark.parametrize("values", [{"view": "<b>", "score": "x"}, {"sample": "none"}])
def test_an_address_that_makes_no_sense_is_ignored(page, values):
    app = page(**values)
    assert not app.exception
    assert not app.error


def test_without_measurements_it_says_what_measures(page):
    app = page()
    assert "contralens evaluate --study fake --measure one-vs-one --data DIR" in texts(app)
    assert not app.dataframe


def test_with_measurements_there_are_tables(page, fake_study):
    fake_study.metrics = fake.METRICS | {"one_vs_one": {"heart": fake.ONE_VS_ONE}}
    app = page()
    assert not app.exception
    maps, baselines = (table.value for table in app.dataframe)
    assert (len(maps), len(baselines)) == (3, 2)
    assert "On 30 held-out pictures" in texts(app)


def test_studies_without_a_choice_do_not_come_here(page, fake_study, monkeypatch):
    from core import studies

    (info,) = studies.list_studies()
    monkeypatch.setattr(studies, "list_studies", lambda: [type(info)(**{**vars(info), "choices": ()})])
    app = page()
    assert not app.exception
    assert "No study for this page is installed" in texts(app)


def test_a_map_that_does_not_fall_apart_is_said_to_show_little():
    from dashboard.parts.trust import _fell_apart

    assert _fell_apart(0.98).startswith("This one stays alike (0.98)")
    assert _fell_apart(0.12) == "This one does (0.12)."


def test_the_cascade_strip_starts_with_the_trained_map(page, fake_study):
    """All layers redrawn: the map of a network with one layer is another one."""
    page()
    from dashboard.parts import studies

    prepared = fake_study.prepare(fake.picture_of(fake.chest()))
    which = studies.Pair("fake", "place", "heart", "Small", "Large", "contrast")
    shares, maps, likeness = studies.cascade.__wrapped__(which, "zero", "deeplift", prepared)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert likeness[0] == pytest.approx(1)
    assert likeness[-1] < 0.9
    assert np.asarray(maps).shape == (len(shares), 64, 64)
