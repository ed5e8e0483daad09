"""One picture at a time through a task: the cohort streams, whatever its size, and a bad file does not end the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from core.data.table import LabelledTable
from core.errors import UserError

Row = dict[str, Any]  # index, path, and the label file's columns as text
Record = dict[str, Any]  # a row's index, and either what was measured or `failed`, a sentence

ENGINES = ("local", "ray")


class Task(Protocol):
    """What is done with one picture. Must pickle: other processes run it. Raises UserError for a bad picture."""

    @property
    def key(self) -> str:
        """Names the task and its settings; records of another key are not reused."""
        ...

    def __call__(self, row: Row) -> Record:
        """Measure one row."""
        ...


def rows_of(table: LabelledTable) -> list[Row]:
    """The rows of a table as tasks take them."""
    names = list(table.columns)
    return [
        {"index": i, "path": str(table.folder / name), **{c: table.columns[c][i] for c in names}}
        for i, name in enumerate(table.files)
    ]


def attempt(task: Task, row: Row) -> Record:
    """The record of one row; a UserError becomes `failed`."""
    try:
        return {"index": row["index"], "file": row["file"]} | task(row)
    except UserError as fault:
        return {"index": row["index"], "file": row["file"], "failed": str(fault)}


def run_task(
    task: Task,
    rows: list[Row],
    file: Path,
    *,
    engine: str = "local",
    address: str | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Record]:
    """Run a task over rows, appending each record to `file` (JSON lines) as soon as it is there; then give back all
    records, read from the file one by one, in the order of the rows.

    resume: rows that an earlier run of the same task finished are not run again. Raises UserError for an unknown
    engine.
    """
    if engine not in ENGINES:
        raise UserError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    file.parent.mkdir(parents=True, exist_ok=True)
    done = _finished(file, task.key) if resume else set()
    left = [row for row in rows if row["index"] not in done]
    if not done:
        file.write_text(json.dumps({"task": task.key}) + "\n", encoding="utf-8")
    finished = len(rows) - len(left)
    with file.open("a", encoding="utf-8") as handle:
        for record in _engine(engine, address)(task, left):
            handle.write(json.dumps(record) + "\n")
            handle.flush()
            finished += 1
            if progress is not None:
                progress(finished, len(rows))
    return read_records(file)


def read_records(file: Path) -> Iterator[Record]:
    """Records of a file in the order of their rows; only their places in the file are held in memory."""
    places: dict[int, int] = {}
    with file.open("rb") as handle:
        handle.readline()
        while True:
            at = handle.tell()
            line = handle.readline()
            if not line:
                break
            if line.endswith(b"\n"):  # the last line of a run that was killed may be half written
                places[json.loads(line)["index"]] = at
        for index in sorted(places):
            handle.seek(places[index])
            yield json.loads(handle.readline())


def _finished(file: Path, key: str) -> set[int]:
    if not file.is_file():
        return set()
    with file.open(encoding="utf-8") as handle:
        first = handle.readline()
    try:
        if json.loads(first).get("task") != key:
            return set()
    except (json.JSONDecodeError, AttributeError):
        return set()
    text = file.read_bytes()
    if not text.endswith(b"\n"):  # cut the half line of a killed run, so that the next record starts a line
        file.write_bytes(text[: text.rfind(b"\n") + 1])
    return {record["index"] for record in read_records(file)}


def _engine(name: str, address: str | None) -> Callable[[Task, Iterable[Row]], Iterator[Record]]:
    if name == "ray":
        from core.evaluation.engine_ray import run_on_ray

        return lambda task, rows: run_on_ray(task, rows, address)
    return lambda task, rows: (attempt(task, row) for row in rows)
