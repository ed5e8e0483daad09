"""DICOM tags, asked for without fear: pydicom converts a value when it is asked for, and a damaged one raises."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset


def tag(dataset: Dataset, name: str) -> Any:
    """The value of a tag, or None when it is absent, empty or so damaged that it cannot be read."""
    try:
        value = dataset.get(name)
        return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value
    except Exception:  # whatever pydicom's converter for that kind of value raises
        return None


def numbers(dataset: Dataset, name: str) -> list[float]:
    """The numbers of a one- or many-valued tag; [] when it is absent or damaged, or one of them is not finite."""
    value = tag(dataset, name)
    if value is None or isinstance(value, bytes):
        return []
    try:
        many = [float(v) for v in ([value] if isinstance(value, (str, int, float)) else value)]
    except Exception:
        return []
    return many if all(math.isfinite(v) for v in many) else []


def number(dataset: Dataset, name: str, otherwise: float) -> float:
    """The first number of a tag."""
    return next(iter(numbers(dataset, name)), otherwise)


def text(dataset: Dataset, name: str) -> str:
    """A tag as one short line in capitals; "" when there is none."""
    value = tag(dataset, name)
    if value is None or isinstance(value, bytes):
        return ""
    try:
        many = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
        return "\\".join(" ".join(str(v).split()) for v in many)[:64].upper()
    except Exception:
        return ""
