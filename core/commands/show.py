"""Printing shared by the commands: JSON, and progress with the time left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from core.errors import UserError

if TYPE_CHECKING:
    from core.images.picture import Picture, Prepared
    from core.studies.study import Study


def print_json(value: Any) -> None:
    """A result's numbers on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def prepare_file(study: Study, picture: Picture, path: Path, face: int | None) -> Prepared:
    """The picture as the study sees it. Raises UserError that names the file, and the options that a command has."""
    from core.images.faces import NoFace, SeveralFaces

    try:
        return study.prepare(picture, face=face)
    except NoFace:
        raise UserError(
            f"{path.name}: no face was found in this picture; cut one out, with the whole head, or take another."
        ) from None
    except SeveralFaces as fault:
        count = len(fault.faces)
        choose = str(fault) if count == 1 else f"there are {count} faces in this picture; pass --face 0 to {count - 1}."
        raise UserError(f"{path.name}: {choose}") from None
    except UserError as fault:
        raise UserError(f"{path.name}: {fault}") from None


class Bar:
    """A progress bar on stderr that takes (done, of, numbers); one bar a task name."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._name = ""

    def named(self, name: str, done: int, of: int, numbers: dict[str, float] | None = None) -> None:
        """Progress of a named part of the work."""
        if name != self._name:
            self.close()
            self._name = name
        self(done, of, numbers or {})

    def __call__(self, done: int, of: int, numbers: dict[str, float]) -> None:
        """Progress with numbers beside it; of = 0 while the total is not known."""
        if self._bar is None:
            self._bar = tqdm(desc=self._name or None, file=sys.stderr, dynamic_ncols=True, mininterval=1.0)
        self._bar.total = of or None
        self._bar.n = done
        if numbers and done % 20 == 0:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in numbers.items()}, refresh=False)
        self._bar.update(0)
        if of and done >= of:
            self.close()

    def close(self) -> None:
        """Finish the present bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def choose_device(device: str) -> str:
    """'auto' -> cuda where there is one, else cpu. Raises UserError for a device that is not there."""
    import torch

    there = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if there else "cpu"
    if device == "cpu" or (there and device.split(":")[0] == "cuda"):
        return device
    raise UserError(f"There is no device '{device}' on this machine; pass --device cpu{' or cuda' if there else ''}.")
