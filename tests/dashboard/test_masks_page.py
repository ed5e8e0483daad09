"""The Masks page over the fake study: what it starts by itself, what its buttons do, and that faults are sentences."""

from __future__ import annotations

import time
from pathlib import Path

import fake
import pytest
from streamlit.testing.v1 import AppTest

from core.explainers.presets import PRESETS
from core.infills.infill import NAMES
from dashboard.parts.jobs import Job
from dashboard.parts.masks import ROWS, cell_name

ROOT = Path(__file__).resolve().parents[2]
FIRST = [cell_name(row.key, NAMES[-1]) for row in ROWS]
WAIT = 30


def open_masks(**query: str) -> AppTest:
    """The Masks page behind the notice."""
    app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=120)
    app.session_state["notice_accepted"] = True
    app.run()
    for name, value in query.items():  # after the first page, which would write its own target
        app.query_params[name] = value
    return app.switch_page("app_pages/masks.py").run()


@pytest.fixture
def masks(fake_study):
    """Opens the page; what still runs at the end of the test is stopped."""
    opened = []

    def go(**query: str) -> AppTest:
        opened.append(open_masks(**query))
        return opened[-1]

    yield go
    fake_study.pause = 0
    for app in opened:
        for job in jobs(app):
            job.cancel()


def jobs(app: AppTest) -> list[Job]:
    """The session's searches, oldest first."""
    return list(app.session_state["mask_jobs"].values()) if "mask_jobs" in app.session_state else []


def until(condition) -> None:
    """Wait for the thread that searches."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def finished(app: AppTest) -> AppTest:
    """The page after its search is over."""
    until(lambda: not jobs(app)[-1].state().busy)
    return app.run()


def texts(app: AppTest) -> str:
    """Everything written on the page."""
    return "\n".join(e.value for kind in ("markdown", "caption", "warning", "error", "info") for e in app.get(kind))


def sent(app: AppTest, monkeypatch) -> dict:
    """What the page gives the browser when it runs once more."""
    from dashboard.parts import masks

    seen = []
    plain = masks._mount
    monkeypatch.setattr(masks, "_mount", lambda **k: seen.append(k["data"]) or plain(**k))
    app.run()
    monkeypatch.setattr(masks, "_mount", plain)
    return seen[-1]


def query(app: AppTest, name: str) -> str | None:
    """One value of the address."""
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def keys(app: AppTest) -> set[str]:
    """The keys of the page's buttons."""
    return {b.key for b in app.button}


def test_without_a_picture_it_asks_for_one(masks):
    app = masks()
    assert not app.exception
    assert app.get("file_uploader")
    assert not jobs(app)


def test_a_sample_starts_one_column_and_its_masks_are_shown(masks, fake_study):
    app = masks(sample="drawn")
    assert not app.exception
    assert "AUC 0.500" in texts(app)
    assert "no cardiomegaly" in texts(app), "explained is the answer that f gives"
    app = finished(app)
    assert not app.exception
    assert app.get("bidi_component")
    assert list(jobs(app)[-1].results) == FIRST
    assert [options["kind"] for _, options in fake_study.searched] == ["ssr", "sdr", "deletion", "preserve"]
    assert all(options["steps"] == PRESETS["quick"][m]["steps"] for m, options in fake_study.searched), (
        "unless asked otherwise"
    )
    assert [b.label for b in app.get("download_button")] == ["Figure", "Mask", "Numbers (JSON)"]
    assert "cancel_masks" not in keys(app)


def test_what_was_finished_first_is_the_large_one_and_stays_it(masks, monkeypatch):
    app = finished(masks(sample="drawn"))
    assert sent(app, monkeypatch)["detail"]["cell"] == FIRST[0]
    app.button(key="all_masks").click().run()
    data = sent(finished(app), monkeypatch)
    assert data["detail"]["cell"] == FIRST[0]
    assert len(data["cells"]) == 24


def test_the_rest_is_computed_when_it_is_asked_for(masks):
    app = finished(masks(sample="drawn"))
    assert app.button(key="all_masks").label.startswith("Compute the other 20 cells · about ")
    app.button(key="all_masks").click().run()
    assert not app.exception
    app = finished(app)
    assert len(jobs(app)[-1].results) == 24
    assert "all_masks" not in keys(app)


def test_cancel_keeps_what_is_finished(masks, fake_study):
    app = finished(masks(sample="drawn"))
    fake_study.pause = 0.05
    app.button(key="all_masks").click().run()
    assert app.get("progress")
    until(lambda: len(jobs(app)[-1].results) > len(FIRST))
    app.run()
    app.button(key="cancel_masks").click().run()
    assert not app.exception
    assert not jobs(app)[-1].state().busy
    assert "cancel_masks" not in keys(app)
    assert "all_masks" in keys(app)
    count = len(jobs(app)[-1].results)
    assert len(FIRST) < count < 24


def test_states_of_cells_while_it_searches(masks, fake_study, monkeypatch):
    fake_study.pause = 0.05
    data = sent(masks(sample="drawn"), monkeypatch)
    assert {s["text"] for s in data["states"].values()} <= {"searching …", "waiting"}
    assert set(data["states"]) | set(data["cells"]) == set(FIRST)


