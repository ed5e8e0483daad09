"""What tests in a real browser share: which Chromium, how long to wait, and when they are skipped."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT = 60_000  # ms
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


def local(url: str, address: str) -> bool:
    """Whether a request stays in the app."""
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))
