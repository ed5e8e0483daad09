"""Audit a cohort: what `contralens audit` runs, picture by picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data.packed import training_image
from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation.confounding import ENDS, MIN_GROUP, compare_flips, confounding_report, explain_ends
from core.evaluation.engine import Record, Row, Rows, run_task, weights_digest
from core.explainers.exaggeration import MODES
from core.images.read import read_picture
from core.studies import open_study
from core.studies.study import Study

MAIN = "main"  # the study's own classifier, beside its variants
# A row's and a record's own keys: no column to group by can be called so.
RESERVED = {"index", "path", "file", "bytes", "attribute", "query", "oracle", *ENDS, *(f"{end}_oracle" for end in ENDS)}
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
        """See `Task.key`. Other weights are another task."""
        main = _study(self.study, MAIN, self.device)
        parts = list(main.settings.get("oracle", []))
        for name in self.classifiers:
            settings = _study(self.study, name, self.device).settings
            parts += [settings["classifier"], *(k for k in settings.get("knob", []) if k["target"] == self.target)]
        return f"{self!r} {weights_digest(main.folder, parts)}"

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
        record: Record = {"attribute": row["attribute"], "by": {c: row[c] for c in self.by}, "explained": {}}
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
    is not in the table, when no picture could be measured, and for what `run_task` refuses.
    """
    check_task(task)
    labels = table.label(task.attribute)
    missing = [c for c in task.by if c not in table.columns]
    if missing:
        raise UserError(f"The label file has no column '{missing[0]}' to group by.")
    known = ~np.isnan(labels)
    if not known.any():
        raise UserError(f"No row of the label file says what '{task.attribute}' is, so nothing could flip.")
    kept = table.where(known)
    columns = {"attribute": labels[known].astype(int).tolist(), **{c: kept.columns[c] for c in task.by}}
    records = run_task(
        task, Rows(kept, columns), out / "records.jsonl", engine=engine, address=address, resume=resume,
        progress=progress,
    )  # fmt: skip
    measured, failed = 0, []
    for record in records:
        if "failed" in record:
            failed.append({"file": record["file"], "why": record["failed"]})
        else:
            measured += 1
    if not measured:
        raise UserError(f"None of the {len(kept)} pictures could be measured; the first said: {failed[0]['why']}")
    report = summarise(task, records, seed=seed)
    report |= {"failed": failed, "rows_without_attribute": int((~known).sum())}
    (out / "audit.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def summarise(task: AuditTask, records: Iterable[Record], *, seed: int = 0) -> dict[str, Any]:
    """The report of finished records, which are iterated over again for each part of it: a file's are never all held.

    Failed ones are left out.
    """

    def of(classifier: str) -> Iterator[Record]:
        for record in records:
            if "failed" not in record:
                yield record["by"] | record["explained"][classifier] | {"attribute": record["attribute"]}

    classifiers = {name: confounding_report(of(name), by=task.by, seed=seed) for name in task.classifiers}
    first, *others = task.classifiers
    study = _study(task.study, MAIN, task.device)
    return {
        "study": study.name, "target": task.target, "attribute": task.attribute,
        "positive": study.positive(task.attribute),
        "mode": task.mode, "n": classifiers[first]["n"], "smallest_group": MIN_GROUP, "seed": seed,
        "classifiers": classifiers,
        "compared": {
            f"{first} against {other}": compare_flips(of(first), of(other), seed=seed) for other in others
        },
    }  # fmt: skip


def check_task(task: AuditTask) -> None:
    """Raises UserError when the study cannot do what the task asks; nothing has been read by then."""
    if task.mode not in MODES:
        raise UserError(f"There is no mode '{task.mode}'; choose one of {', '.join(MODES)}.")
    clash = RESERVED & set(task.by)
    if clash:
        raise UserError(f"Pictures cannot be grouped by a column named '{clash.pop()}'; rename it in the label file.")
    main = _study(task.study, MAIN, task.device)
    main.oracle(task.attribute)
    for name in task.classifiers:
        _study(task.study, name, task.device).exaggerator(task.target)


@lru_cache(maxsize=8)
def _study(study: str, classifier: str, device: str) -> Study:
    return open_study(study if classifier == MAIN else f"{study}:{classifier}", device)
