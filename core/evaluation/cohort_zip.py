"""A cohort as one ZIP file: pictures and a CSV. Read in memory; nothing of it is written anywhere."""

from __future__ import annotations

import csv
import io
import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from core.data.table import label_numbers, without_file
from core.errors import UserError
from core.evaluation.audit import AuditTask, check_task, summarise
from core.evaluation.engine import Record, attempt

MOST_PICTURES = 5000
MOST_TABLE = 10 * 2**20  # bytes of the unpacked CSV
MOST_BYTES = 200 * 2**20  # of one unpacked member: larger than any radiograph, smaller than a bomb
# What zipfile raises for damaged, encrypted and exotic files.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, OSError)


class CohortZip:
    """The rows of the CSV in a ZIP, and the bytes of each row's picture."""

    def __init__(self, data: bytes) -> None:
        """Raises UserError when this is not a ZIP, has no CSV or several, or a CSV without `file` or rows."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGED:
            raise UserError("This is not a ZIP file; pack the pictures and one CSV into one.") from None
        # What a Mac adds beside the files is not part of the cohort.
        infos = [
            i
            for i in self._zip.infolist()
            if not i.is_dir() and not i.filename.startswith("__MACOSX") and not _name(i).name.startswith("._")
        ]
        names = [i.filename for i in infos]
        tables = [n for n in names if n.lower().endswith(".csv")]
        if len(tables) != 1:
            raise UserError(f"The ZIP needs exactly one CSV, it has {len(tables)}.")
        if len(names) - 1 > MOST_PICTURES:
            raise UserError(
                f"The ZIP holds {len(names) - 1} files; the page takes {MOST_PICTURES}. "
                "`contralens audit` takes any number."
            )
        try:
            reader = csv.DictReader(io.StringIO(self._bytes(tables[0], MOST_TABLE).decode("utf-8-sig")))
            rows = islice(reader, MOST_PICTURES + 1)
            self.rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in rows]
        except (UnicodeDecodeError, csv.Error):
            raise UserError(f"{tables[0]} is not a CSV file in UTF-8; save it as one.") from None
        self.columns = tuple(n for n in (reader.fieldnames or ()) if n)
        if "file" not in self.columns:
            raise UserError(f"{tables[0]} {without_file(self.columns)}")
        if not self.rows:
            raise UserError(f"{tables[0]} has a header but no rows.")
        if len(self.rows) > MOST_PICTURES:
            raise UserError(
                f"{tables[0]} has more than the {MOST_PICTURES} rows the page takes. "
                "`contralens audit` takes any number."
            )
        root = _name(self._zip.getinfo(tables[0])).parent
        # Names count from the CSV, or from the root of the ZIP.
        self._at = {_as_written(str(_name(i))): i.filename for i in infos}
        self._at |= {
            _as_written(str(_name(i).relative_to(root))): i.filename for i in infos if _name(i).is_relative_to(root)
        }

    def picture(self, name: str) -> bytes:
        """The bytes of one row's picture. Raises UserError when it is not there or too large."""
        member = self._at.get(_as_written(name))
        if member is None:
            raise UserError(f"{name} is named in the CSV and not in the ZIP.")
        return self._bytes(member)

    def _bytes(self, name: str, most: int | None = None) -> bytes:
        most = most or MOST_BYTES
        if self._zip.getinfo(name).file_size > most:
            raise UserError(f"{name} would unpack to more than {most >> 20} MB.")
        try:
            return self._zip.read(name)
        except _DAMAGED as fault:
            raise UserError(f"{name} cannot be unpacked ({fault}).") from None


def audit_zip(
    task: AuditTask, cohort: CohortZip, column: str, *, seed: int = 0, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """`audit_cohort` over a ZIP: the same report. column: which one holds the attribute, as `label_numbers` reads it.

    Raises UserError for a column that is missing (one to group by included) or not 0/1, and when no picture could be
    measured; whatever `progress` raises ends it.
    """
    check_task(task)
    missing = next((c for c in (column, *task.by) if c not in cohort.columns), None)
    if missing is not None:
        raise UserError(f"The CSV has no column '{missing}'; it has: {', '.join(cohort.columns)}.")
    labels = label_numbers(column, [row[column] for row in cohort.rows], "the CSV")
    known = [(row, int(value)) for row, value in zip(cohort.rows, labels, strict=True) if value == value]
    records: list[Record] = []
    failed = []
    for i, (row, value) in enumerate(known):
        record = _one(task, cohort, row | {"index": i, "attribute": value})
        if "failed" in record:
            failed.append({"file": record["file"], "why": record["failed"]})
        else:
            records.append(record)
        progress(i + 1, len(known))
    if not records:
        why = failed[0]["why"] if failed else f"no row says what '{column}' is"
        raise UserError(f"None of the pictures could be measured: {why}")
    unknown = len(cohort.rows) - len(known)
    return summarise(task, records, seed=seed) | {"failed": failed, "rows_without_attribute": unknown}


def _one(task: AuditTask, cohort: CohortZip, row: dict[str, Any]) -> Record:
    try:
        data = cohort.picture(row["file"])
    except UserError as fault:
        return {"index": row["index"], "file": row["file"], "failed": str(fault)}
    return attempt(task, row | {"bytes": data})


def _name(info: zipfile.ZipInfo) -> PurePosixPath:
    """A member's name. Many programs write UTF-8 without saying so, which zipfile reads as a PC's letters of 1981."""
    if info.flag_bits & 0x800:
        return PurePosixPath(info.filename)
    try:
        return PurePosixPath(info.filename.encode("cp437").decode("utf-8"))
    except UnicodeError:
        return PurePosixPath(info.filename)


def _as_written(name: str) -> str:
    """One spelling of a name: a Mac takes letters and their accents apart, Windows has other slashes."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")
