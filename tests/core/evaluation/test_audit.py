"""A cohort audited on a small study with random networks: what is reported, what is refused, what may be resumed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import STUDY, shaken, small_config

from core.data.table import LabelledTable, read_table
from core.errors import UserError
from core.evaluation.audit import AuditTask, audit_cohort
from core.evaluation.confounding import compare_flips, confounding_report
from core.evaluation.engine import read_records

VARIANT = """
[[variant]]
name = "misled"
title = "trained on other pictures"
file = "witness.safetensors"
targets = ["Large"]

[[variant.knob]]
target = "Large"
head = "morph"
file = "misled-morph.safetensors"
"""


@pytest.fixture(scope="module")
def study(study_folder, tmp_path_factory):
    """The toy study with a second classifier and its knob, in a folder of its own."""
    from core.networks.exaggerator import Exaggerator
    from core.networks.store import save_exaggerator

    folder = tmp_path_factory.mktemp("audited") / "toy"
    shutil.copytree(study_folder / "toy", folder)
    (folder / "study.toml").write_text(STUDY + VARIANT, encoding="utf-8")
    torch.manual_seed(9)
    save_exaggerator(
        shaken(Exaggerator(small_config("morph")), 0.05), folder / "misled-morph.safetensors", target="Large"
    )
    return str(folder)


@pytest.fixture(scope="module")
def task(study):
    return AuditTask(study, "Large", "Bar", ("main", "misled"), ("split",), mode="direct")


@pytest.fixture(scope="module")
def audited(task, labelled_folder, tmp_path_factory):
    """(report, folder) of an audit of all 48 rows."""
    out = tmp_path_factory.mktemp("audit")
    return audit_cohort(task, read_table(*labelled_folder), out), out


def few(labelled_folder, n: int = 6) -> LabelledTable:
    return read_table(*labelled_folder).where(np.arange(n))


def test_the_report_is_written_and_says_who_was_measured(audited, labelled_folder):
    report, out = audited
    assert json.loads((out / "audit.json").read_text()) == report
    bars = read_table(*labelled_folder).label("Bar")
    assert report["n"] == 48
    assert (report["study"], report["target"], report["attribute"]) == ("toy", "Large", "Bar")
    assert report["failed"] == []
    assert report["rows_without_attribute"] == 0
    assert report["classifiers"].keys() == {"main", "misled"}
    groups = report["classifiers"]["main"]["groups"]
    assert groups["attribute=1"] == bars.sum()
    assert groups["split=test"] == groups["split=val"] == 12
    assert groups["split=train"] == 24


def test_the_report_is_the_records_summed_up(audited):
    report, out = audited
    records = list(read_records(out / "records.jsonl"))
    assert [r["index"] for r in records] == list(range(48))
    flat = {
        name: [r["by"] | r["explained"][name] | {"attribute": r["attribute"]} for r in records]
        for name in ("main", "misled")
    }
    for name, rows in flat.items():
        assert report["classifiers"][name] == confounding_report(rows, by=("split",))
    assert report["compared"] == {"main against misled": compare_flips(flat["main"], flat["misled"])}
    assert flat["main"] != flat["misled"]


def test_a_record_is_the_study_asked_about_one_picture(audited, study, labelled_folder):
    from core.images.read import read_picture
    from core.studies import open_study

    opened = open_study(study)
    prepared = opened.prepare(read_picture(labelled_folder[0] / "003.png"))
    record = list(read_records(audited[1] / "records.jsonl"))[3]
    assert record["file"] == "003.png"
    answer = opened.predict(prepared)["Large"]
    assert record["explained"]["main"]["query"] == pytest.approx(answer, abs=2e-3)  # pictures are rounded to 8 bits
    oracle = float(opened.oracle("Bar").posterior(torch.from_numpy(prepared.tensor)[None])[0])
    assert record["explained"]["main"]["oracle"] == pytest.approx(oracle, abs=2e-3)


def test_missing_and_broken_files_are_listed_and_the_rest_is_measured(task, labelled_folder, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(labelled_folder[0], folder)
    (folder / "001.png").unlink()
    (folder / "004.png").write_bytes((folder / "004.png").read_bytes()[:300])
    table = read_table(folder, folder / "labels.csv", missing_ok=True).split("train")
    report = audit_cohort(task, table, tmp_path / "out")
    assert report["n"] == len(table) - 2
    assert [f["file"] for f in report["failed"]] == ["001.png", "004.png"]
    assert "There is no file" in report["failed"][0]["why"]
    assert "004.png" in report["failed"][1]["why"]
    # Mended and resumed, only those two are run.
    ran = []
    for name in ("001.png", "004.png"):
        shutil.copy(labelled_folder[0] / name, folder / name)
    mended = audit_cohort(task, table, tmp_path / "out", resume=True, progress=lambda i, n: ran.append(i))
    assert len(ran) == 2
    assert mended["failed"] == []
    assert mended["n"] == len(table)
    fresh = audit_cohort(task, table, tmp_path / "fresh")
    assert mended == fresh


def test_nothing_can_be_read(task, labelled_folder, tmp_path):
    table = few(labelled_folder)
    gone = LabelledTable(tmp_path, table.files, table.columns)
    with pytest.raises(UserError, match=r"None of the 6 pictures could be measured; the first said: There is no file"):
        audit_cohort(task, gone, tmp_path / "out")


def test_mistakes_are_sentences_before_anything_is_read(task, labelled_folder, tmp_path):
    table = few(labelled_folder)

    def refuse(what: str, table=table, **changes):
        with pytest.raises(UserError, match=what) as fault:
            audit_cohort(dataclasses.replace(task, **changes), table, tmp_path / "out")
        assert "\n" not in str(fault.value)
        assert not (tmp_path / "out").exists()

    refuse("no oracle for 'Sex'; it has: Bar", attribute="Sex")
    refuse("no trained knob for 'Round'", target="Round")
    refuse("no classifier 'fair'; it has: misled", classifiers=("main", "fair"))
    refuse("no mode 'fast'; choose one of direct, calibrated", mode="fast")
    refuse("no column 'site' to group by", by=("site",))
    for name in ("more", "bytes", "file"):
        refuse(f"column named '{name}'; rename it", by=(name,))
    refuse("There is no study 'nowhere'", study="nowhere")
    columns = dict(table.columns)
    bars = columns.pop("Bar")
    refuse("no column 'Bar'; it has", LabelledTable(table.folder, table.files, columns))
    words = LabelledTable(table.folder, table.files, columns | {"Bar": ("yes", *bars[1:])})
    refuse("Column 'Bar' of the label file is not 0/1", words)
    blank = LabelledTable(table.folder, table.files, columns | {"Bar": ("",) * len(table)})
    refuse("No row of the label file says what 'Bar' is", blank)


def test_rows_without_the_attribute_are_counted_and_left_out(task, labelled_folder, tmp_path):
    table = few(labelled_folder)
    bars = ("", *table.columns["Bar"][1:])
    report = audit_cohort(
        task, LabelledTable(table.folder, table.files, table.columns | {"Bar": bars}), tmp_path / "out"
    )
    assert (report["n"], report["rows_without_attribute"]) == (5, 1)


def test_one_group_may_be_empty(task, labelled_folder, tmp_path):
    from core.evaluation.audit_files import audit_rows, verdict, write_csv, write_plot

    table = few(labelled_folder, 12)
    ones = LabelledTable(table.folder, table.files, table.columns | {"Bar": ("1",) * 12})
    report = audit_cohort(task, ones, tmp_path / "out")
    assert report["classifiers"]["main"]["groups"]["attribute=0"] == 0
    assert not any(r["group"] == "attribute=0" for r in audit_rows(report))
    assert "No picture was not bar, so nothing is known of those." in verdict(report)
    write_csv(report, tmp_path / "a.csv")
    write_plot(report, tmp_path / "a.png")


def test_resumed_it_gives_the_same_report(audited, task, labelled_folder, tmp_path):
    report, out = audited
    lines = (out / "records.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "records.jsonl").write_text("".join(lines[:20]) + lines[20][:7])
    heard = []
    again = audit_cohort(
        task, read_table(*labelled_folder), tmp_path, resume=True, progress=lambda i, n: heard.append((i, n))
    )
    assert heard == [(i, 48) for i in range(20, 49)]
    assert again == report


def test_other_weights_or_settings_are_not_resumed(audited, task, labelled_folder, tmp_path, study):
    shutil.copy(audited[1] / "records.jsonl", tmp_path / "records.jsonl")
    table = read_table(*labelled_folder)
    with pytest.raises(UserError, match="another task or other settings"):
        audit_cohort(dataclasses.replace(task, mode="calibrated"), table, tmp_path, resume=True)
    key = task.key
    assert key == dataclasses.replace(task).key
    knob = Path(study) / "misled-morph.safetensors"
    weights = knob.read_bytes()
    try:
        knob.write_bytes(weights + b" ")
        assert task.key != key
    finally:
        knob.write_bytes(weights)
    assert task.key == key


def test_aligned_and_prepared_x_rays_are_the_same(task, labelled_folder, tmp_path):
    table = few(labelled_folder)
    plain = audit_cohort(task, table, tmp_path / "a")
    aligned = audit_cohort(dataclasses.replace(task, aligned=True), table, tmp_path / "b")
    assert plain == aligned
