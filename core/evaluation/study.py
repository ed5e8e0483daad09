"""Measure a whole study on its held-out pictures and write metrics.json: what `contralens evaluate` runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox, Classifier
from core.classifiers.store import load_classifier
from core.data.packed import packed_images
from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation.classification import classification_report
from core.evaluation.gate import gate_report
from core.evaluation.infills import infill_report
from core.evaluation.knob import knob_report
from core.evaluation.masks import masks_report
from core.evaluation.pictures import write_strips
from core.evaluation.regions import heart_masks, mouth
from core.evaluation.verification import verification_report
from core.images.read import read_picture
from core.studies.study import Study

MEASURES = ("classifier", "references", "gate", "knobs", "identity", "pictures", "infills", "masks")
MASKED = 120  # pictures for the mask explainers, of which there are 24 cells
Report = Callable[[str, int, int], None]


def evaluate_study(
    study: Study,
    table: LabelledTable,
    out: Path,
    *,
    measures: tuple[str, ...] = MEASURES,
    split: str = "test",
    pictures: int = 500,
    heads: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    negatives: tuple[Path, ...] = (),
    masks: Path | None = None,
    speed: str = "quick",
    cache: Path | None = None,
    seed: int = 0,
    report: Report = lambda what, i, n: None,
) -> dict[str, Any]:
    """Measure, merge into out/metrics.json (older measures that were not asked for stay), and return it.

    pictures: at most so many of the split for the knob; the classifier is measured on all of them. heads: only
    these heads of the knobs; by default all. targets: of the masks; by default the study's first. masks: folder
    of heart masks, see `heart_masks`; speed: preset of the mask explainers.
    """
    unknown = set(measures) - set(MEASURES)
    if unknown:
        raise UserError(f"There is no measure '{unknown.pop()}'; choose from {', '.join(MEASURES)}.")
    cache = cache or out / "cache"
    rows = table.split(split)
    if not len(rows):
        raise UserError(f"The label file has no rows in split '{split}'.")
    images = packed_images(rows, study.modality, study.size, cache, progress=partial(report, "reading"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "metrics.json"
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    metrics["study"] = study.name
    about = {"data": rows.describe(), "split": split, "seed": seed, "commit": commit()}

    def write() -> None:
        path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")

    if "classifier" in measures:
        metrics["classifier"] = about | {"targets": _targets(study.classifier, rows, images, seed)}
        if "witness" in study.settings:
            witness = load_classifier(study.folder / study.settings["witness"]["file"])
            metrics["witness"] = about | {"targets": _targets(witness, rows, images, seed)}
        metrics["oracles"] = {
            o["target"]: about | _targets(load_classifier(study.folder / o["file"]), rows, images, seed)[o["target"]]
            for o in study.settings.get("oracle", [])
        }
        if "source" in rows.columns:
            metrics["sources"] = about | _by_source(study, rows, images, seed)
        write()
    if "references" in measures:
        references = {
            s.name: _rounded(study.predict(study.prepare(read_picture(study.sample(s.name))))) for s in study.samples
        }
        (out / "references.json").write_text(json.dumps(references, indent=1) + "\n", encoding="utf-8")
    if "gate" in measures and "gate" in study.settings:
        metrics["gate"] = about | gate_report(study, images, negatives, seed=seed, progress=partial(report, "gate"))
        write()
    if "knobs" in measures:
        for knob in study.settings.get("knob", []):
            target, head = knob["target"], knob["head"]
            if heads and head not in heads:
                continue
            chosen = _choose(study, rows, target, pictures, seed)
            result = knob_report(
                study.exaggerator(target, head), study.blackbox(target), study.witness(target), study.features(),
                images[chosen], seed=seed, progress=partial(report, f"{target} {head}"),
            )  # fmt: skip
            metrics.setdefault("knobs", {}).setdefault(target, {})[head] = about | result
            write()
    if "identity" in measures and study.modality == "face":
        for target in study.knobs:
            chosen = _choose(study, rows, target, min(pictures, 200), seed)
            views = [read_picture(rows.folder / rows.files[i]).pixels for i in chosen]
            result = verification_report(
                study.exaggerator(target), study.blackbox(target), views, images[chosen],
                _strangers(rows, chosen, seed),
                seed=seed, progress=partial(report, f"identity {target}"),
            )  # fmt: skip
            metrics.setdefault("identity", {})[target] = about | result
            write()
    if "infills" in measures:
        known = {name: study.infill(name) for name in study.infills}
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:pictures])
        result = infill_report(known, images[chosen], study.features(), seed=seed, progress=partial(report, "infills"))
        metrics["infills"] = about | result
        write()
    if "masks" in measures:
        for target in targets or study.targets[:1]:
            f = study.blackbox(target)
            chosen = _present(f, images, min(pictures, MASKED), seed)
            if not len(chosen):
                continue  # f sees the finding nowhere, so there is nothing to explain
            result = masks_report(
                f, {name: study.infill(name) for name in study.infills}, images[chosen],
                cache=cache, key=f"{study.name} {target}", speed=speed, seed=seed,
                anatomy=_anatomy(study, target, rows, images, chosen, masks),
                progress=partial(report, f"masks {target}"),
            )  # fmt: skip
            metrics.setdefault("masks", {})[target] = about | result
            write()
    if "pictures" in measures:
        write_strips(study, out)
    write()
    return metrics


def commit() -> str:
    """The commit that measured, with a + when the tree had changes; 'unknown' outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        name = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "core"], cwd=here.parents[1], capture_output=True,
            text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + ("+" if changes.stdout.strip() else "")


