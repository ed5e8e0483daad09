"""One picture at a time through a task: the cohort streams, whatever its size, and a bad file does not end the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, overload

import torch

from core.data.table import LabelledTable
from core.errors import UserError

Row = dict[str, Any]  # index, file, absolute path, and what else the task wants to know of a picture
Record = dict[str, Any]  # a row's index and file, and either what was measured or `failed`, a sentence

ENGINES = ("local", "ray")


class Task(Protocol):
    """What is done with one picture. Must pickle: other processes run it. Raises UserError for a bad picture."""

    @property
    def key(self) -> str:
        """Names the task and its settings; records of another key are not reused."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, as torch names it."""
        ...

    def __call__(self, row: Row) -> Record:
        """Measure one row."""
        ...


class Rows(Sequence[Row]):
    """The rows of a table as tasks take them, made when they are asked for.

    columns: what a row holds besides its index, file and path; each as long as the table.
    """

    def __init__(self, table: LabelledTable, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        self.folder, self.files = table.folder.resolve(), table.files
        self.columns = dict(columns or {})

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, i: int) -> Row: ...
    @overload
    def __getitem__(self, i: slice) -> list[Row]: ...
    def __getitem__(self, i: int | slice) -> Row | list[Row]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        name = self.files[i]
        found = {c: values[i] for c, values in self.columns.items()}
        return {"index": i, "file": name, "path": str(self.folder / name)} | found

    @property
    def digest(self) -> str:
        """Changes when a file name, the folder or a column changes."""
        digest = hashlib.sha256()
        for row in self:
            digest.update(json.dumps(row, sort_keys=True).encode())
        return digest.hexdigest()[:16]


def weights_digest(folder: Path, parts: Iterable[Mapping[str, Any]]) -> str:
    """Of parts of a study.toml and the contents of the files they name: other weights give other records."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True).encode())
        file = folder / part.get("file", "")
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def attempt(task: Task, row: Row) -> Record:
    """The record of one row; a UserError becomes `failed`."""
    try:
        return {"index": row["index"], "file": row["file"]} | task(row)
    except UserError as fault:
        return {"index": row["index"], "file": row["file"], "failed": str(fault)}


def run_task(
    task: Task,
    rows: Rows,
    file: Path,
    *,
    engine: str = "local",
    address: str | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RecordFile:
    """Run a task over rows, appending each record to `file` (JSON lines) as soon as it is there; then give back all
    records, in the order of the rows.

    address: of a Ray cluster; resume: rows that an earlier run of the same task over the same rows measured are not
    run again, those that failed are. Raises UserError for an unknown engine, when resuming from the records of another
    task or of other rows, and when not resuming where there are records already: they may have taken hours.
    """
    if engine not in ENGINES:
        raise UserError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    if address is not None and engine != "ray":
        raise UserError("--address is of a Ray cluster; pass --engine ray with it.")
    file.parent.mkdir(parents=True, exist_ok=True)
    header = {"task": task.key, "rows": rows.digest}
    if not resume and _has_more_than_a_header(file):
        raise UserError(
            f"{file} holds the records of an earlier run; pass --resume to go on with it, or another --out."
        )
    done = _finished(file, header) if resume else None
    if done is None:
        file.write_text(json.dumps(header) + "\n", encoding="utf-8")
    finished = len(done or ())
    left = [i for i in range(len(rows)) if i not in (done or ())]
    with file.open("a", encoding="utf-8") as handle:
        for record in _engine(engine, address)(task, rows, left) if left else ():
            handle.write(json.dumps(record) + "\n")
            handle.flush()
            finished += 1
            if progress is not None:
                progress(finished, len(rows))
    return RecordFile(file)


@dataclass(frozen=True)
class RecordFile:
    """Records in a file of JSON lines, read one by one as often as they are iterated over."""

    file: Path

    def __iter__(self) -> Iterator[Record]:
        return read_records(self.file)


def read_records(file: Path) -> Iterator[Record]:
    """Records of a file in the order of their rows; only their places in the file are held in memory.

    Of a row that was run twice, the later record counts.
    """
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: how many there are changes the last digits, and engines are to give the same numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _has_more_than_a_header(file: Path) -> bool:
    """Whether something follows the first line, records or what else somebody keeps there."""
    if not file.is_file():
        return False
    with file.open("rb") as handle:
        handle.readline()
        return bool(handle.read(1))


def _finished(file: Path, header: dict[str, str]) -> set[int] | None:
    """Indices of the rows that were measured; None when nothing was begun."""
    if not file.is_file():
        return None
    with file.open("rb") as handle:
        first = handle.readline()
    if not first.endswith(b"\n"):
        return None
    try:
        found = json.loads(first)
    except (json.JSONDecodeError, UnicodeDecodeError):
        found = None
    if found != header:
        what = "other pictures or labels" if isinstance(found, dict) and found.get("task") == header["task"] else None
        raise UserError(
            f"{file} holds the records of {what or 'another task or other settings'}; resume with what they were made "
            "with, or begin in another folder."
        )
    _cut_half_line(file)
    return {record["index"] for record in read_records(file) if "failed" not in record}


def _cut_half_line(file: Path) -> None:
    """A killed run may have left one; the next record must start a line."""
    with file.open("rb+") as handle:
        end = at = handle.seek(0, 2)
        while at > 0:
            at -= 1
            handle.seek(at)
            if handle.read(1) == b"\n":
                break
        if at + 1 < end:
            handle.truncate(at + 1)


def _engine(name: str, address: str | None) -> Callable[[Task, Rows, Sequence[int]], Iterable[Record]]:
    if name == "ray":
        from core.evaluation.engine_ray import run_on_ray

        return lambda task, rows, which: run_on_ray(task, (rows[i] for i in which), address)
    return _run_here


def _run_here(task: Task, rows: Rows, which: Sequence[int]) -> Iterator[Record]:
    with one_thread():
        for i in which:
            yield attempt(task, rows[i])
