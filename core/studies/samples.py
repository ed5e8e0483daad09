"""Sample pictures that come with packages the project depends on; the repository holds none of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.errors import UserError


@dataclass(frozen=True)
class Sample:
    """A file inside an installed package."""

    name: str
    title: str
    package: str
    path: str
    credit: str


def read_sample(sample: Sample) -> bytes:
    """The sample's bytes. Raises UserError when its package is not installed."""
    spec = find_spec(sample.package)
    if spec is None or spec.origin is None:
        raise UserError(
            f"The sample '{sample.title}' needs the package {sample.package}: pip install {sample.package}."
        )
    file = Path(spec.origin).parent / sample.path
    if not file.is_file():
        raise UserError(f"The sample '{sample.title}' is not in this version of {sample.package}.")
    return file.read_bytes()
