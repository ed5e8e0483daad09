"""What a study's explainers are supplied with: ways to fill a hole, and pictures to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.baselines.baseline import (
    Baseline,
    BlurBaseline,
    ConstantBaseline,
    MeanBaseline,
    NearestSample,
    TrainingDistribution,
)
from core.baselines.ganmex import GanmexBaseline
from core.errors import UserError
from core.infills.heuristic import BlurInfill, LocalInfill, MeanInfill, RandomInfill
from core.infills.infill import LEARNED, Infill
from core.infills.learned import AttentionInfill, VaeInfill
from core.networks.inpainter import Inpainter
from core.networks.store import load_infill, load_translator
from core.studies.description import references_file

if TYPE_CHECKING:
    from core.studies.study import Study

_TRAINERS = {"vae": "vae-infill", "ca": "inpainter"}


def make_infill(study: Study, name: str) -> Infill:
    """One of `core.infills.infill.NAMES`. Raises UserError for one that was not trained for this study."""
    if name not in LEARNED:
        makers: dict[str, Callable[[], Infill]] = {
            "mean": lambda: MeanInfill(study.network.mean.flatten()),
            "blur": BlurInfill,
            "random": RandomInfill,
            "local": LocalInfill,
        }
        return makers[name]()
    for entry in study.settings.get("infill", []):
        if entry["name"] == name:
            network = load_infill(study.folder / entry["file"], study.device)
            return AttentionInfill(network) if isinstance(network, Inpainter) else VaeInfill(network)
    raise UserError(
        f"{study.title} has no trained infill '{name}'; it has: {', '.join(study.infills)}. "
        f"Train one with: contralens train {_TRAINERS[name]} --study {study.name} --data DIR --labels CSV --out DIR"
    )


def make_baseline(study: Study, name: str, choice: str) -> Baseline:
    """One of `core.baselines.baseline.NAMES`. Raises UserError for one that is not there."""
    if name in ("zero", "max"):
        return ConstantBaseline(name, float(name == "max"))
    if name == "blur":
        return BlurBaseline()
    if name == "ganmex":
        for entry in study.settings.get("translator", []):
            if entry["choice"] == choice:
                return GanmexBaseline(load_translator(study.folder / entry["file"], study.device))
        raise UserError(
            f"{study.title} has no translator for '{choice}'. Train one with: contralens train ganmex "
            f"--study {study.name} --choice {choice} --data DIR --out DIR"
        )
    pictures, labels = _references(study, choice)
    if name == "mdts":
        return NearestSample(pictures, labels)
    if name == "expected":
        return TrainingDistribution(pictures)
    return MeanBaseline(pictures.float().mean(0) / 255)


def _references(study: Study, choice: str) -> tuple[torch.Tensor, torch.Tensor]:
    """([M, C, S, S] uint8 training pictures, [M] class numbers), as `contralens references` kept them."""
    file = references_file(study.folder)
    if not file.is_file():
        raise UserError(
            f"{study.title} keeps no training pictures (they are not ours to pass on), so it has no nearest sample, "
            f"mean or distribution of them. Keep some with: contralens references --study {study.name} --data DIR"
        )
    saved = np.load(file)
    if f"{choice}_pictures" not in saved:
        raise UserError(f"{file} holds no pictures for '{choice}'; make it anew.")
    return torch.from_numpy(saved[f"{choice}_pictures"]), torch.from_numpy(saved[f"{choice}_labels"])