def _rounded(answer: dict[str, float]) -> dict[str, float]:
    return {target: round(p, 4) for target, p in answer.items()}


def _posterior(model: Classifier, images: np.ndarray, batch: int = 256) -> np.ndarray:
    with torch.no_grad():
        parts = [
            model.posterior(torch.from_numpy(images[i : i + batch]).float() / 255) for i in range(0, len(images), batch)
        ]
    return torch.cat(parts).numpy()


def _targets(model: Classifier, rows: LabelledTable, images: np.ndarray, seed: int) -> dict[str, Any]:
    posterior = _posterior(model, images)
    reports = {}
    for k, target in enumerate(model.targets):
        labels = rows.label(target)
        known = ~np.isnan(labels)
        if "source" in rows.columns and target.lower() == "cardiomegaly":
            # The other sources have almost no positives: pooled with the balanced one, an AUC would reward
            # reading the source. They are reported apart, under `sources`.
            known &= np.array(rows.columns["source"]) == "nih_kaggle128"
        reports[target] = classification_report(labels[known], posterior[known, k], seed=seed)
    return reports


def _by_source(study: Study, rows: LabelledTable, images: np.ndarray, seed: int) -> dict[str, Any]:
    """Specificity on the known negatives of every source: does the answer depend on where a film is from?"""
    from core.evaluation.interval import bootstrap

    target = study.targets[0]
    posterior = _posterior(study.classifier, images)[:, 0]
    labels, sources = rows.label(target), np.array(rows.columns["source"])
    result: dict[str, Any] = {}
    for source in sorted(set(sources)):
        negative = (sources == source) & (labels == 0)
        if negative.sum() >= 10:
            specificity = bootstrap(lambda p: float((p <= 0.5).mean()), posterior[negative], seed=seed)
            result[source] = {"negatives": int(negative.sum()), "specificity": specificity.to_dict()}
    return result


def _choose(study: Study, rows: LabelledTable, target: str, pictures: int, seed: int) -> np.ndarray:
    """Row numbers of at most `pictures` labelled rows, drawn once and the same for every head."""
    known = np.flatnonzero(~np.isnan(rows.label(target)))
    order = np.random.default_rng(seed).permutation(len(known))
    return np.sort(known[order[:pictures]])


def _strangers(rows: LabelledTable, chosen: np.ndarray, seed: int) -> np.ndarray:
    """For each chosen row, the position of one of another identity."""
    rng = np.random.default_rng(seed)
    names = np.array(rows.columns.get("identity", rows.files))[chosen]
    return np.array([rng.choice(np.flatnonzero(names != name)) for name in names])


@torch.no_grad()
def _present(f: BlackBox, images: np.ndarray, pictures: int, seed: int) -> np.ndarray:
    """Row numbers of at most `pictures` images in which f sees the finding: masks explain what f found."""
    p = np.concatenate([f.posterior(torch.from_numpy(part).float() / 255).numpy() for part in _parts(images)])
    present = np.flatnonzero(p >= 0.5)
    return np.sort(np.random.default_rng(seed).permutation(present)[:pictures])


def _parts(images: np.ndarray, batch: int = 256) -> list[np.ndarray]:
    return [images[i : i + batch] for i in range(0, len(images), batch)]


def _anatomy(
    study: Study, target: str, rows: LabelledTable, images: np.ndarray, chosen: np.ndarray, masks: Path | None
) -> tuple[str, np.ndarray, np.ndarray] | None:
    """(name, pictures, regions) where it is known what region the finding is about."""
    if study.modality == "face" and target in ("Smiling", "Mouth_Slightly_Open"):
        return "mouth", images[chosen], np.broadcast_to(mouth(study.size), (len(chosen), study.size, study.size))
    if study.modality == "chest" and masks is not None:
        hearts = heart_masks(rows, masks, study.size)
        if hearts:
            return "heart", images[list(hearts)], np.stack(list(hearts.values()))
    return None
