"""study.toml: what it must say, checked before anything is loaded."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.classifiers.packaged import PACKAGED, needs
from core.errors import UserError

MODALITIES = ("chest", "face", "photo", "digit")
REQUIRED = {
    "study": ("name", "title", "modality", "summary", "size", "channels"),
    "classifier": ("file", "targets"),
}
IF_THERE = {
    "witness": ("file", "targets"),
    "gate": ("file", "threshold"),
    "oracle": ("target", "file"),
    "knob": ("target", "head", "file"),
    "infill": ("name", "file"),
    "translator": ("choice", "file"),
    "segmenter": ("file",),
    "autoencoder": ("file",),
    "variant": ("name", "title", "file", "targets"),
    "choice": ("name", "title", "file", "classes"),
    "sample": ("name", "title", "package", "path", "credit"),
}


@dataclass(frozen=True)
class StudyInfo:
    """What a list of studies shows, without loading any weights.

    targets: empty where they are all the classes of a packaged network; needs: what to install before the study
    can answer, a sentence, empty when nothing is missing.
    """

    name: str
    title: str
    modality: str
    targets: tuple[str, ...]
    knobs: tuple[str, ...]
    summary: str
    needs: str = ""
    choices: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ()


def read_settings(folder: Path) -> dict[str, Any]:
    """study.toml, checked. Raises UserError that names the file and what it lacks."""
    path = folder / "study.toml"
    if not path.is_file():
        raise UserError(f"There is no study in {folder}: it has no study.toml.")
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as fault:
        raise UserError(f"{path} is not valid TOML: {fault}.") from None
    packaged = "package" in settings.get("classifier", {})
    # A network out of a package, or of a choice, brings its own classes.
    brings = packaged or "choice" in settings.get("classifier", {})
    for table, keys in (REQUIRED | {"classifier": ()} if brings else REQUIRED).items():
        for key in keys:
            if key not in settings.get(table, {}):
                raise UserError(f"{path} lacks '{key}' in [{table}].")
    if packaged:
        _check_package(path, settings["classifier"])
    found = {table: settings.get(table, []) for table in IF_THERE}
    found["variant.knob"] = [knob for variant in found["variant"] for knob in variant.get("knob", [])]
    for table, entries in found.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            for key in IF_THERE[table.rpartition(".")[2]]:
                if key not in entry:
                    raise UserError(f"{path} lacks '{key}' in [{table}].")
    for entry in found["choice"]:
        side = entry.get("size", 64)
        if not isinstance(side, int) or side < 1:
            raise UserError(f"{path}: the size of choice '{entry['name']}' is a number of pixels, not {side!r}.")
    for key in ("size", "channels"):
        value = settings["study"][key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{path}: '{key}' in [study] is a whole number above 0, not {value!r}.")
    threshold = settings.get("gate", {}).get("threshold", 0.5)
    if not isinstance(threshold, int | float):
        raise UserError(f"{path}: 'threshold' in [gate] is a number, not {threshold!r}.")
    if settings["study"]["modality"] not in MODALITIES:
        raise UserError(f"{path}: modality must be one of {', '.join(MODALITIES)}.")
    return settings


def as_variant(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings of the same study with another classifier: a variant's, and the knobs trained against it.

    The independent network, the choices and the reference predictions belong to the main classifier and are left
    out. Raises UserError for an unknown name.
    """
    variants = {v["name"]: v for v in settings.get("variant", [])}
    if name not in variants:
        raise UserError(
            f"{settings['study']['title']} has no classifier '{name}'; it has: {', '.join(variants) or 'only one'}."
        )
    variant = variants[name]
    kept = {k: v for k, v in settings.items() if k not in ("witness", "choice", "translator", "variant")}
    study = settings["study"]
    return kept | {
        "study": study | {"name": f"{study['name']}:{name}", "title": f"{study['title']} ({variant['title']})"},
        "classifier": {"file": variant["file"], "targets": variant["targets"]},
        "knob": variant.get("knob", []),
    }


def _check_package(path: Path, classifier: dict[str, Any]) -> None:
    if "file" in classifier:
        raise UserError(f"{path}: [classifier] takes its network from a file or from a package, not from both.")
    if classifier["package"] not in PACKAGED:
        raise UserError(f"{path}: package must be one of {', '.join(PACKAGED)}.")


def _targets_of(settings: dict[str, Any]) -> tuple[str, ...]:
    named = settings["classifier"].get("choice")
    classes = next((c["classes"] for c in settings.get("choice", []) if c["name"] == named), ())
    return tuple(settings["classifier"].get("targets", classes))


def info_of(settings: dict[str, Any]) -> StudyInfo:
    """A study's line from its settings."""
    study = settings["study"]
    return StudyInfo(
        name=study["name"],
        title=study["title"],
        modality=study["modality"],
        targets=_targets_of(settings),
        knobs=tuple(dict.fromkeys(k["target"] for k in settings.get("knob", []))),
        summary=study["summary"],
        choices=tuple(c["name"] for c in settings.get("choice", [])),
        oracles=tuple(o["target"] for o in settings.get("oracle", [])),
        needs=needs(settings["classifier"]["package"]) if "package" in settings["classifier"] else "",
    )
