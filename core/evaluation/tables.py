"""Numbers with intervals, and Markdown tables."""

from __future__ import annotations

from typing import Any


def interval(part: dict[str, Any], digits: int = 3) -> str:
    """'0.899 (0.875 to 0.921)', or '-' where there is no such number."""
    if any(part[k] is None for k in ("value", "low", "high")):
        return "-"
    return f"{part['value']:.{digits}f} ({part['low']:.{digits}f} to {part['high']:.{digits}f})"


def share(part: dict[str, Any]) -> str:
    """'84.3% (80.1% to 88.1%)', or '-' where there is no such number."""
    if any(part[k] is None for k in ("value", "low", "high")):
        return "-"
    return f"{part['value']:.1%} ({part['low']:.1%} to {part['high']:.1%})"


def plain(value: float | None, style: str) -> str:
    """A number without an interval, or '-' where there is none."""
    return "-" if value is None else format(value, style)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
