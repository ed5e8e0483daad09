"""Options that several commands share: declared once, as a dataclass, and added to each command's own."""

from __future__ import annotations

import functools
import inspect
import json
import math
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from core.errors import UserError

Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32, help="Seed of everything random.")]
StudyName = Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")]
Data = Annotated[Path, typer.Option(help="Folder of pictures.")]
Labels = Annotated[
    Path | None,
    typer.Option(help="CSV with a `file` column, one column a label, and `split` if known; not for MNIST's idx files."),
]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to torch.")]


def above_zero(value: float | None) -> float | None:
    """A callback: a finite number above 0, or none."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a number above 0.")
    return value


def from_zero(value: float | None) -> float | None:
    """A callback: a finite number, 0 or more, or none."""
    if value is not None and not 0 <= value < math.inf:
        raise typer.BadParameter(f"{value} is not a number, 0 or more.")
    return value


def a_folder(path: Path | None) -> Path | None:
    """A callback of --out, before any work: a place that is a folder, or where one can be made."""
    taken = None if path is None else next((p for p in (path, *path.parents) if p.exists()), None)
    if taken is not None and not taken.is_dir():
        raise UserError(f"--out takes a folder; {taken} is a file.")
    return path


def json_object(text: str, option: str) -> dict[str, Any]:
    """What an option holds. Raises UserError for anything but a JSON object."""
    try:
        found = json.loads(text)
    except ValueError as fault:
        raise UserError(f"{option} is not a JSON object of settings ({fault}).") from None
    if not isinstance(found, dict):
        raise UserError(f"{option} is not a JSON object of settings.")
    return found


def end(stop: str, how: str = "the same command with --resume goes on") -> None:
    """After Ctrl-C, say how to go on and end as shells expect; `stop` as in `Outcome`."""
    if stop == "interrupted":
        print(f"interrupted; {how}", file=sys.stderr)
        raise typer.Exit(130)


_KEYWORD, _NONE = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty


def with_options(
    shape: type[Any], *, omit: tuple[str, ...] = (), **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command whose first parameter is a `shape`, a dataclass of annotated options, those options too.

    omit: fields that the command does not take; defaults: other defaults than the dataclass's.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]
        shared = [
            inspect.Parameter(
                f.name, _KEYWORD, default=defaults.get(f.name, _NONE if f.default is MISSING else f.default)
            )
            for f in fields(shape)
            if f.name not in omit
        ]
        needed = [p for p in shared if p.default is _NONE]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(shape(**{p.name: given.pop(p.name) for p in shared}), **given)

        hints = get_type_hints(shape, include_extras=True) | get_type_hints(command, include_extras=True)
        ordered = sorted([*needed, *own, *(p for p in shared if p not in needed)], key=lambda p: p.default is not _NONE)
        # typer reads the options off the signature and the annotations; it would follow __wrapped__ to the command's.
        del run.__wrapped__
        run.__annotations__ = {p.name: hints[p.name] for p in ordered} | {"return": None}
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=_KEYWORD, annotation=hints[p.name]) for p in ordered]
        )
        return run

    return decorate
