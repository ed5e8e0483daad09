"""Tasks over rows on one machine: order, failures, what a killed run leaves, and what may be resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation.engine import Rows, one_thread, read_records, run_task, weights_digest

RAN: list[str] = []


@dataclass(frozen=True)
class Square:
    """Squares the number in a file's name; notes what it was run on."""

    setting: int = 0
    broken: tuple[str, ...] = ("bad",)
    kills: str = ""
    device: str = "cpu"

    @property
    def key(self) -> str:
        return f"square {self.setting}"

    def __call__(self, row):
        RAN.append(row["file"])
        if row["file"] == self.kills:
            raise KeyboardInterrupt
        if row["file"] in self.broken:
            raise UserError(f"{row['file']} is no number.")
        return {"square": int(row["file"]) ** 2, "threads": torch.get_num_threads()}


@pytest.fixture(autouse=True)
def _nothing_ran():
    RAN.clear()


def rows(*files: str, folder: str = "/pictures", **columns) -> Rows:
    return Rows(LabelledTable(Path(folder), files, {"file": files}), columns)


def test_rows_are_made_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = rows("a/1.png", "2.png", folder="pics", attribute=[1, 0])
    assert len(table) == 2
    assert table[1] == {"index": 1, "file": "2.png", "path": str(tmp_path / "pics/2.png"), "attribute": 0}
    assert [r["file"] for r in table] == ["a/1.png", "2.png"]
    assert table[:1] == [table[0]]


def test_the_digest_of_rows_knows_files_columns_and_place():
    one = rows("1", "2", a=[1, 0]).digest
    assert one == rows("1", "2", a=[1, 0]).digest
    for other in (rows("1", "3", a=[1, 0]), rows("1", "2", a=[1, 1]), rows("1", "2", folder="/else", a=[1, 0])):
        assert other.digest != one


def test_records_come_in_the_order_of_the_rows_and_failures_are_among_them(tmp_path):
    heard = []
    found = run_task(
        Square(), rows("3", "bad", "2"), tmp_path / "new" / "r.jsonl", progress=lambda i, n: heard.append((i, n))
    )
    once, twice = list(found), list(found)  # read again from the file
    assert once == twice
    assert [(r["index"], r["file"]) for r in once] == [(0, "3"), (1, "bad"), (2, "2")]
    assert [r.get("square") for r in once] == [9, None, 4]
    assert once[1]["failed"] == "bad is no number."
    assert heard == [(1, 3), (2, 3), (3, 3)]
    lines = (tmp_path / "new" / "r.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["task"] == "square 0"
    assert len(lines) == 4


def test_a_fault_of_ours_is_not_hidden(tmp_path):
    with pytest.raises(ValueError, match="invalid literal"):
        run_task(Square(), rows("1", "x"), tmp_path / "r.jsonl")


def test_torch_has_one_thread_while_a_task_runs(tmp_path):
    torch.set_num_threads(2)
    try:
        assert next(iter(run_task(Square(), rows("1"), tmp_path / "r.jsonl")))["threads"] == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_killed_run_with_a_half_line_goes_on(tmp_path, cut):
    files = [str(i) for i in range(6)]
    whole = list(run_task(Square(), rows(*files), tmp_path / "whole.jsonl"))
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "r.jsonl").write_text("".join(lines[:4]) + lines[4][:cut])  # the header, three records, a piece
    RAN.clear()
    heard = []
    found = run_task(
        Square(), rows(*files), tmp_path / "r.jsonl", resume=True, progress=lambda i, n: heard.append((i, n))
    )
    assert files[3:] == RAN
    assert list(found) == whole
    assert heard == [(4, 6), (5, 6), (6, 6)]
    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        json.loads(line)


def test_what_ctrl_c_left_is_kept(tmp_path):
    file = tmp_path / "r.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_task(Square(kills="2"), rows("0", "1", "2", "3"), file)
    assert [r["square"] for r in read_records(file)] == [0, 1]
    RAN.clear()
    found = run_task(Square(), rows("0", "1", "2", "3"), file, resume=True)
    assert RAN == ["2", "3"]
    assert [r["square"] for r in found] == [0, 1, 4, 9]


