"""Numbers for reading."""

from __future__ import annotations

import pytest

from core.explainers.words import percent


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.0006, "0.1 %"),
        (0.004, "0.4 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.93, "93 %"),
        (0.996, "99.6 %"),
        (0.9994, "99.9 %"),
        (0.9996, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_percent_keeps_what_rounding_would_hide(p, text):
    assert percent(p) == text.replace(" ", "\u00a0")
