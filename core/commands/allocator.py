"""How this process asks the system for memory."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let glibc's malloc, out of which PyTorch takes its tensors on a CPU, keep what was freed. True where it listens.

    By default a large tensor is mapped anew each time, and the kernel has to find and clear its pages one fault after
    the other: for the gradients of a hundred pictures of 128 pixels that is longer than computing them. The price is
    that the process stays as large as it once was, which suits commands and not the dashboard, whose batches are small.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not Linux, or musl
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
