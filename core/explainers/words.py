"""Numbers for reading."""

from __future__ import annotations


def percent(p: float) -> str:
    """A probability or a share: '93 %' with a no-break space, and a decimal where rounding would hide it."""
    value = 100 * float(p)
    return f"{value:.1f}\u00a0%" if 0 < value < 9.95 or 99 < value < 100 else f"{value:.0f}\u00a0%"
