"""A grid of trainings to compare: named cells, each of which changes some settings of one and the same training.

A TOML file: an optional `title`, and one table [cells.NAME] a cell with fields of `ExaggeratorTraining` or
`ExaggeratorConfig`. The grids in the folder `grids` go by their name.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from core.networks.critic import OrdinalCritic
from core.networks.exaggerator import HEADS, Band, Exaggerator, ExaggeratorConfig
from core.training.knob_settings import ExaggeratorTraining
from core.training.values import check_side, check_values

SHIPPED = Path(__file__).parent / "grids"
_NETWORK = {f.name: str(f.type) for f in fields(ExaggeratorConfig)}
_TRAINING = {f.name: str(f.type) for f in fields(ExaggeratorTraining)}
_OF_THE_STUDY = ("size", "channels")


@dataclass(frozen=True)
class Cell:
    """One training: its name, which is its folder's as well, and the settings that it changes."""

    name: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """Cells in the order in which they are run."""

    title: str
    cells: tuple[Cell, ...]

    def settings(
        self, shape: ExaggeratorConfig, training: ExaggeratorTraining
    ) -> list[tuple[Cell, ExaggeratorConfig, ExaggeratorTraining]]:
        """Every cell with what it makes of the common settings. Raises UserError as `changed` does."""
        return [(cell, *changed(shape, training, cell.changes, f"cell {cell.name}")) for cell in self.cells]


def read_grid(name: str) -> Grid:
    """A shipped grid by its name, or a TOML file by its path. Raises UserError for one that is not there or that is
    not a grid; the cells' settings are looked at by `changed`.
    """
    path = Path(name)
    if not path.is_file():
        known = sorted(p.stem for p in SHIPPED.glob("*.toml"))
        if name not in known:
            raise UserError(f"There is no grid '{name}'; name a TOML file, or one of: {', '.join(known)}.")
        path = SHIPPED / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise UserError(f"{path} is not a TOML file that can be read ({fault}).") from None
    unknown = content.keys() - {"title", "cells"}
    if unknown:
        raise UserError(f"{path} has '{min(unknown)}', but a grid holds a title and tables [cells.NAME] only.")
    cells = content.get("cells")
    if not isinstance(cells, dict) or not cells or not all(isinstance(c, dict) for c in cells.values()):
        raise UserError(f"{path} has no cells; write a table [cells.NAME] for each training.")
    odd = next((n for n in cells if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", n)), None)
    if odd is not None:
        raise UserError(f"{path} has a cell '{odd}'; a cell's name is its folder's: letters, digits, '.', '_' and '-'.")
    return Grid(str(content.get("title", path.stem)), tuple(Cell(n, c) for n, c in cells.items()))


def changed(
    shape: ExaggeratorConfig, training: ExaggeratorTraining, changes: dict[str, Any], where: str
) -> tuple[ExaggeratorConfig, ExaggeratorTraining]:
    """Both with `changes` made; `where` names them in a complaint. A head brings its `skips` and `continuous` along.

    Raises UserError for a field that is not there, a value of another kind, and a shape that makes no network.
    """
    for name in changes:
        if name in _OF_THE_STUDY:
            raise UserError(f"{where}: '{name}' is the study's and cannot be changed.")
    known = {n: kind for n, kind in (_TRAINING | _NETWORK).items() if n not in _OF_THE_STUDY}
    check_values(changes, known, where)
    network = {n: v for n, v in changes.items() if n in _NETWORK}
    if "bands" in network:
        network["bands"] = tuple(Band(*band) for band in network["bands"])
    if "head" in network:
        if network["head"] not in HEADS:
            raise UserError(f"{where}: there is no head '{network['head']}'; choose one of {', '.join(HEADS)}.")
        network = with_head(network["head"]) | network
    rest: dict[str, Any] = {n: v for n, v in changes.items() if n in _TRAINING}
    rest |= {n: float(v) for n, v in rest.items() if _TRAINING[n] == "float"}  # `gan = 1` in TOML
    shape, training = replace(shape, **network), replace(training, **rest)
    if training.batch < 2:
        raise UserError(f"{where}: a batch has two pictures or more, one half of which f sees through random views.")
    _build(shape, training, where)
    return shape, training


def with_head(head: str) -> dict[str, Any]:
    """The head with what goes with it: the paper's has bins and no skips, ours are continuous and have them."""
    return {"head": head, "skips": head != "paper", "continuous": head != "paper"}


def _build(shape: ExaggeratorConfig, training: ExaggeratorTraining, where: str) -> None:
    """Both networks, once, so that a shape that cannot be is a sentence before anything is trained."""
    check_side(shape.size, 2 ** (shape.depth + 1), "A knob")
    x, p = torch.zeros(2, shape.channels, shape.size, shape.size), torch.full((2,), 0.5)
    try:
        with torch.no_grad():
            x = Exaggerator(shape)(x, p, p).x
            OrdinalCritic(shape.channels, training.critic_base, shape.bins, shape.size)(x, torch.zeros(2).long())
    except (RuntimeError, ValueError, IndexError, ArithmeticError) as fault:
        raise UserError(f"{where} makes no network ({fault}).") from None
