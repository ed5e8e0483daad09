"""What a study says of itself, read from its folder: nothing here loads a network.

`checkpoints/<study>/study.toml` names the files; `metrics.json`, `references.json` and `card.md` are beside it.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from core.baselines.baseline import NAMES as BASELINES
from core.classifiers.packaged import packaged_classes
from core.errors import UserError
from core.infills.infill import LEARNED, NAMES
from core.studies.lines import classifier_line, exaggerator_line, label
from core.studies.samples import Sample, read_sample
from core.studies.settings import StudyInfo, as_variant, info_of, read_settings


class Description:
    """Names, files, choices, samples and measured figures of one study, or of one variant of it."""

    def __init__(self, folder: Path, variant: str | None = None) -> None:
        """variant: the same study with another of its classifiers. Raises UserError when the folder's study.toml is
        missing or incomplete, and for an unknown variant.
        """
        self.folder, self.variant = folder, variant
        self.settings = read_settings(folder)
        self.variants: dict[str, str] = {v["name"]: v["title"] for v in self.settings.get("variant", [])}
        if variant is not None:
            self.settings = as_variant(self.settings, variant)
        study = self.settings["study"]
        self.name: str = study["name"]
        self.title: str = study["title"]
        self.modality: str = study["modality"]
        self.summary: str = study["summary"]
        self.size: int = study["size"]
        self.channels: int = study["channels"]

    @property
    def info(self) -> StudyInfo:
        """The study in a line."""
        return info_of(self.settings)

    @property
    def targets(self) -> tuple[str, ...]:
        """What the classifier answers."""
        settings = self.settings["classifier"]
        if "choice" in settings:
            return self.classes(settings["choice"])
        return tuple(settings["targets"]) if "targets" in settings else packaged_classes(settings["package"])

    @property
    def one_of_many(self) -> bool:
        """Whether the targets are classes of which a picture has one, with probabilities that sum to 1."""
        return bool({"package", "choice"} & set(self.settings["classifier"]))

    @property
    def package(self) -> str:
        """The package the network comes out of; empty where it is the study's own."""
        return str(self.settings["classifier"].get("package", ""))

    @property
    def choices(self) -> tuple[str, ...]:
        """Questions with several classes of which a picture has exactly one, for one-against-one explanations."""
        return tuple(c["name"] for c in self.settings.get("choice", []))

    def classes(self, choice: str) -> tuple[str, ...]:
        """The classes of one choice, in the order of its network's outputs."""
        return tuple(self._choice(choice)["classes"])

    def choice_size(self, name: str) -> int:
        """The side of the pictures one choice's network and translator see; the study's where nothing else is said."""
        return int(self._choice(name).get("size", self.size))

    def _choice(self, name: str) -> dict[str, Any]:
        for entry in self.settings.get("choice", []):
            if entry["name"] == name:
                return entry
        raise UserError(f"{self.title} has no choice '{name}'; it has: {', '.join(self.choices) or 'none'}.")

    @property
    def knobs(self) -> tuple[str, ...]:
        """The targets that have a trained exaggerator."""
        return tuple(dict.fromkeys(k["target"] for k in self.settings.get("knob", [])))

    @property
    def oracles(self) -> tuple[str, ...]:
        """Attributes that separate classifiers read, for the bias checks."""
        return tuple(o["target"] for o in self.settings.get("oracle", []))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Pictures that come with the installation."""
        return tuple(Sample(**s) for s in self.settings.get("sample", []))

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        path = self.folder / "card.md"
        return path.read_text(encoding="utf-8") if path.is_file() else f"*{self.title} has no model card.*"

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What `contralens evaluate` measured for this study, or this variant of it; empty when it has not run."""
        found = read_object(self.folder / "metrics.json")
        return found if self.variant is None else found.get("variants", {}).get(self.variant, {})

    def headline(self, target: str) -> str:
        """One line of measured quality for a target, or that there is none."""
        return classifier_line(self.metrics, target)

    def knob_line(self, target: str, head: str | None = None, mode: str = "calibrated") -> str:
        """One line of what was measured about a knob, by default of its first head, or that nothing was."""
        return exaggerator_line(self.metrics, target, head or next(iter(self.heads(target)), None), mode)

    @property
    def references(self) -> dict[str, dict[str, float]]:
        """Reference predictions of the sample pictures: sample -> target -> probability."""
        return {} if self.variant is not None else read_object(self.folder / "references.json")

    def sample(self, name: str) -> bytes:
        """The bytes of a sample picture. Raises UserError for an unknown name."""
        for sample in self.samples:
            if sample.name == name:
                return read_sample(sample)
        raise UserError(f"There is no sample '{name}'; there is: {', '.join(s.name for s in self.samples)}.")

    def positive(self, attribute: str) -> str:
        """What an oracle's 1 means, in a word: 'male', 'PA'."""
        for oracle in self.settings.get("oracle", []):
            if oracle["target"] == attribute:
                return oracle.get("positive", label(attribute))
        return label(attribute)

    def heads(self, target: str) -> tuple[str, ...]:
        """The output heads there are checkpoints for; the first is the one that is shown by default."""
        return tuple(k["head"] for k in self.settings.get("knob", []) if k["target"] == target)

    @property
    def infills(self) -> tuple[str, ...]:
        """The ways this study can fill a hole: four that need no training, and those it has checkpoints for."""
        trained = {i["name"] for i in self.settings.get("infill", [])}
        return tuple(n for n in NAMES if n not in LEARNED or n in trained)

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baselines that can be had here; the training distribution and its nearest sample need `references`."""
        without = () if references_file(self.folder).is_file() else ("mdts", "expected", "mean")
        trained = {t["choice"] for t in self.settings.get("translator", [])} >= set(self.choices)
        return tuple(n for n in BASELINES if n not in without and (n != "ganmex" or trained))

    @property
    def outlines(self) -> bool:
        """Whether organs can be outlined."""
        return "segmenter" in self.settings


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, such as metrics.json; nothing where there is no file. Raises UserError for anything else."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}); measure again into another folder, or delete it.") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged (no JSON object); measure again into another folder, or delete it.")
    return found


def references_file(folder: Path) -> Path:
    """Where a study keeps training pictures of its user's own; never part of a release."""
    return folder / "references.npz"
