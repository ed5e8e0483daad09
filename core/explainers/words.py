"""Numbers for reading."""

from __future__ import annotations


def percent(p: float) -> str:
    """A probability or a share: '93 %' with a no-break space, a decimal where rounding would hide it, and '> 99.9 %'
    or '< 0.1 %' where even that would say that it is certain.
    """
    value = 100 * float(p)
    if 0 < value < 0.05:
        return "<\u00a00.1\u00a0%"
    if 99.95 <= value < 100:
        return ">\u00a099.9\u00a0%"
    return f"{value:.1f}\u00a0%" if 0 < value < 9.95 or 99 < value < 100 else f"{value:.0f}\u00a0%"