def test_a_mistake_in_the_search_is_a_sentence_in_the_cell(masks, fake_study, monkeypatch):
    fake_study.fault = "This picture has no such region."
    app = finished(masks(sample="drawn"))
    assert not app.exception
    data = sent(app, monkeypatch)
    assert data["states"] == {cell: {"kind": "fault", "text": fake_study.fault} for cell in FIRST}
    assert data["cells"] == {}
    assert "all_masks" in keys(app)
    fake_study.fault = ""
    app.button(key="all_masks").click().run()
    assert len(jobs(finished(app))[-1].results) == 24


def test_another_threshold_is_filled_and_measured_anew(masks, monkeypatch):
    app = finished(masks(sample="drawn"))
    (which,) = app.session_state["mask_jobs"]
    before = sent(app, monkeypatch)["detail"]
    app.session_state[f"cut-{which.key}"] = (FIRST[0], 0.2)
    after = sent(app, monkeypatch)["detail"]
    assert (before["threshold"], after["threshold"]) == (0.5, 0.2)
    assert after["area"] > before["area"]
    assert after["fills"] != before["fills"]
    app.session_state[f"chosen-{which.key}"] = FIRST[1]
    other = sent(app, monkeypatch)["detail"]
    assert (other["cell"], other["threshold"]) == (FIRST[1], 0.5), "a threshold belongs to its cell"


def test_what_the_browser_says_is_checked():
    import streamlit as st

    from dashboard.parts import masks

    rows, columns = [{"key": "bbmp"}], [{"key": "mean"}]
    handlers, called = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "_mount", lambda **k: handlers.update(k))
        masks.show_masks(
            {"rows": rows, "columns": columns}, key="k", on_cell=called.append, on_cut=lambda *a: called.append(a)
        )
        for said in ({}, {"cell": "x|y"}, {"cell": "bbmp|mean"}):
            patch.setattr(st, "session_state", {"k": said})
            handlers["on_cell_change"]()
        for cut in (None, ["x|y", 0.5], ["bbmp|mean", 7], ["bbmp|mean", "a"], ["bbmp|mean", 0.25]):
            patch.setattr(st, "session_state", {"k": {"cut": cut}})
            handlers["on_cut_change"]()
    assert called == ["bbmp|mean", ("bbmp|mean", 0.25)]


def test_target_and_speed_are_in_the_address_and_come_back(masks, fake_study):
    app = masks(sample="drawn")
    assert (query(app, "target"), query(app, "speed")) == (fake.TARGET, "quick")
    finished(app)
    fake_study.searched.clear()
    app = finished(masks(sample="drawn", target="Effusion", speed="paper"))
    assert not app.exception
    assert (query(app, "target"), query(app, "speed")) == ("Effusion", "paper")
    assert all(options["steps"] == PRESETS["paper"][m]["steps"] for m, options in fake_study.searched)
    app.segmented_control(key="speed").select("quick").run()
    assert query(app, "speed") == "quick"


@pytest.mark.parametrize("values", [{"target": "<b>", "speed": "x"}, {"sample": "none"}])
def test_an_address_that_makes_no_sense_is_ignored(masks, values):
    app = masks(**{"sample": "drawn"} | values)
    assert not app.exception
    assert not app.error


def test_another_target_stops_the_search_for_the_first_and_coming_back_keeps_its_masks(masks, fake_study):
    app = finished(masks(sample="drawn"))
    fake_study.pause = 0.05
    app.button(key="all_masks").click().run()
    app.segmented_control(key="mask_target").select("Effusion").run()
    first, second = jobs(app)
    assert not first.state().busy
    assert second.state().busy
    app.segmented_control(key="mask_target").select(fake.TARGET).run()
    assert not app.exception
    assert not second.state().busy
    assert set(FIRST) <= set(first.results)
    assert not first.state().busy, "it was stopped, and starts again only when asked"


def test_without_measurements_it_says_what_measures(masks):
    app = masks(sample="drawn")
    assert "contralens evaluate --study fake --measure masks --targets Cardiomegaly" in texts(app)
    assert not app.dataframe


def test_with_measurements_there_are_tables(masks, fake_study):
    fake_study.metrics = fake.METRICS | {"masks": {fake.TARGET: fake.MASKS}, "infills": fake.INFILLS}
    app = masks(sample="drawn")
    assert not app.exception
    cells, infills = (table.value for table in app.dataframe)
    assert len(cells) == 3
    assert len(infills) == 2
    assert "On 20 held-out pictures" in texts(app)
    assert "FIDO-SSR 0.70, BBMP 0.50." in texts(app)
    assert "Repeatability" in texts(app)
    assert "Quick against" not in texts(app), "it was not measured"


def test_a_study_without_trained_infills_has_four_columns(masks, fake_study, monkeypatch):
    fake_study.infills = NAMES[:4]
    app = finished(masks(sample="drawn"))
    assert set(jobs(app)[-1].results) == {cell_name(row.key, "local") for row in ROWS}
    assert [c["key"] for c in sent(app, monkeypatch)["columns"]] == list(NAMES[:4])
