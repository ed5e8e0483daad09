"""Memory that was freed stays with the process, where glibc is."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from core.commands import allocator
from core.commands.allocator import keep_freed_memory

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from core.commands.allocator import keep_freed_memory

def faults():
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[7])

if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(2**24)
before = faults()
for _ in range(4):
    np.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")
def test_the_kernel_is_asked_once():
    """128 MB taken four times more: page by page every time, or not at all."""

    def faults(mode: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < 0.1 * faults("default")


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
