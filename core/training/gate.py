"""Train the gate: the study's own pictures against everything else one might upload by mistake."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifiers.store import save_classifier
from core.data.folder import folder_images
from core.training.classifier import ClassifierConfig, ClassifierTrainer, predict_logits
from core.training.job import Job
from core.training.source import Source

FALSE_ALARMS = 0.05
CAUGHT = 0.995


def train_gate(
    source: Source,
    negatives: tuple[Path, ...],
    job: Job,
    *,
    seed: int = 0,
    most: int = 3000,
) -> dict[str, Any]:
    """Write `gate.safetensors`; returns its threshold, see `choose_threshold`, and how the training ended.

    Beside the folders of other pictures, the study's own pictures lying on their side or head down, as a
    negative, and as noise and flat grey, count as outside.
    """
    table = source.table()
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rng = np.random.default_rng(seed)
    for split in ("train", "val"):
        own = source.images(table.split(split))
        own = own[rng.permutation(len(own))[: most * 2]]
        outside = [folder_images(n, source.modality, source.size, split=split, most=most, seed=seed) for n in negatives]
        outside.append(_spoiled(own[: len(own) // 3], rng, source.modality))
        others = np.concatenate(outside)
        labels = np.concatenate([np.ones(len(own)), np.zeros(len(others))])[:, None]
        parts[split] = np.concatenate([own, others]), labels.astype(np.float32)
    images, labels = parts["train"]
    config = ClassifierConfig(
        targets=("in_domain",), width=8, size=source.size, channels=images.shape[1], balance=True, seed=seed,
        flip=source.modality == "face",
    )  # fmt: skip
    trainer = ClassifierTrainer(config, images, labels, torch.device("cpu"))
    outcome = job.run(trainer, {"config": asdict(config)})
    model = trainer.finished(*parts["val"])
    save_classifier(model, job.out / "gate.safetensors")
    val_images, val_labels = parts["val"]
    logits = torch.from_numpy(predict_logits(model, val_images))
    scores = torch.sigmoid(logits / model.temperature + model.bias).numpy()[:, 0]
    own, others = scores[val_labels[:, 0] == 1], scores[val_labels[:, 0] == 0]
    threshold = choose_threshold(own, others)
    return {
        "stop": outcome.stop,
        "threshold": threshold,
        "false_alarms": float((own < threshold).mean()),
        "caught": float((others < threshold).mean()),
    }


def choose_threshold(own: np.ndarray, others: np.ndarray) -> float:
    """The score below which a picture is turned away: high enough to catch 99.5 % of the others, but never so high
    that more than 5 % of the study's own pictures go with them. own, others: scores in [0, 1].
    """
    return float(min(np.quantile(own, FALSE_ALARMS), max(np.quantile(others, CAUGHT), 0.5)))


def _spoiled(own: np.ndarray, rng: np.random.Generator, modality: str) -> np.ndarray:
    """Each picture on its side or upside down (a digit may be another one then: not these), half of the x-rays as
    film negatives, and some that are nothing.
    """
    kinds = []
    if modality != "digit":
        kinds.append(np.stack([np.rot90(x, int(rng.integers(1, 4)), axes=(1, 2)) for x in own]))
    if modality == "chest":
        kinds.append(255 - own[::2])
    noise = rng.integers(0, 256, size=(len(own) // 8, *own.shape[1:]), dtype=np.uint8)
    flat = np.broadcast_to(rng.integers(0, 256, size=(len(own) // 8, 1, 1, 1), dtype=np.uint8), noise.shape)
    return np.concatenate([*kinds, noise, flat])
