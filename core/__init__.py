"""Contralens: what, had it been different in this picture, would have changed the classifier's answer?

from core import open_study, read_picture
study = open_study("chest-xray")
sweep = study.explain("exaggeration", read_picture("chest.dcm"), target="Cardiomegaly")
"""

from __future__ import annotations

from typing import Any

__all__ = ["open_study", "read_picture"]


def __getattr__(name: str) -> Any:
    # Torch takes a second to import; whoever wants only one room of the house does not pay for all of them.
    if name == "open_study":
        from core.studies import open_study

        return open_study
    if name == "read_picture":
        from core.images.read import read_picture

        return read_picture
    raise AttributeError(f"module 'core' has no attribute {name!r}")
