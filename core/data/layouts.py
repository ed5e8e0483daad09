"""Which published layout a folder has; whatever it is, one table comes out."""

from __future__ import annotations

from pathlib import Path

from core.data.idx import has_idx, idx_table
from core.data.table import LabelledTable, read_table
from core.errors import UserError


def open_table(data: Path, labels: Path | None, *, missing_ok: bool = False) -> LabelledTable:
    """A folder of pictures with a CSV, or MNIST's idx files, which bring their labels with them.

    missing_ok: see `read_table`. Raises UserError when neither is there.
    """
    if labels is not None:
        return read_table(data, labels, missing_ok=missing_ok)
    if has_idx(data):
        return idx_table(data)
    raise UserError(f"{data} holds no idx files, so its labels must come from a CSV: pass one with --labels.")
