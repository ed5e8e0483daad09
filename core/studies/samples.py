"""Sample pictures: out of packages the project depends on, or drawn by it; the repository holds no picture files."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.errors import UserError
from core.images.drawn import draw_digit

DRAWN = "drawn"  # in place of a package


@dataclass(frozen=True)
class Sample:
    """A file inside an installed package, or, with package 'drawn', the name of a digit this project draws."""

    name: str
    title: str
    package: str
    path: str
    credit: str


def read_sample(sample: Sample) -> bytes:
    """The sample's bytes. Raises UserError when its package is not installed."""
    if sample.package == DRAWN:
        return draw_digit(sample.path)
    spec = find_spec(sample.package)
    if spec is None or spec.origin is None:
        raise UserError(
            f"The sample '{sample.title}' needs the package {sample.package}: pip install {sample.package}."
        )
    file = Path(spec.origin).parent / sample.path
    if not file.is_file():
        raise UserError(f"The sample '{sample.title}' is not in this version of {sample.package}.")
    return file.read_bytes()
