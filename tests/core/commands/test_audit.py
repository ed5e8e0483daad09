"""`contralens audit` on the toy study: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import shutil

import pytest


@pytest.fixture
def small(labelled_folder, tmp_path):
    """(folder, CSV of eight rows with Bar, site and no split)."""
    folder, labels = labelled_folder
    with labels.open(newline="") as handle:
        rows = list(csv.DictReader(handle))[:8]
    path = tmp_path / "eight.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "Bar", "site"])
        writer.writerows([[r["file"], r["Bar"], "ab"[i % 2]] for i, r in enumerate(rows)])
    return folder, path


@pytest.fixture
def words(small, tmp_path):
    """The command line, but for what a test is about."""
    return (
        "audit", "--study", "toy", "--data", small[0], "--labels", small[1], "--attribute", "Bar", "--out",
        tmp_path / "out", "--mode", "direct",
    )  # fmt: skip


def test_it_says_what_was_seen_and_writes_four_files(contralens, words, tmp_path):
    code, out, err = contralens(*words, "--by", "site")
    assert code == 0, err
    assert out.splitlines()[0].startswith("8 pictures: ")
    assert "4 site a, 4 site b" in out
    assert "What was not tested may still be there." in out
    assert "no bias" not in out.lower()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"audit.json", "audit.csv", "audit.png", "records.jsonl"}


def test_json(contralens, words, tmp_path):
    code, out, _ = contralens(*words, "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "audit.json").read_text())


def test_without_a_split_column_all_rows_are_taken_else_test(contralens, words, table, tmp_path):
    code, out, _ = contralens(*words, "--json")
    assert (code, json.loads(out)["n"]) == (0, 8)
    swapped = [*words[:3], *table, *words[7:]]
    code, out, _ = contralens(*swapped, "--json", "--out", tmp_path / "test")
    assert (code, json.loads(out)["n"]) == (0, 12)
    code, out, _ = contralens(*swapped, "--json", "--pictures", "5", "--split", "all", "--out", tmp_path / "five")
    assert (code, json.loads(out)["n"]) == (0, 5)


def test_resume(contralens, words, mistake, tmp_path):
    code, first, _ = contralens(*words, "--json")
    records = tmp_path / "out" / "records.jsonl"
    whole = records.read_text()
    records.write_text("".join(whole.splitlines(keepends=True)[:4]) + '{"index": 3, "fi')
    code, again, err = contralens(*words, "--json", "--resume")
    assert code == 0, err
    assert again == first
    assert records.read_text() == whole
    said = mistake(*words[:-1], "calibrated", "--resume")
    assert "another task or other settings" in said
    assert records.read_text() == whole


def test_failed_files_are_listed(contralens, words, small, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(small[0], folder)
    (folder / "002.png").write_bytes(b"no picture")
    code, out, err = contralens(*[folder if w == small[0] else w for w in words])
    assert code == 0, err
    assert out.startswith("7 pictures")
    assert "1 picture could not be measured" in out
    (failed,) = json.loads((tmp_path / "out" / "audit.json").read_text())["failed"]
    assert failed["file"] == "002.png"
    assert "not a picture" in failed["why"]


def test_record_writes_into_the_study(contralens, words, study_folder, tmp_path):
    copy = tmp_path / "mine"
    shutil.copytree(study_folder / "toy", copy)
    (copy / "metrics.json").write_text('{"note": 1}')
    code, _, err = contralens(*[copy if w == "toy" else w for w in words], "--record")
    assert code == 0, err
    metrics = json.loads((copy / "metrics.json").read_text())
    assert metrics["note"] == 1
    found = metrics["audits"]["Bar"]["Large"]["main"]
    assert (found["n"], found["failed"], found["split"], found["data"]["rows"]) == (8, 0, "all", 8)
    assert {"seed", "commit"} <= found.keys()
    assert not any(str(tmp_path) in line for line in (copy / "metrics.json").read_text().splitlines())
    assert not (study_folder / "toy" / "metrics.json").exists()


def test_mistakes_are_one_line(mistake, words, small, tmp_path):
    def said(flag: str, value) -> str:
        given = dict(zip(words[1::2], words[2::2], strict=True)) | {flag: value}
        return mistake(words[0], *(word for pair in given.items() for word in pair))

    assert "no oracle for 'Sex'; it has: Bar" in said("--attribute", "Sex")
    assert "There is no study 'nowhere'" in said("--study", "nowhere")
    assert "There is no label file at" in said("--labels", tmp_path / "none.csv")
    assert "no trained knob for 'Round'" in said("--target", "Round")
    assert "no classifier 'fair'" in said("--classifiers", "main,fair")
    assert "no column 'age' to group by" in said("--by", "age")
    assert "no mode 'fast'" in said("--mode", "fast")
    assert "no split 'half'" in said("--split", "half")
    assert "no engine 'spark'; choose one of local, ray" in said("--engine", "spark")
    assert "pass --engine ray" in said("--address", "head:6379")
    assert "names 8 files that are not in" in said("--data", tmp_path / "elsewhere")
    (tmp_path / "blank.csv").write_text("file,Bar\n000.png,\n")
    assert "says what 'Bar' is" in said("--labels", tmp_path / "blank.csv")
    (tmp_path / "other.csv").write_text("file,Male\n000.png,1\n")
    assert "no column 'Bar'" in said("--labels", tmp_path / "other.csv")
