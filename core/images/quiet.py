"""Decoders talk, and what they say quotes the file: a date of birth that is not one, a name that is too long."""

from __future__ import annotations

import logging
import re
import warnings

import pydicom

_DECODERS = re.compile(r"(pydicom|pylibjpeg|openjpeg|libjpeg|PIL)(\.|$)")


def quiet() -> None:
    """Let no decoder log or warn in this process. To be called before each reading.

    Others may put their own filters in front at any time. `warnings.catch_warnings` is not used because it saves
    and restores one list for all threads: two readings at once could leave each other's filters behind.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in ("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if not warnings.filters or warnings.filters[0][3] is not _DECODERS:
        warnings.filters.insert(0, ("ignore", None, Warning, _DECODERS, 0))  # type: ignore[attr-defined]
        warnings._filters_mutated()  # type: ignore[attr-defined]
