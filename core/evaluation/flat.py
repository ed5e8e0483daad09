"""A metrics.json flattened: every number in one table, and its parts by what they hold."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from core.evaluation.plot import Line, line_chart


def numbers(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Every measured number of a metrics.json as a row: what, measure, value, low, high (95 % interval), n.

    A number is a dict with `value`, `low` and `high`; `n` is taken from the dict around it.
    """
    rows: list[dict[str, Any]] = []

    def walk(node: dict[str, Any], path: tuple[str, ...]) -> None:
        for name, value in node.items():
            if isinstance(value, dict) and "value" in value:
                interval = {k: value.get(k) for k in ("value", "low", "high")}
                rows.append({"of": " / ".join(path), "measure": name, **interval, "n": node.get("n")})
            elif isinstance(value, dict):
                walk(value, (*path, name))

    walk(metrics, ())
    return rows


def parts_with(metrics: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """The dicts anywhere in a metrics.json that have a field of this name, by their place in it."""
    found: dict[str, dict[str, Any]] = {}

    def walk(node: dict[str, Any], path: tuple[str, ...]) -> None:
        if name in node:
            found[" / ".join(path)] = node
        for key, value in node.items():
            if isinstance(value, dict):
                walk(value, (*path, key))

    walk(metrics, ())
    return found


def write_report(metrics: dict[str, Any], folder: Path) -> None:
    """numbers.csv with every number and its interval, and a chart of asked for against achieved for every knob."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "numbers.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["of", "measure", "value", "low", "high", "n"])
        writer.writeheader()
        writer.writerows(numbers(metrics))
    for target, heads in metrics.get("knobs", {}).items():
        lines = [
            Line(f"{head}, {mode}", part["requests"], part["curve"])
            for head, found in heads.items()
            if isinstance(found, dict)
            for mode, part in found.items()
            if isinstance(part, dict) and "requests" in part and "curve" in part
        ]
        if lines:
            line_chart(
                f"{target}: asked for against achieved", lines, folder / f"response-{target.lower()}.png",
                x_axis="asked for", y_axis="achieved, mean",
            )  # fmt: skip
