"""A study: a classifier, the data it knows, and the explainers trained for it, read from one folder.

Weights are loaded when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from core.baselines.baseline import NAMES as BASELINES
from core.baselines.baseline import Baseline
from core.classifiers.blackbox import BlackBox, Classifier
from core.classifiers.gate import GateResult, check
from core.classifiers.multiclass import MultiClass
from core.classifiers.packaged import load_packaged
from core.classifiers.store import load_choice, load_classifier
from core.errors import UserError
from core.explainers.registry import Progress, find_explainer
from core.images.digits import prepare_digit
from core.images.picture import Picture, Prepared
from core.images.prepare import prepare_chest, prepare_face, prepare_photo
from core.infills.infill import NAMES, Infill
from core.networks.autoencoder import Autoencoder
from core.networks.exaggerator import Exaggerator
from core.networks.store import load_autoencoder, load_exaggerator, load_segmenter
from core.networks.unet import UNet
from core.studies.description import Description
from core.studies.supply import make_baseline, make_infill

T = TypeVar("T")
LIKELIEST = 5  # of many classes are answered


class Study(Description):
    """Everything one needs to ask about one kind of picture. Safe to share between threads once loaded."""

    def __init__(self, folder: Path, device: str = "cpu", variant: str | None = None) -> None:
        """variant: the same study with another of its classifiers. Raises UserError when the folder's study.toml is
        missing or incomplete, and for an unknown variant.
        """
        super().__init__(folder, variant)
        self.device = torch.device(device)
        self._loaded: dict[str, Any] = {}

    def choice(self, name: str) -> MultiClass:
        """The network of one choice. Raises UserError when the study has none of that name."""
        entry = self._choice(name)
        path = self.folder / entry["file"]
        return self._once(f"choice {name}", lambda: load_choice(path, str(self.device)))

    def seen_by(self, choice: str, prepared: Prepared) -> Prepared:
        """A picture at the size of one choice's network."""
        return prepared.at(self.choice_size(choice))

    def prepare(
        self,
        picture: Picture,
        *,
        face: int | None = None,
        crop: tuple[float, float, float] | None = None,
        full: bool = False,
    ) -> Prepared:
        """The picture as this study's networks see it. face, crop: for faces, see `prepare_face`; full: keep the
        view at the upload's own resolution, however large, as `full_picture` wants it.
        """
        limit = {"max_view": 8192} if full else {}
        if self.modality == "face":
            return prepare_face(picture, self.size, face=face, crop=crop, **limit)
        if self.modality == "photo":
            return prepare_photo(picture, self.size, **limit)
        if self.modality == "digit":
            return prepare_digit(picture, self.size)
        return prepare_chest(picture, self.size, **limit)

    @property
    def classifier(self) -> Classifier:
        """The black box with all its binary targets. Raises UserError where there are many classes instead."""
        if self.one_of_many:
            raise UserError(f"{self.title} has one network for many classes; this works on binary targets only.")
        return self._classifier(self.settings["classifier"]["file"])

    @property
    def network(self) -> Classifier | MultiClass:
        """What answers, be it binary targets or many classes. Raises UserError when its package is missing and when
        study.toml names a class that it does not have.
        """
        if not self.one_of_many:
            return self.classifier
        if "choice" in self.settings["classifier"]:
            return self.choice(self.settings["classifier"]["choice"])

        def load() -> MultiClass:
            network = load_packaged(self.package, self.device)
            for target in self.settings["classifier"].get("targets", ()):
                network.target(target)  # raises for a class that is not there
            return network

        return self._once(f"package {self.package}", load)

    def blackbox(self, target: str) -> BlackBox:
        """The classifier's answer to one binary question."""
        return self.network.target(target)

    def witness(self, target: str) -> BlackBox | None:
        """An independent network for the same question, never used in training; None when there is none."""
        settings = self.settings.get("witness")
        if settings is None or target not in settings["targets"]:
            return None
        return self._classifier(settings["file"]).target(target)

    def features(self) -> Classifier | None:
        """The independent network, whose features compare sets of pictures; None when there is none."""
        settings = self.settings.get("witness")
        return self._classifier(settings["file"]) if settings else None

    def oracle(self, target: str) -> BlackBox:
        """The separate classifier of one confounding attribute."""
        for oracle in self.settings.get("oracle", []):
            if oracle["target"] == target:
                return self._classifier(oracle["file"]).target(target)
        raise UserError(f"{self.title} has no oracle for '{target}'; it has: {', '.join(self.oracles) or 'none'}.")

    def exaggerator(self, target: str, head: str | None = None) -> Exaggerator:
        """The network behind the knob for one target, with the study's first head or the one asked for."""
        for knob in self.settings.get("knob", []):
            if knob["target"] == target and head in (None, knob["head"]):
                return self._once(knob["file"], partial(load_exaggerator, self.folder / knob["file"], self.device))
        if head is not None and self.heads(target):
            raise UserError(f"There is no '{head}' head for '{target}'; there is: {', '.join(self.heads(target))}.")
        known = f"{self.title} has no trained knob for '{target}'; it has: {', '.join(self.knobs) or 'none'}."
        if target not in self.targets:
            raise UserError(known)
        raise UserError(f"{known} Train one with: contralens train exaggerator --study {self.name} --target {target}")

    def infill(self, name: str) -> Infill:
        """One way to fill a hole. Raises UserError for an unknown name or one that was not trained here."""
        if name not in NAMES:
            raise UserError(f"There is no infill '{name}'; choose one of {', '.join(NAMES)}.")
        return self._once(f"infill {name}", lambda: make_infill(self, name))

    def baseline(self, name: str, choice: str) -> Baseline:
        """What pictures are compared with. Raises UserError for an unknown name or what is not there."""
        if name not in BASELINES:
            raise UserError(f"There is no baseline '{name}'; choose one of {', '.join(BASELINES)}.")
        return self._once(f"baseline {name} {choice}", lambda: make_baseline(self, name, choice))

    def segmenter(self) -> UNet:
        """The network that outlines organs. Raises UserError when the study has none."""
        if "segmenter" not in self.settings:
            raise UserError(
                f"{self.title} has no segmenter. Train one with: contralens train segmenter --study {self.name} "
                "--data DIR --labels CSV --masks DIR --out DIR"
            )
        path = self.folder / self.settings["segmenter"]["file"]
        return self._once(path.name, lambda: load_segmenter(path, self.device))

    def autoencoder(self) -> Autoencoder:
        """The manifold of pictures for xGEM and Latent Shift. Raises UserError when the study has none."""
        if "autoencoder" not in self.settings:
            raise UserError(
                f"{self.title} has no autoencoder. Train one with: contralens train autoencoder --study {self.name} "
                "--data DIR --labels CSV --out DIR"
            )
        path = self.folder / self.settings["autoencoder"]["file"]
        return self._once(path.name, lambda: load_autoencoder(path, self.device))

    def gate(self, prepared: Prepared, picture: Picture | None = None) -> GateResult:
        """Whether this looks like the study's kind of picture at all."""
        settings = self.settings.get("gate")
        gate = self._classifier(settings["file"]).target("in_domain") if settings else None
        threshold = settings["threshold"] if settings else 0.0
        return check(gate, threshold, self.modality, prepared, picture, self.device)

    @torch.no_grad()
    def predict(self, prepared: Prepared) -> dict[str, float]:
        """Calibrated probability of every target. Of many classes, the softmax probability of the five most probable
        ones, most probable first.
        """
        x = torch.from_numpy(prepared.tensor)[None].to(self.device)
        network = self.network
        answer = network.posterior(x)[0].tolist()
        if isinstance(network, Classifier):
            return dict(zip(self.targets, answer, strict=True))
        of = dict(zip(network.classes, answer, strict=True))
        return {t: of[t] for t in sorted(self.targets, key=of.__getitem__, reverse=True)[:LIKELIEST]}

    @torch.no_grad()
    def ask_choice(self, choice: str, prepared: Prepared) -> dict[str, float]:
        """Probability of every class of one choice."""
        network = self.choice(choice)
        x = torch.from_numpy(self.seen_by(choice, prepared).tensor)[None].to(self.device)
        return dict(zip(network.classes, network.posterior(x)[0].tolist(), strict=True))

    def explain(
        self,
        name: str,
        picture: Picture | Prepared,
        /,
        *,
        target: str,
        progress: Progress | None = None,
        **options: Any,
    ) -> Any:
        """Run the explainer of that name; options are fields of its config. progress: called with (done, of)."""
        explainer = find_explainer(name)
        try:
            config = explainer.config(**options)
        except TypeError as fault:
            raise UserError(f"{name} does not take these options ({fault}).") from None
        prepared = self.prepare(picture) if isinstance(picture, Picture) else picture
        return explainer.run(self, prepared, target, config, progress)

    def _classifier(self, file: str) -> Classifier:
        return self._once(file, lambda: load_classifier(self.folder / file, str(self.device), fold=True))

    def _once(self, key: str, load: Callable[[], T]) -> T:
        """What `load` gives, kept under `key` from the first time on."""
        if key not in self._loaded:
            self._loaded[key] = load()
        found: T = self._loaded[key]
        return found
