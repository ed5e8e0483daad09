"""How well the gate keeps out what is not the study's kind of picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifiers.store import load_classifier
from core.data.folder import folder_images
from core.evaluation.classification import auc
from core.evaluation.pixels import to_unit
from core.studies.study import Study


def gate_report(
    study: Study,
    inside: np.ndarray,
    negatives: tuple[Path, ...],
    unseen: tuple[Path, ...] = (),
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    most: int = 1000,
) -> dict[str, Any]:
    """False alarms on the study's own test pictures, and the share of each negative folder's test part caught.

    inside: [N], the gate's answers to the study's own. Negative folders are split by a hash of the file name; their
    `test` tenth counts (all of a folder with fewer than 300 pictures was split the same way in training). Of unseen
    folders, kinds that the gate was not trained against, all pictures count. Colour is not looked at here: pictures
    are judged as the network sees them, so the gate in use catches more.
    """
    settings = study.settings["gate"]
    gate = load_classifier(study.folder / settings["file"], str(study.device), fold=True).target("in_domain")

    def score(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = [gate.posterior(to_unit(images[i : i + 256], study.device)) for i in range(0, len(images), 256)]
        return torch.cat(parts).cpu().numpy()

    threshold = settings["threshold"]
    report: dict[str, Any] = {
        "threshold": threshold,
        "false_alarms": {"n": len(inside), "share": round(float((inside < threshold).mean()), 4)},
        "caught": {},
    }
    for folder in (*negatives, *unseen):
        met = folder in negatives
        images = folder_images(
            folder, study.modality, study.size, split="test" if met else None, most=most, seed=seed, progress=progress
        )
        outside = score(images)
        labels = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])
        report["caught"][folder.name] = {
            "n": len(outside),
            "share": round(float((outside < threshold).mean()), 4),
            "auc": round(auc(labels, np.concatenate([inside, outside])), 4),
            "met": met,
        }
    return report
