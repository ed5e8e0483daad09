"""The bias check over the fake study: its three views, and a cohort of the user's own out of a ZIP."""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from pathlib import Path

import fake
import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation import cohort_zip
from dashboard.parts.jobs import Job

ROOT = Path(__file__).resolve().parents[2]
WAIT = 60
TWO = "biased: trained where every Large Heart is male", "fair: trained on as many women as men"


@pytest.fixture
def bias(fake_study):
    """Opens the page behind the notice, with the fake study's sample; audits still running at the end are stopped."""
    opened = []

    def go(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboard/app.py"), default_timeout=120)
        app.session_state["notice_accepted"] = True
        app.run()
        for name, value in ({"sample": "drawn"} | query).items():
            app.query_params[name] = value
        opened.append(app.switch_page("app_pages/bias.py").run())
        return opened[-1]

    yield go
    fake_study.pause = 0
    for app in opened:
        for job in jobs(app):
            job.cancel()


def jobs(app: AppTest) -> list[Job]:
    """The session's audits, oldest first."""
    return list(app.session_state["cohort_jobs"].values()) if "cohort_jobs" in app.session_state else []


def finished(app: AppTest) -> AppTest:
    """The page after its audit is over."""
    end = time.monotonic() + WAIT
    while jobs(app)[-1].state().busy:
        assert time.monotonic() < end, "the audit did not end"
        time.sleep(0.02)
    return app.run()


def texts(app: AppTest) -> str:
    """Everything written on the page, in plain spaces."""
    return "\n".join(
        e.value for kind in ("markdown", "caption", "warning", "error", "info") for e in app.get(kind)
    ).replace("\u00a0", " ")


def query(app: AppTest, name: str) -> str:
    """One entry of the address."""
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


def captions(app: AppTest) -> list[str]:
    """What stands under the pictures, in order."""
    return [caption.replace("\u00a0", " ") for image in app.get("image") for caption in image.captions]


def no_verdict_of_innocence(text: str) -> bool:
    """Whether nowhere it is said that there is no bias."""
    return not re.search(r"\b(no|not|free of|without|unbiased|isn't) +(any +)?bias", text.lower())


def widget(app: AppTest, kind: str, label: str):
    """The widget of that kind whose label starts so."""
    return next(w for w in app.get(kind) if w.label.startswith(label))


def zip_of(pictures: dict[str, bytes], rows: list[dict[str, str]], name: str = "labels.csv") -> bytes:
    """A ZIP with pictures and one CSV."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as handle:
        for file, data in pictures.items():
            handle.writestr(file, data)
        handle.writestr(name, text.getvalue())
    return buffer.getvalue()


def chest(bright: bool) -> bytes:
    """A drawn chest whose corner the oracle reads as male, or as not."""
    film = fake.chest(0.2, side=64)
    film[fake.MARK] = 0.95 if bright else 0.2
    return fake.png(film)


def good_zip(n: int = 4) -> bytes:
    """n pictures, every other one male; further one that is no picture, one that is missing and one without a label."""
    pictures = {f"{i}.png": chest(i % 2 == 1) for i in range(n)} | {"notes.png": b"no picture", "blank.png": b""}
    rows = [{"file": f"{i}.png", "age": "50", "Sex": str(i % 2)} for i in range(n)]
    rows += [{"file": "notes.png", "age": "", "Sex": "1"}, {"file": "gone.png", "age": "", "Sex": "0"}]
    return zip_of(pictures, [*rows, {"file": "blank.png", "age": "", "Sex": ""}])


def upload(app: AppTest, data: bytes, name: str = "cohort.zip") -> AppTest:
    """The cohort's uploader gets a file."""
    return widget(app, "file_uploader", "Pictures and CSV").set_value((name, data, "application/zip")).run()


# --- no picture yet --------------------------------------------------------------------------------------------------


def test_without_a_picture_it_says_what_it_is_for_and_offers_one(bias):
    app = bias(sample="")
    assert not app.exception
    assert "whether turning a knob also turns something that should not matter" in texts(app)
    assert widget(app, "file_uploader", "Upload a")
    assert len(captions(app)) == 1, "the sample to open, and no frames"


def test_measurements_and_cohorts_need_no_picture(bias):
    measured = bias(sample="", view="measured")
    assert "This pair has not been measured" in texts(measured)
    assert not measured.get("file_uploader")
    cohort = upload(bias(sample="", view="cohort"), good_zip())
    assert widget(cohort, "button", "Audit 6 pictures")
    assert not measured.exception
    assert not cohort.exception


# --- this picture ----------------------------------------------------------------------------------------------------


def test_it_turns_both_variants_and_asks_the_oracle_of_every_frame(bias):
    app = bias()
    assert not app.exception
    assert not app.error
    text = texts(app)
    assert f"**{TWO[0][0].upper()}{TWO[0][1:]}**, which gives this picture 22 % cardiomegaly" in text
    assert "**Fair: trained on" in text
    found = captions(app)
    assert len(found) == 14
    assert found[0] == "cardiomegaly 1.0 %  \nmale < 0.1 %"
    assert found[1] == "cardiomegaly 22 %  \nmale 0.7 %  \n(the picture)"
    assert found[6] == "cardiomegaly 99 %  \nmale 99.9 %", "the biased classifier's knob moves what the oracle reads"
    assert found[13] == "cardiomegaly 99 %  \nmale 0.7 %", "the other's does not"
    assert len(app.get("plotly_chart")) == 1
    assert "accuracy" not in text
    assert "has not been measured" in text
    assert "One picture proves nothing either way" in text
    assert no_verdict_of_innocence(text)
    assert [query(app, k) for k in ("view", "target", "attribute")] == ["picture", fake.TARGET, "sex"]


def test_other_classifiers_can_be_chosen_and_none(bias):
    app = bias()
    shown = widget(app, "multiselect", "Classifiers")
    assert list(shown.options) == ["main: the study's own", *TWO]
    shown.set_value(["main"]).run()
    assert not app.exception
    assert len(captions(app)) == 7
    assert "**Main: the study's own**" in texts(app)
    widget(app, "multiselect", "Classifiers").set_value([]).run()
    assert not app.exception
    assert "Choose a classifier" in texts(app)
    assert not captions(app)


def test_another_attribute_has_another_word(bias, fake_study):
    fake_study.metrics = fake.evidence()
    app = bias(attribute="view")
    assert not app.exception
    assert captions(app)[1] == "cardiomegaly 22 %  \nview 0.7 %  \n(the picture)"
    assert "How well the oracle reads view has not been measured." in texts(app)
    widget(app, "selectbox", "and watch").set_value("sex").run()
    assert "reads sex with accuracy 93.0% (91.0% to 95.0%) on 500 held-out pictures" in texts(app)
    assert query(app, "attribute") == "sex"


def test_without_variants_there_is_nothing_to_choose(bias, fake_study):
    fake_study.variants = {}
    app = bias()
    assert not app.exception
    assert len(captions(app)) == 7
    assert not app.get("multiselect")


def test_a_variant_without_this_knob_is_not_offered(bias, fake_study, monkeypatch):
    """And what was chosen for another knob does not stand in the way."""
    from dataclasses import replace

    from core import studies

    fake_study.knobs = (fake.TARGET, "Effusion")
    plain = studies.open_study
    monkeypatch.setattr(
        studies, "open_study",
        lambda name, device="cpu": replace(plain(name), knobs=(fake.TARGET,)) if name == "fake:biased" else plain(name),
    )  # fmt: skip
    app = bias()
    assert len(captions(app)) == 14
    widget(app, "selectbox", "Turn").set_value("Effusion").run()
    assert not app.exception
    assert list(widget(app, "multiselect", "Classifiers").options) == ["main: the study's own", TWO[1]]
    assert len(captions(app)) == 7
    assert "Biased" not in texts(app)


@pytest.mark.parametrize("values", [{"view": "<b>", "attribute": "x", "target": "y"}, {"sample": "none"}])
def test_an_address_that_makes_no_sense_is_ignored(bias, values):
    app = bias(**values)
    assert not app.exception
    assert not app.error


def test_studies_without_an_oracle_do_not_come_here(bias, fake_study, monkeypatch):
    from core import studies

    (info,) = studies.list_studies()
    monkeypatch.setattr(studies, "list_studies", lambda: [type(info)(**{**vars(info), "oracles": ()})])
    app = bias()
    assert not app.exception
    assert "No study for this page is installed" in texts(app)


# --- what was measured -----------------------------------------------------------------------------------------------


def test_without_measurements_it_names_the_command(bias):
    app = bias(view="measured")
    assert not app.exception
    assert "contralens audit --study fake --target Cardiomegaly --attribute sex" in app.info[0].value
    assert len(app.info) == 1
    assert not app.dataframe
    assert not app.get("plotly_chart")


@pytest.mark.parametrize("failed", [0, 3])
def test_measurements_are_sentences_and_tables(bias, fake_study, failed):
    fake_study.metrics = fake.evidence() | {"audits": fake.recorded(fake.audit(), failed)}
    app = bias(view="measured")
    assert not app.exception
    assert not app.info
    text = texts(app)
    assert "40 pictures: 20 sex=0, 20 sex=1" in text
    assert ("3 pictures could not be measured" in text) is bool(failed)
    assert "this classifier's answer goes with sex" in text
    assert "neither more than the oracle's errors explain" in text
    assert "20.0 times as many flips" in text
    assert "What was not tested may still be there." in text
    assert no_verdict_of_innocence(text)
    assert "Split test, knob mode calibrated" in text
    (table,) = (t.value for t in app.dataframe)
    assert len(table) == 20
    assert set(table["classifier"]) == set(TWO)
    assert "200 held-out pictures, each asked for the opposite answer" in text
    assert len(app.get("plotly_chart")) == 1


def test_the_matrix_is_there_without_an_audit_of_this_pair(bias, fake_study):
    fake_study.metrics = fake.evidence()
    app = bias(view="measured", attribute="view")
    assert not app.exception
    assert "This pair has not been measured" in app.info[0].value
    assert not app.dataframe
    assert len(app.get("plotly_chart")) == 1


# --- a cohort of the user's own --------------------------------------------------------------------------------------


def test_it_says_what_the_zip_should_hold(bias):
    app = bias(view="cohort")
    assert not app.exception
    assert "a column that says what each picture's **sex** is" in texts(app)
    assert not jobs(app)


def test_a_cohort_is_audited_in_the_background(bias):
    """Of 2 and 2 pictures, the biased knob flips one kind each way, the study's own none; what failed is listed."""
    app = upload(bias(view="cohort"), good_zip())
    assert not app.exception
    assert not app.error
    assert widget(app, "selectbox", "Column with sex").value == "Sex", "the column of that name, whatever its case"
    assert widget(app, "toggle", "Already cut").disabled
    widget(app, "multiselect", "Classifiers").set_value(["biased", "main"]).run()
    assert not jobs(app)[-1].state().busy, "nothing runs before it is asked for"
    app.button(key="audit_cohort").click().run()
    assert not app.exception
    app = finished(app)
    assert not app.exception
    assert not app.error
    text = texts(app)
    assert "4 pictures: 2 not male, 2 male" in text
    assert "2 pictures could not be measured" in text
    assert "biased: asked for more cardiomegaly, sex changed in 50.0%" in text
    assert "main: asked for more cardiomegaly, sex changed in 0.0%" in text
    assert "What was not tested may still be there." in text
    assert no_verdict_of_innocence(text)
    table, failed = (t.value for t in app.dataframe)
    assert set(table["classifier"]) == {TWO[0], "main: the study's own"}
    assert "not male" not in set(table["pictures"]), "groups of two are counted and not measured"
    assert list(failed["file"]) == ["notes.png", "gone.png"]
    assert failed["why"][1] == "gone.png is named in the CSV and not in the ZIP."
    assert [e.label for e in app.expander] == ["2 pictures could not be measured"]
    assert [b.label for b in app.get("download_button")] == ["Numbers (JSON)"]
    assert "audit_cohort" not in {b.key for b in app.button}
    report = jobs(app)[-1].results["audit"]
    assert report["rows_without_attribute"] == 1
    assert report["classifiers"]["biased"]["more"]["flipped"]["value"] == 0.5
    assert report["classifiers"]["main"]["less"]["flipped"]["value"] == 0.0


def test_progress_is_shown_and_an_audit_can_be_cancelled(bias, fake_study):
    fake_study.pause = 0.2
    app = upload(bias(view="cohort"), good_zip(40))
    app.button(key="audit_cohort").click().run()
    assert not app.exception
    (bar,) = app.get("progress")
    assert bar.proto.text.startswith("Turning the knob on 42 pictures"), "one of the rows has no label"
    assert "audit_cohort" not in {b.key for b in app.button}
    app.button(key="cancel_cohort").click().run()
    assert not app.exception
    assert not jobs(app)[-1].state().busy
    assert not app.get("progress")
    assert app.button(key="audit_cohort").label == "Audit 42 pictures"
    assert not app.dataframe


def test_another_question_stops_the_audit_and_another_file_forgets_it(bias, fake_study):
    fake_study.pause = 0.2
    app = upload(bias(view="cohort"), good_zip(40))
    app.button(key="audit_cohort").click().run()
    first = jobs(app)[-1]
    assert first.state().busy
    widget(app, "selectbox", "and watch").set_value("view").run()
    assert not app.exception
    assert not first.state().busy
    assert len(jobs(app)) == 2
    upload(app, good_zip(2))
    assert not app.exception
    assert len(jobs(app)) == 1


def test_none_of_the_classifiers_is_nothing_to_audit(bias):
    app = upload(bias(view="cohort"), good_zip(1))
    widget(app, "multiselect", "Classifiers").set_value([]).run()
    assert not app.exception
    assert "Choose at least one classifier" in texts(app)
    assert "audit_cohort" not in {b.key for b in app.button}


ROW = {"file": "a.png", "sex": "1"}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"this is no archive", "This is not a ZIP file"),
        (zip_of({"a.png": chest(True), "more.csv": b"file\n"}, [ROW]), "exactly one CSV, it has 2"),
        (zip_of({"a.png": chest(True)}, [], "labels.txt"), "exactly one CSV, it has 0"),
        (zip_of({"a.png": chest(True)}, [{"name": "a.png", "sex": "1"}]), "has no column 'file'"),
        (zip_of({"a.png": chest(True)}, []), "has no column 'file'"),
        (zip_of({"a.png": chest(True)}, [{"file": "a.png"}]), "only the column 'file'"),
        (zip_of({"labels.csv": b"file,sex\n"}, [], "a.txt"), "has a header but no rows"),
        (zip_of({"labels.csv": b"file,sex\n\xff\xfe,1\n"}, [], "a.txt"), "is not a CSV file in UTF-8"),
    ],
)
def test_a_bad_zip_is_one_sentence(bias, data, sentence):
    app = upload(bias(view="cohort"), data)
    assert not app.exception
    assert len(app.error) == 1
    assert sentence in app.error[0].value


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([ROW, ROW | {"sex": "male"}], "Column 'sex' of the CSV is not 0/1: it holds 'male'."),
        ([ROW | {"sex": ""}], "no row says what 'sex' is"),
        ([ROW | {"file": "b.png"}], "b.png is named in the CSV and not in the ZIP."),
    ],
)
def test_a_cohort_that_cannot_be_audited_is_one_sentence_and_can_be_asked_for_again(bias, rows, sentence):
    app = upload(bias(view="cohort"), zip_of({"a.png": chest(True)}, rows))
    app.button(key="audit_cohort").click().run()
    app = finished(app)
    assert not app.exception
    assert len(app.error) == 1
    assert sentence in app.error[0].value
    assert app.button(key="audit_cohort")


def test_too_many_pictures_go_to_the_command_line(bias, monkeypatch):
    monkeypatch.setattr(cohort_zip, "MOST_PICTURES", 3)
    app = upload(bias(view="cohort"), good_zip())
    assert not app.exception
    assert "The ZIP holds 6 files; the page takes 3. `contralens audit` takes any number." in app.error[0].value
