"""What is measured of classifiers, gates, knobs and faces; one function a measure, writing into the metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.data.table import LabelledTable, class_index, class_numbers
from core.evaluation.answers import LIKELIEST, Answers
from core.evaluation.changers import knobs_of
from core.evaluation.classification import classification_report
from core.evaluation.cohort import Cohort
from core.evaluation.gate import gate_report
from core.evaluation.interval import bootstrap
from core.evaluation.knob import knob_report
from core.evaluation.pictures import write_strips
from core.evaluation.verification import verification_report
from core.explainers.changer import Changer
from core.images.prepare import prepare_photo
from core.images.read import read_picture

Metrics = dict[str, Any]
Write = Callable[[], None]


def measure_classifier(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """The classifier with its targets or classes, the independent network, the oracles, and each source apart."""
    study, rows, answers, seed = cohort.study, cohort.rows, cohort.answers, cohort.options.seed
    about = cohort.about
    if study.choices:
        metrics["choices"] = {c: about | _choice(answers, f"choice {c}", rows, seed) for c in study.choices}
    if study.package:
        metrics["choices"] = {study.package: about | _numbered(answers, rows, len(study.targets), seed)}
    if not study.one_of_many:
        metrics["classifier"] = about | {"targets": _targets(answers, "classifier", rows, seed)}
    if "witness" in study.settings:
        metrics["witness"] = about | {"targets": _targets(answers, "witness", rows, seed)}
    if study.oracles:
        metrics["oracles"] = {o: about | _targets(answers, f"oracle {o}", rows, seed)[o] for o in study.oracles}
    if "source" in rows.columns and not study.one_of_many:
        metrics["sources"] = about | _by_source(answers, study.targets[0], rows, seed)
    write()


def measure_references(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """The predictions of the sample pictures, by which a user can check an installation."""
    study = cohort.study
    references = {
        s.name: {t: round(p, 4) for t, p in study.predict(study.prepare(read_picture(study.sample(s.name)))).items()}
        for s in study.samples
    }
    (out / "references.json").write_text(json.dumps(references, indent=1) + "\n", encoding="utf-8")


def measure_gate(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """False alarms and what is caught of other kinds of pictures."""
    options = cohort.options
    metrics["gate"] = cohort.about | gate_report(
        cohort.study, cohort.answers.of("gate", "in_domain"), options.negatives, options.unseen,
        seed=options.seed, progress=cohort.progress("gate"),
    )  # fmt: skip
    write()


def measure_knobs(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every knob's compatibility with f, the witness's following, cycle, closeness, Fréchet distances."""
    study, options = cohort.study, cohort.options
    for target, changer in knobs_of(study, options.heads, options.targets):
        chosen = cohort.choose(target, options.pictures)
        if not len(chosen):  # no row says anything about this target
            continue
        result = knob_report(
            changer, study.blackbox(target), study.witness(target), study.features(), cohort.images[chosen],
            seed=options.seed, device=study.device, progress=cohort.progress(f"{target} {changer.head}"),
        )  # fmt: skip
        metrics.setdefault("knobs", {}).setdefault(target, {})[changer.head] = cohort.about | result
        write()


def measure_identity(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Whether a face network still sees the same person after each target's first knob."""
    study = cohort.study
    for target, changer in knobs_of(study, cohort.options.heads, cohort.options.targets):
        if changer.head == study.heads(target)[0] and len(cohort.choose(target, 1)):
            result = identity_report(cohort, changer, target, cohort.progress(f"identity {target}"))
            metrics.setdefault("identity", {})[target] = cohort.about | result
            write()


def identity_report(
    cohort: Cohort, changer: Changer, target: str, progress: Callable[[int, int], None] | None = None,
    *, pictures: int = 200,
) -> dict[str, Any]:  # fmt: skip
    """`verification_report` of a changer, the study's own or not, on at most so many of the cohort's faces."""
    rows, options = cohort.rows, cohort.options
    chosen = cohort.choose(target, min(options.pictures, pictures))
    views = [prepare_photo(read_picture(rows.folder / rows.files[i]), cohort.study.size).view for i in chosen]
    return verification_report(
        changer, cohort.study.blackbox(target), views, cohort.images[chosen], _strangers(rows, chosen, options.seed),
        device=cohort.study.device, seed=options.seed, progress=progress,
    )  # fmt: skip


def measure_pictures(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Strips of the samples, for the README and the card."""
    write_strips(cohort.study, out)


def _choice(answers: Answers, network: str, rows: LabelledTable, seed: int) -> dict[str, Any]:
    """How often the likeliest class is the right one, over the rows that belong to exactly one."""
    labels, known = class_numbers(rows, answers.names[network])
    posterior = answers.values[network][known]
    return _right(posterior.argmax(1) == labels[known], posterior.max(1), seed)


def _numbered(answers: Answers, rows: LabelledTable, count: int, seed: int) -> dict[str, Any]:
    """The same for a packaged network, whose classes have numbers; and how often the class is among the first five."""
    labels = class_index(rows, count)
    known = labels >= 0
    sure, first = answers.values[LIKELIEST][known, 0], answers.values[LIKELIEST][known, 1:]
    hit = first == labels[known, None]
    among = hit.any(1).astype(float)
    return _right(hit[:, 0], sure, seed) | {"top5": bootstrap(lambda v: float(v.mean()), among, seed=seed).to_dict()}


def _right(right: np.ndarray, sure: np.ndarray, seed: int) -> dict[str, Any]:
    """right: [N] whether the likeliest class is the right one; sure: [N] its probability."""
    return {
        "n": len(right),
        "accuracy": bootstrap(lambda v: float(v.mean()), right.astype(float), seed=seed).to_dict(),
        "confidence_gap": bootstrap(lambda v: float(v.mean()), sure - right, seed=seed).to_dict(),
    }


def _targets(answers: Answers, network: str, rows: LabelledTable, seed: int) -> dict[str, Any]:
    reports = {}
    for target in answers.names[network]:
        labels = rows.label(target)
        known = ~np.isnan(labels)
        if "source" in rows.columns and target.lower() == "cardiomegaly":
            # The other sources have almost no positives: pooled with the balanced one, an AUC would reward
            # reading the source. They are reported apart, under `sources`.
            known &= np.array(rows.columns["source"]) == "nih_kaggle128"
        reports[target] = classification_report(labels[known], answers.of(network, target)[known], seed=seed)
    return reports


def _by_source(answers: Answers, target: str, rows: LabelledTable, seed: int) -> dict[str, Any]:
    """Specificity on the known negatives of every source: does the answer depend on where a film is from?"""
    posterior = answers.of("classifier", target)
    labels, sources = rows.label(target), np.array(rows.columns["source"])
    result: dict[str, Any] = {}
    for source in sorted(set(sources)):
        negative = (sources == source) & (labels == 0)
        if negative.sum() >= 10:
            specificity = bootstrap(lambda p: float((p <= 0.5).mean()), posterior[negative], seed=seed)
            result[source] = {"negatives": int(negative.sum()), "specificity": specificity.to_dict()}
    return result


def _strangers(rows: LabelledTable, chosen: np.ndarray, seed: int) -> np.ndarray:
    """For each chosen row, the position of one of another identity; empty where all are of one."""
    rng = np.random.default_rng(seed)
    names = np.array(rows.columns.get("identity", rows.files))[chosen]
    if len(set(names)) < 2:
        return np.array([], dtype=int)
    return np.array([rng.choice(np.flatnonzero(names != name)) for name in names])
