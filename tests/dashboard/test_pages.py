"""Every page runs, with the fake study and with each real one; mistakes end in a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import fake
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.errors import UserError
from core.studies.catalogue import checkpoint_folder
from core.studies.settings import StudyInfo
from dashboard.parts import studies

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p.name for p in (ROOT / "dashboard/app_pages").glob("*.py"))
REAL = sorted(p.parent.name for p in checkpoint_folder().glob("*/classifier.safetensors"))


def open_app(page: str = "knob.py", **query: str) -> AppTest:
    """The whole app behind its notice, at one page."""
    app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=120)
    app.session_state["notice_accepted"] = True
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app if page == "knob.py" else app.switch_page(f"app_pages/{page}").run()


def query(app: AppTest, name: str) -> str | None:
    """One value of the address; AppTest keeps what it was given as a list and what the page wrote as it is."""
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def texts(app: AppTest) -> str:
    """Everything written on the page."""
    return "\n".join(e.value for kind in ("markdown", "caption", "warning", "error", "info") for e in app.get(kind))


def test_nothing_is_shown_before_the_notice_is_accepted(fake_study):
    app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=60).run()
    assert "not a medical device" in texts(app)
    assert not app.get("file_uploader")
    app.button(key="accept").click().run()
    assert app.get("file_uploader")
    assert not app.exception


@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs_and_carries_the_notice(fake_study, page):
    app = open_app(page)
    assert not app.exception
    assert "not a medical device" in texts(app)


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="no trained study in the checkpoint folder")
@pytest.mark.parametrize("study", REAL)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs_with_the_real_studies(page, study):
    app = open_app(page, study=study)
    assert not app.exception
    assert not app.error


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="no trained study in the checkpoint folder")
@pytest.mark.parametrize("study", REAL)
def test_a_sample_of_a_real_study_gets_an_answer_and_a_knob(study):
    from core.studies import open_study

    for sample in open_study(study).samples:
        app = open_app(study=study, sample=sample.name)
        assert not app.exception
        assert not app.error
        assert app.get("bidi_component"), texts(app)


def test_a_sample_leads_to_the_knob(fake_study):
    app = open_app()
    app.button(key="sample_page_drawn").click().run()
    assert not app.exception
    assert "AUC 0.500" in texts(app)
    assert app.get("bidi_component")
    assert query(app, "sample") == "drawn"
    assert query(app, "target") == "Cardiomegaly"


@pytest.mark.parametrize("outlines", [True, False])
def test_organs_are_outlined_where_the_study_can(fake_study, monkeypatch, outlines):
    from dashboard.parts import knob

    sent = []
    monkeypatch.setattr(knob, "_mount", lambda **k: sent.append(k["data"]) or {})
    fake_study.outlines = outlines
    app = open_app(sample="drawn")
    assert not app.exception
    assert (sent[-1]["organs"] is not None) is outlines


def test_an_upload_leads_to_the_knob_and_leaves_no_name(fake_study):
    app = open_app()
    uploader = app.get("file_uploader")[0]
    uploader.set_value(("Doe^Jane.png", fake.png(fake.chest()), "image/png")).run()
    assert not app.exception
    assert app.get("bidi_component")
    assert "Doe" not in texts(app)
    assert "sample" not in app.query_params


def test_a_file_that_is_no_picture_gets_one_sentence_and_the_page_lives_on(fake_study):
    app = open_app()
    app.get("file_uploader")[0].set_value(("notes", b"this is not a picture", "text/plain")).run()
    assert not app.exception
    assert len(app.error) == 1
    assert app.button(key="open")


def test_the_gate_turns_away_what_is_not_the_studys_kind(fake_study):
    colour = np.random.default_rng(0).random((64, 64, 3))
    app = open_app()
    app.get("file_uploader")[0].set_value(("cat.png", fake.png(colour), "image/png")).run()
    assert not app.exception
    assert "does not look like" in app.warning[0].value
    assert not app.get("bidi_component")


def test_several_faces_ask_which(fake_study, monkeypatch):
    from core.images.faces import Face, SeveralFaces

    found = [Face((10.0 + 100 * i, 20.0, 90.0 + 100 * i, 120.0), np.zeros((5, 2)), 1.0) for i in range(2)]
    plain = fake_study.prepare

    def prepare(picture, *, face=None, crop=None):
        if face is None:
            raise SeveralFaces(found)
        assert face == 1
        return plain(picture)

    monkeypatch.setattr(fake_study, "prepare", prepare)
    app = open_app(sample="drawn")
    assert "2 faces" in app.info[0].value
    assert not app.get("bidi_component")
    app.segmented_control(key="which_face").select(2).run()
    assert not app.exception
    assert app.get("bidi_component")


def test_no_face_offers_a_cut_by_hand(fake_study, monkeypatch):
    from core.images.faces import NoFace

    plain, cuts = fake_study.prepare, []

    def prepare(picture, *, face=None, crop=None):
        if crop is None:
            raise NoFace
        cuts.append(crop)
        return plain(picture)

    monkeypatch.setattr(fake_study, "prepare", prepare)
    app = open_app(sample="drawn")
    assert "No face" in app.warning[0].value
    app.slider(key="cut_x").set_value(0.4).run()
    app.button(key="cut_done").click().run()
    assert not app.exception
    assert app.get("bidi_component")
    assert cuts[-1] == (0.4, 0.5, 0.8)


def test_a_file_of_several_frames_asks_which(fake_study):
    pages = [Image.fromarray(np.full((32, 32), 60 * i, np.uint8)) for i in range(3)]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    app = open_app()
    app.get("file_uploader")[0].set_value(("three.tif", file.getvalue(), "image/tiff")).run()
    assert "frame 1 of 3" in texts(app)
    app.number_input[0].set_value(3).run()
    assert not app.exception
    assert "frame 3 of 3" in texts(app)


def test_a_damaged_frame_leaves_the_way_to_the_others(fake_study, monkeypatch):
    decoded = studies.decoded

    def broken(data, frame):
        if frame == 1:
            raise UserError("This TIFF file is damaged or cut short; export it again.")
        return decoded(data, frame)

    monkeypatch.setattr(studies, "decoded", broken)
    pages = [Image.fromarray(np.full((32, 32), 60 * i, np.uint8)) for i in range(3)]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    app = open_app()
    app.get("file_uploader")[0].set_value(("three.tif", file.getvalue(), "image/tiff")).run()
    app.number_input[0].set_value(2).run()
    assert "damaged" in app.error[0].value
    app.number_input[0].set_value(3).run()
    assert not app.exception
    assert "frame 3 of 3" in texts(app)


def test_the_upload_can_be_inspected(fake_study):
    app = open_app(sample="drawn")
    app.toggle(key="inspect").set_value(True).run()
    assert not app.exception
    assert app.get("bidi_component")
    assert not app.get("download_button")


@pytest.mark.parametrize(
    ("modality", "asked"),
    [
        ("chest", "frontal chest x-ray"),
        ("face", "of a face"),
        ("digit", "one handwritten digit"),
        ("photo", "of anything"),
    ],
)
def test_what_to_upload_is_said_for_every_kind_of_picture(fake_study, monkeypatch, modality, asked):
    from dataclasses import replace

    from core import studies

    study = replace(fake_study, modality=modality)
    monkeypatch.setattr(studies, "open_study", lambda name, device="cpu": study)
    (uploader,) = open_app().get("file_uploader")
    assert f"{asked}: PNG" in uploader.label


def test_another_study_starts_afresh_and_is_the_same_on_the_card(fake_study, monkeypatch):
    from dataclasses import replace

    from core import studies

    second = replace(fake_study, name="second", title="Second study", card="# The second card")
    infos = [
        StudyInfo(s.name, s.title, s.modality, s.targets, s.knobs, s.summary) for s in (fake_study, second)
    ]  # fmt: skip
    monkeypatch.setattr(studies, "list_studies", lambda: infos)
    monkeypatch.setattr(studies, "open_study", lambda name, device="cpu": {"fake": fake_study, "second": second}[name])
    app = open_app(study="fake", sample="drawn", delta="0.30")
    assert query(app, "delta") == "+0.28"
    app.segmented_control(key="study").select("second").run()
    assert not app.exception
    assert (query(app, "study"), query(app, "delta")) == ("second", None)
    app.switch_page("app_pages/card.py").run()
    assert not app.exception
    assert "The second card" in texts(app)
    assert query(app, "study") == "second"


def test_a_study_without_a_knob_is_offered_on_its_card_alone(fake_study, monkeypatch):
    from dataclasses import replace

    from core import studies

    second = replace(fake_study, name="second", title="Second study", card="# The second card")
    infos = [
        StudyInfo(s.name, s.title, s.modality, s.targets, knobs, s.summary)
        for s, knobs in ((second, ()), (fake_study, fake_study.knobs))
    ]
    monkeypatch.setattr(studies, "list_studies", lambda: infos)
    monkeypatch.setattr(studies, "open_study", lambda name, device="cpu": {"fake": fake_study, "second": second}[name])
    app = open_app(study="second")
    assert not app.exception
    assert query(app, "study") == "fake"
    assert not app.segmented_control
    app.switch_page("app_pages/card.py").run()
    app.segmented_control(key="study").select("second").run()
    assert "The second card" in texts(app)
    app.switch_page("app_pages/knob.py").run()
    assert not app.exception
    assert query(app, "study") == "fake"


def test_where_no_study_has_a_knob_the_page_says_so(fake_study, monkeypatch):
    from core import studies

    info = StudyInfo("flat", "Flat", "photo", (), (), "No knob.", "Its network is not installed.")
    monkeypatch.setattr(studies, "list_studies", lambda: [info])
    app = open_app()
    assert not app.exception
    assert "No study for this page" in texts(app)


def test_the_address_restores_mode_and_target(fake_study):
    app = open_app(sample="drawn", mode="calibrated", target="Cardiomegaly", delta="0.30")
    assert not app.exception
    assert app.session_state["mode"] == "calibrated"
    assert query(app, "delta") == "+0.28"


@pytest.mark.parametrize(
    "values", [{"sample": "none", "delta": "much"}, {"study": "../..", "target": "<b>", "mode": "x"}]
)
def test_an_address_that_makes_no_sense_is_ignored(fake_study, values):
    app = open_app(**values)
    assert not app.exception
    assert not app.error
