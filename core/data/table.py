"""Labelled images: a folder and a CSV in, one table out.

The CSV has a `file` column, one column a label (0, 1 or blank), and, where it is known, `split`
(train, val or test) and a grouping column (patient or identity) that the split respects.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from core.errors import UserError

SPLITS = ("train", "val", "test")
ALL = "all"


@dataclass(frozen=True)
class LabelledTable:
    """Rows of a labelled image set. `columns` holds the CSV as text; `label` turns a column into numbers."""

    folder: Path
    files: tuple[str, ...]
    columns: dict[str, tuple[str, ...]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.files)

    def label(self, name: str) -> np.ndarray:
        """[N] float32 with 0, 1 and NaN where the label is not known. `sex` and `view` read M and PA as 1.

        The column's name is matched without regard to case.
        """
        return label_numbers(name, self.columns[self.column(name)])

    def column(self, name: str) -> str:
        """The name of a column as the file spells it. Raises UserError when there is none."""
        found = name if name in self.columns else next((c for c in self.columns if c.lower() == name.lower()), None)
        if found is None:
            known = ", ".join(sorted(self.columns))
            raise UserError(f"The label file has no column '{name}'; it has: {known}.")
        return found

    def where(self, keep: np.ndarray) -> LabelledTable:
        """The rows for which `keep` ([N] bool, or row numbers) holds."""
        rows = np.flatnonzero(keep) if keep.dtype == bool else keep
        return LabelledTable(
            self.folder,
            tuple(self.files[i] for i in rows),
            {name: tuple(column[i] for i in rows) for name, column in self.columns.items()},
        )

    def query(self, expression: str) -> LabelledTable:
        """The rows an expression keeps: `column=value[,value]`, conditions joined by `&`, alternatives by `|`.

        `Smiling=1&Male=1|Smiling=0&Male=0` keeps smiling men and unsmiling women. Raises UserError for a column that
        is not there or a condition without a value.
        """
        kept = np.zeros(len(self), dtype=bool)
        for alternative in expression.split("|"):
            rows = np.ones(len(self), dtype=bool)
            for condition in alternative.split("&"):
                column, _, values = (part.strip() for part in condition.partition("="))
                if column not in self.columns or not values:
                    raise UserError(f"--where takes column=value with a column of the label file, not '{expression}'.")
                rows &= np.isin(np.array(self.columns[column]), [v.strip() for v in values.split(",")])
            kept |= rows
        return self.where(kept)

    def by_value(self, name: str, least: int = 8) -> tuple[LabelledTable, tuple[str, ...]]:
        """(the `train` rows of the values of a column that are there `least` times or more, with a 0/1 column for each
        of them and one row of each in `val`; the names of these columns). What a recogniser of persons learns from: no
        person is in two splits of this table's own.

        Raises UserError when fewer than two values are there so often.
        """
        train = self.split("train")
        values = train.columns[train.column(name)]
        rows: dict[str, list[int]] = {}
        for i, value in enumerate(values):
            rows.setdefault(value, []).append(i)
        often = sorted(v for v, found in rows.items() if v and len(found) >= least)
        if len(often) < 2:
            raise UserError(f"Fewer than two values of '{name}' have {least} or more pictures in split 'train'.")
        kept = train.where(np.array(sorted(i for v in often for i in rows[v])))
        first = {train.files[rows[v][0]] for v in often}
        own = kept.columns[train.column(name)]
        columns = {f"{name}={v}": tuple("1" if value == v else "0" for value in own) for v in often}
        split = tuple("val" if file in first else "train" for file in kept.files)
        table = LabelledTable(kept.folder, kept.files, kept.columns | {"split": split} | columns)
        return table, tuple(columns)

    def balanced(self, first: str, second: str, seed: int = 0) -> LabelledTable:
        """As many rows as possible such that the four cells of two 0/1 columns are equally large, drawn at random.

        Raises UserError when a cell is empty.
        """
        a, b = self.label(first), self.label(second)
        cells = [np.flatnonzero((a == i) & (b == j)) for i in (0, 1) for j in (0, 1)]
        least = min(len(cell) for cell in cells)
        if not least:
            raise UserError(f"'{first}' and '{second}' cannot be balanced: one of their four combinations has no row.")
        rng = np.random.default_rng(seed)
        return self.where(np.sort(np.concatenate([rng.choice(cell, least, replace=False) for cell in cells])))

    def split(self, name: str) -> LabelledTable:
        """The rows of one split; 'all' takes every row. Without a `split` column, a fixed 80/10/10 split by a hash of
        the group.
        """
        if name == ALL:
            return self
        if name not in SPLITS:
            raise UserError(f"There is no split '{name}'; choose one of {', '.join(SPLITS)} and {ALL}.")
        if "split" in self.columns:
            return self.where(np.array([s == name for s in self.columns["split"]]))
        group = next((c for c in ("patient", "identity", "file") if c in self.columns), "file")
        buckets = [int(hashlib.sha256(g.encode()).hexdigest(), 16) % 10 for g in self.columns[group]]
        names = ["train"] * 8 + ["val", "test"]
        return self.where(np.array([names[b] == name for b in buckets]))

    def describe(self) -> dict[str, object]:
        """What a metrics file says about its data: the number of rows and a digest of names and labels."""
        digest = hashlib.sha256()
        for row in zip(self.files, *self.columns.values(), strict=True):
            digest.update("\t".join(row).encode())
        return {"rows": len(self), "digest": digest.hexdigest()[:16]}


def label_numbers(name: str, column: Sequence[str], file: str = "the label file") -> np.ndarray:
    """[N] float32 of a column's N texts: 0, 1 and NaN where blank; M and PA read as 1, F and AP as 0, -1 (how some
    write "no") as 0. Raises UserError, which calls the column's file as `file` does, for anything else.
    """
    words = {"": np.nan, "M": 1.0, "F": 0.0, "PA": 1.0, "AP": 0.0, "-1": 0.0}
    for text in dict.fromkeys(column):  # each text once: there are few, and a table may have a column a person
        try:
            value = words[text] if text in words else float(text)
        except ValueError:
            value = np.inf
        if value not in (0.0, 1.0) and value == value:
            raise UserError(f"Column '{name}' of {file} is not 0/1: it holds '{text}'.")
        words[text] = value
    return np.array([words[text] for text in column], dtype=np.float32)


def without_file(names: Sequence[str]) -> str:
    """What to say of a CSV whose header, as commas part it, has no column 'file'."""
    if any(mark in name for name in names for mark in ";\t"):
        return "has columns that are not parted by commas; save it as a CSV with commas."
    return "has no column 'file'; add one with the image file names."


def read_table(folder: Path, labels: Path, *, missing_ok: bool = False) -> LabelledTable:
    """Read a CSV of labels beside a folder of images.

    missing_ok: keep rows whose picture is not there, if there are others; whoever reads it then says so. Raises
    UserError when the CSV is missing, empty or has no `file` column, and when it names files that are not there.
    """
    if not labels.is_file():
        raise UserError(f"There is no label file at {labels}; pass one with --labels.")
    try:
        with labels.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            names = [n for n in reader.fieldnames or [] if n]
            # Column by column: a dictionary for each row of a large cohort takes more than its pictures do.
            found: dict[str, list[str]] = {n: [] for n in names}
            for row in reader:
                for n, values in found.items():
                    values.append(sys.intern((row[n] or "").strip()))
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{labels} is not a CSV file in UTF-8; save it as one.") from None
    if "file" not in names:
        raise UserError(f"{labels} {without_file(names)}")
    files = found["file"]
    if not files:
        raise UserError(f"{labels} has a header but no rows.")
    if "" in files:
        raise UserError(f"{labels} has a row without a file name, row {files.index('') + 2}.")
    if len(set(files)) < len(files):
        twice = Counter(files).most_common(1)[0][0]
        raise UserError(f"{labels} has more than one row for {twice}, which would count twice; leave one.")
    missing = [name for name in files if not (folder / name).is_file()]
    if missing and (not missing_ok or len(missing) == len(files)):
        raise UserError(
            f"{labels} names {len(missing)} files that are not in {folder}, {missing[0]} first; "
            "pass the folder that holds them with --data."
        )
    columns = {n: tuple(values) for n, values in found.items()}
    return LabelledTable(folder, columns["file"], columns)


def class_numbers(table: LabelledTable, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """([N] class number, [N] bool whether exactly one of the classes' 0/1 columns is 1)."""
    columns = np.stack([np.nan_to_num(table.label(name)) for name in classes], axis=1)
    return columns.argmax(1), columns.sum(1) == 1


def class_index(table: LabelledTable, count: int) -> np.ndarray:
    """[N] int64: the class of each row, from the column `class_index` of a set whose classes have numbers, -1 where it
    is blank. Raises UserError when the column is missing or holds anything but 0 to count - 1.
    """
    wanted = f"a column 'class_index' with the number of each picture's class, 0 to {count - 1}"
    if "class_index" not in table.columns:
        raise UserError(f"The label file has no classes to compare with; add {wanted}.")
    numbers = np.full(len(table), -1, dtype=np.int64)
    for row, text in enumerate(table.columns["class_index"]):
        if text and not (text.isdecimal() and int(text) < count):
            raise UserError(f"'{text}', the class of {table.files[row]}, is not one; the label file takes {wanted}.")
        numbers[row] = int(text or -1)
    return numbers


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """[0, 1] -> 0 to 255, rounded, as pictures are kept."""
    return np.rint(picture * 255.0).astype(np.uint8)


def load_images(
    table: LabelledTable,
    prepare: Callable[[Path], np.ndarray],
    progress: Callable[[int, int], None] | None = None,
    *,
    workers: int = 2,
) -> Iterator[np.ndarray]:
    """[C, H, W] uint8, one a row, each brought through `prepare` (path -> [C, H, W] float32 in [0, 1]).

    Only a few are decoded ahead of the one that is handed out.
    """

    def one(name: str) -> np.ndarray:
        return to_uint8(prepare(table.folder / name))

    names = iter(table.files)
    with ThreadPoolExecutor(workers) as pool:
        ahead = deque(pool.submit(one, name) for name in islice(names, 4 * workers))
        done = 0
        try:
            while ahead:
                image = ahead.popleft().result()
                ahead.extend(pool.submit(one, name) for name in islice(names, 1))
                done += 1
                if progress is not None:
                    progress(done, len(table))
                yield image
        finally:
            for waiting in ahead:
                waiting.cancel()
