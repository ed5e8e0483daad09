"""Audit a cohort: what `contralens audit` runs, picture by picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data.packed import training_image
from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation.confounding import MIN_GROUP, compare_flips, confounding_report, explain_ends
from core.evaluation.engine import Record, Row, rows_of, run_task
from core.images.read import read_picture
from core.studies import open_study
from core.studies.study import Study

MAIN = "main"  # the study's own classifier, beside its variants
Progress = Callable[[int, int], None] | None


@dataclass(frozen=True)
class AuditTask:
    """Both exaggerations of one picture, by every classifier, with the oracle's answers.

    study: name or folder; classifiers: names of variants, or 'main'; aligned: pictures already have the training
    frame (faces as CelebA crops them), so nothing is detected in them.
    """

    study: str
    target: str
    attribute: str
    classifiers: tuple[str, ...] = (MAIN,)
    by: tuple[str, ...] = ()
    mode: str = "calibrated"
    aligned: bool = False
    device: str = "cpu"

    @property
    def key(self) -> str:
        """See `Task.key`."""
        return repr(self)

    def __call__(self, row: Row) -> Record:
        """Raises UserError for a picture that cannot be read or framed."""
        main = _study(self.study, MAIN, self.device)
        source = row["bytes"] if "bytes" in row else Path(row["path"])
        if self.aligned:
            pixels = training_image(source, main.modality, main.size)
        else:
            pixels = main.prepare(read_picture(source)).tensor
        # Rounded as the training pictures are, so that both ways of reading give the same numbers.
        x = torch.from_numpy(np.rint(pixels * 255) / 255).float()[None].to(main.device)
        oracle = main.oracle(self.attribute)
        record: Record = {"attribute": row["attribute"], **{c: row[c] for c in self.by}, "explained": {}}
        for name in self.classifiers:
            study = _study(self.study, name, self.device)
            record["explained"][name] = explain_ends(
                study.exaggerator(self.target), study.blackbox(self.target), oracle, x, self.mode
            )
        return record


def audit_cohort(
    task: AuditTask,
    table: LabelledTable,
    out: Path,
    *,
    engine: str = "local",
    address: str | None = None,
    resume: bool = False,
    seed: int = 0,
    progress: Progress = None,
) -> dict[str, Any]:
    """Run the task over a table whose attribute column is 0/1, and report: group sizes, each classifier's flip rates
    and their comparisons, the oracle's own errors, failed files. Writes out/records.jsonl and out/audit.json.

    Raises UserError when the study lacks the oracle, a knob or a classifier, when the attribute or a column of `by`
    is not in the table, and when no picture could be measured.
    """
    check_task(task)
    labels = table.label(task.attribute)
    missing = [c for c in task.by if c not in table.columns]
    if missing:
        raise UserError(f"The label file has no column '{missing[0]}' to group by.")
    known = ~np.isnan(labels)
    if not known.any():
        raise UserError(f"No row of the label file says what '{task.attribute}' is, so nothing could flip.")
    rows = rows_of(table.where(known))
    for row, value in zip(rows, labels[known], strict=True):
        row["attribute"] = int(value)
    records, failed = [], []
    for record in run_task(
        task, rows, out / "records.jsonl", engine=engine, address=address, resume=resume, progress=progress
    ):
        if "failed" in record:
            failed.append({"file": record["file"], "why": record["failed"]})
        else:
            records.append(record)
    if not records:
        raise UserError(f"None of the {len(rows)} pictures could be measured; the first said: {failed[0]['why']}")
    report = summarise(task, records, seed=seed)
    report |= {"failed": failed, "rows_without_attribute": int((~known).sum())}
    (out / "audit.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def summarise(task: AuditTask, records: list[Record], *, seed: int = 0) -> dict[str, Any]:
    """The report of finished records."""
    by_classifier = {
        name: [r["explained"][name] | {k: r[k] for k in ("attribute", *task.by)} for r in records]
        for name in task.classifiers
    }
    classifiers = {name: confounding_report(rows, by=task.by, seed=seed) for name, rows in by_classifier.items()}
    first, *others = task.classifiers
    return {
        "study": task.study, "target": task.target, "attribute": task.attribute, "mode": task.mode,
        "n": len(records), "smallest_group": MIN_GROUP, "seed": seed, "classifiers": classifiers,
        "compared": {
            f"{first} against {other}": compare_flips(by_classifier[first], by_classifier[other], seed=seed)
            for other in others
        },
    }  # fmt: skip


def check_task(task: AuditTask) -> None:
    """Raises UserError when the study cannot do what the task asks; nothing has been read by then."""
    main = _study(task.study, MAIN, task.device)
    main.oracle(task.attribute)
    for name in task.classifiers:
        _study(task.study, name, task.device).exaggerator(task.target)


@lru_cache(maxsize=8)
def _study(study: str, classifier: str, device: str) -> Study:
    return open_study(study if classifier == MAIN else f"{study}:{classifier}", device)
