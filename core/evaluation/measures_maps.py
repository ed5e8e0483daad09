"""What is measured of masks, infills and one-against-one maps; one function a measure, writing into the metrics."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from core.baselines.baseline import Baseline, MeanBaseline, NearestSample, TrainingDistribution
from core.data.organs import organ_masks
from core.data.table import class_numbers
from core.evaluation.cohort import Cohort
from core.evaluation.infills import infill_report
from core.evaluation.masks import masks_report
from core.evaluation.measures import Metrics, Write
from core.evaluation.one_vs_one import baseline_report, maps_report
from core.evaluation.regions import mouth
from core.studies.study import Study

MASKED = 120  # pictures for the mask explainers, of which there are 24 cells


def measure_infills(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every infill on the same holes."""
    study, options = cohort.study, cohort.options
    known = {name: study.infill(name) for name in study.infills}
    chosen = np.sort(np.random.default_rng(options.seed).permutation(len(cohort.rows))[: options.pictures])
    metrics["infills"] = cohort.about | infill_report(
        known,
        cohort.images[chosen],
        study.features(),
        seed=options.seed,
        device=study.device,
        progress=cohort.progress("infills"),
    )
    write()


def measure_masks(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every mask explainer with every infill, on pictures in which f sees the finding."""
    study, options = cohort.study, cohort.options
    for target in options.targets or study.targets[:1]:
        f = study.blackbox(target)
        chosen = present(cohort.answers.of("classifier", target), min(options.pictures, MASKED), options.seed)
        if not len(chosen):  # f sees the finding nowhere, so there is nothing to explain
            if "masks" in metrics:
                metrics["masks"].pop(target, None)
            continue
        result = masks_report(
            f, {name: study.infill(name) for name in study.infills}, cohort.images[chosen],
            cache=cohort.cache, key=f"{study.name} {target} {_weights(study)}", speed=options.speed, seed=options.seed,
            anatomy=anatomy_of(cohort, target, chosen), device=study.device,
            progress=cohort.progress(f"masks {target}"),
        )  # fmt: skip
        metrics.setdefault("masks", {})[target] = cohort.about | result
        write()


def measure_one_vs_one(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every baseline and attribution for every choice; baselines out of training pictures are made from `train`, and
    left out where a table has no such rows.
    """
    study, options = cohort.study, cohort.options
    train = cohort.table.split("train")
    for choice in study.choices:
        network = study.choice(choice)
        labels, known = class_numbers(cohort.rows, network.classes)
        chosen = np.random.default_rng(options.seed).permutation(np.flatnonzero(known))[: options.pictures]
        if not len(chosen):
            continue
        own, belongs = class_numbers(train, network.classes)
        size = study.choice_size(choice)
        baselines: dict[str, Baseline] = {
            name: study.baseline(name, choice) for name in study.baselines if name not in ("mean", "mdts", "expected")
        }
        mean = network.mean.cpu().expand(-1, size, size)
        if belongs.any():
            pictures = torch.from_numpy(cohort.pack(train.where(belongs), size))
            mean = pictures.float().mean(0) / 255
            baselines |= {
                "mean": MeanBaseline(mean),
                "mdts": NearestSample(pictures, torch.from_numpy(own[belongs])),
                "expected": TrainingDistribution(pictures),
            }
        images, targets = cohort.pack(cohort.rows.where(chosen), size), labels[chosen]
        single = {n: b for n, b in baselines.items() if n != "expected"}  # 32 random pictures are no counterfactual
        report = cohort.about | {
            "baselines": baseline_report(network, single, study.features(), images, targets, seed=options.seed)
        }
        metrics.setdefault("one_vs_one", {})[choice] = report
        write()  # the maps take an hour
        report["maps"] = maps_report(
            network, baselines, images, targets, mean.numpy(), seed=options.seed,
            checked=min(40, max(10, len(chosen) // 12)), progress=cohort.progress(f"one against one, {choice}"),
        )  # fmt: skip
        write()


def _weights(study: Study) -> str:
    """A digest of the classifier's and the infills' files: masks of other weights are other masks."""
    digest = hashlib.sha256()
    files = [study.settings["classifier"].get("file"), *(i["file"] for i in study.settings.get("infill", []))]
    for file in files:
        if file is not None:
            digest.update((study.folder / file).read_bytes())
    return digest.hexdigest()[:16]


def present(posterior: np.ndarray, pictures: int, seed: int) -> np.ndarray:
    """Row numbers of at most `pictures` images in which f sees the finding: masks explain what f found.

    posterior: [N], f's of every row.
    """
    there = np.flatnonzero(posterior >= 0.5)
    return np.sort(np.random.default_rng(seed).permutation(there)[:pictures])


def anatomy_of(cohort: Cohort, target: str, chosen: np.ndarray) -> tuple[str, np.ndarray, np.ndarray] | None:
    """(name, pictures, regions) where it is known what region the finding is about."""
    study, size = cohort.study, cohort.study.size
    if study.modality == "face" and target in ("Smiling", "Mouth_Slightly_Open"):
        return "mouth", cohort.images[chosen], np.broadcast_to(mouth(size), (len(chosen), size, size))
    if study.modality == "chest" and cohort.options.masks is not None:
        hearts = organ_masks(cohort.rows, cohort.options.masks, "heart", size)
        rows = list(hearts)[: cohort.options.pictures]
        if rows:
            return "heart", cohort.images[rows], np.stack([hearts[i] for i in rows])
    return None