def test_a_finished_run_is_neither_run_again_nor_written_over(tmp_path):
    for resume, ran in ((False, 2), (True, 0)):
        RAN.clear()
        assert len(list(run_task(Square(), rows("1", "2"), tmp_path / "r.jsonl", resume=resume))) == 2
        assert len(RAN) == ran
    before = (tmp_path / "r.jsonl").read_text()
    with pytest.raises(UserError, match="holds the records of an earlier run; pass --resume"):
        run_task(Square(), rows("1", "2"), tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_text() == before


def test_what_failed_is_tried_again(tmp_path):
    run_task(Square(broken=("2",)), rows("1", "2", "3"), tmp_path / "r.jsonl")
    RAN.clear()
    found = list(run_task(Square(), rows("1", "2", "3"), tmp_path / "r.jsonl", resume=True))
    assert RAN == ["2"]
    assert [r.get("square") for r in found] == [1, 4, 9]
    assert not any("failed" in r for r in found)


def test_records_of_another_task_or_other_rows_are_not_reused(tmp_path):
    file = tmp_path / "r.jsonl"
    run_task(Square(), rows("1", "2", a=[0, 1]), file)
    before = file.read_text()
    with pytest.raises(UserError, match="another task"):
        run_task(Square(1), rows("1", "2", a=[0, 1]), file, resume=True)
    with pytest.raises(UserError, match="other pictures or labels"):
        run_task(Square(), rows("1", "2", a=[0, 0]), file, resume=True)
    assert file.read_text() == before  # hours of somebody's work
    with pytest.raises(UserError, match="holds the records of an earlier run"):
        run_task(Square(1), rows("3"), file)
    assert file.read_text() == before


@pytest.mark.parametrize("left", ["", '{"task": "squ'])
def test_nothing_but_half_a_header_is_nothing(tmp_path, left):
    (tmp_path / "r.jsonl").write_text(left)
    assert [r["square"] for r in run_task(Square(), rows("1"), tmp_path / "r.jsonl", resume=True)] == [1]


@pytest.mark.parametrize("other", [b"file,Male\n1.png,0\n", b"\xff\xfe\x00\n", b"[1]\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path, other):
    (tmp_path / "r.jsonl").write_bytes(other)
    with pytest.raises(UserError, match=r"r\.jsonl holds the records of another task"):
        run_task(Square(), rows("1"), tmp_path / "r.jsonl", resume=True)
    if other.count(b"\n") > 1:
        with pytest.raises(UserError, match=r"r\.jsonl holds the records of an earlier run"):
            run_task(Square(), rows("1"), tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_bytes() == other


def test_unknown_engines(tmp_path):
    with pytest.raises(UserError, match="no engine 'spark'; choose one of local, ray"):
        run_task(Square(), rows("1"), tmp_path / "r.jsonl", engine="spark")
    with pytest.raises(UserError, match="--engine ray"):
        run_task(Square(), rows("1"), tmp_path / "r.jsonl", address="head:6379")
    assert not (tmp_path / "r.jsonl").exists()


def test_other_weights_are_another_digest(tmp_path):
    (tmp_path / "w").write_bytes(b"one")
    part = [{"file": "w", "targets": ["a"]}, {}]
    one = weights_digest(tmp_path, part)
    assert one == weights_digest(tmp_path, part)
    assert one != weights_digest(tmp_path, [{"file": "w", "targets": ["b"]}, {}])
    (tmp_path / "w").write_bytes(b"two")
    assert one != weights_digest(tmp_path, part)


def test_a_record_is_json_only(tmp_path):
    """Numpy's numbers do not become text by accident: a task has to give Python's."""

    class Bad(Square):
        def __call__(self, row):
            return {"value": np.float32(1)}

    with pytest.raises(TypeError):
        run_task(Bad(), rows("1"), tmp_path / "r.jsonl")
