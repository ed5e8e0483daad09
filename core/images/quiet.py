"""Decoders talk, and what they say quotes the file: a date of birth that is not one, a name that is too long."""

from __future__ import annotations

import logging
import re
import warnings

import pydicom

DECODERS = ("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "PIL")
_MODULES = rf"({'|'.join(DECODERS)})(\.|$)"


def quiet() -> None:
    """Let no decoder log or warn in this process. Called before each reading, as others may have undone it.

    `warnings.catch_warnings` would not do: it saves and restores one list for all threads, so two readings at
    once could leave each other's filters behind, or none.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in DECODERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Only when another filter came in front: putting it there again takes it out for a moment.
    if not warnings.filters or warnings.filters[0][3] != re.compile(_MODULES):
        warnings.filterwarnings("ignore", module=_MODULES)
