"""Where studies are, and which there are."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import UserError
from core.studies.settings import StudyInfo, info_of, read_settings
from core.studies.study import Study


def checkpoint_folder() -> Path:
    """CONTRALENS_CHECKPOINTS, else `checkpoints` of this checkout, else the copy inside the installed package."""
    named = os.environ.get("CONTRALENS_CHECKPOINTS")
    if named:
        return Path(named)
    core = Path(__file__).resolve().parents[1]
    checkout = core.parent / "checkpoints"
    return checkout if checkout.is_dir() else core / "_checkpoints"


def list_studies() -> list[StudyInfo]:
    """Every installed study, by name; a broken one raises UserError that says which file is wrong."""
    folder = checkpoint_folder()
    return [info_of(read_settings(path.parent)) for path in sorted(folder.glob("*/study.toml"))]


def open_study(name: str, device: str = "cpu") -> Study:
    """The study of that name, or in that folder if `name` is a path; `study:variant` is the same study with another of
    its classifiers. Raises UserError when there is none.
    """
    variant = ""
    if ":" in name and not Path(name).exists():  # a path may have a colon in it
        before, _, after = name.rpartition(":")
        name, variant = (name, "") if "/" in after else (before, after)
    if "/" in name or (Path(name) / "study.toml").is_file():
        return Study(Path(name), device, variant or None)
    folder = checkpoint_folder() / name
    if not (folder / "study.toml").is_file():
        known = ", ".join(s.name for s in list_studies()) or "none"
        raise UserError(f"There is no study '{name}'; installed: {known}.")
    return Study(folder, device, variant or None)
