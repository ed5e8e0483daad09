"""Small files beside a run: JSON that may not be there, text written at once, and one part of a metrics.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.evaluation.summary import page
from core.studies.description import read_object
from core.studies.study import Study


def read_json(path: Path) -> dict[str, Any]:
    """What is in the file; nothing where there is none, or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_text(path: Path, text: str) -> None:
    """At once or not at all: Ctrl-C leaves no half of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_json(path: Path, value: Any) -> None:
    """As metrics.json is written."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """metrics.json, and measured.md with its tables beside it.

    A file that an earlier version wrote, or a hand, may hold parts of another form: those cost the tables alone.
    """
    write_json(folder / "metrics.json", metrics)
    try:
        text = page(metrics)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        text = f"Parts of metrics.json have another form than this version writes ({fault!r}); measure them again.\n"
    write_text(folder / "measured.md", text)


def record(study: Study, measure: str, target: str, value: dict[str, Any]) -> Path:
    """Put measure -> target -> value into the study's metrics.json, all else in it as it was; returns the file.

    Raises UserError when the file cannot be read or written.
    """
    path = study.folder / "metrics.json"
    whole = read_object(path) or {"study": study.name}
    try:
        metrics = whole if study.variant is None else whole.setdefault("variants", {}).setdefault(study.variant, {})
        metrics.setdefault(measure, {})[target] = value
        write_metrics(study.folder, whole)
    except (OSError, ValueError) as fault:
        raise UserError(f"{path} cannot be read and written ({fault}), so nothing was recorded.") from None
    return path
