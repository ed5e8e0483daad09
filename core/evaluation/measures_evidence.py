"""What is measured of the evidence that maps point at; one function a measure, writing into the metrics."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from core.evaluation.cohort import REPORT, Cohort
from core.evaluation.interval import bootstrap_means
from core.evaluation.knob_saliency import COSTLY, DRAWS, METHODS, SaliencyTable, run_saliency, saliency_report
from core.evaluation.measures import Metrics, Write
from core.evaluation.plot import Line, line_chart

PICTURES = 200
INFILLS = ("ca", "vae", "local")  # the first that the study has: FIDO's maps are the better the more its fills are
CURVES = ("probability", "decision", "accuracy")


def measure_saliency(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every knob's first head as a saliency map beside others, by deletion with noise; CSV and PNG beside."""
    study, options = cohort.study, cohort.options
    for target in [t for t in study.knobs if not options.targets or t in options.targets]:
        chosen = cohort.choose(target, min(options.pictures, PICTURES))
        if not len(chosen):
            continue
        head = study.heads(target)[0]
        infill = study.infill(next(name for name in INFILLS if name in study.infills))
        table = run_saliency(
            study.blackbox(target), study.exaggerator(target, head), infill, study.network.mean.flatten(),
            np.asarray(cohort.images[chosen]), cohort.rows.label(target)[chosen], speed=options.speed,
            seed=options.seed, device=study.device, progress=cohort.progress(f"saliency {target}"),
        )  # fmt: skip
        about = {"head": head, "infill": infill.name, "preset": options.speed, "draws": DRAWS}
        report = about | saliency_report(table, seed=options.seed)
        metrics.setdefault("saliency", {})[target] = cohort.about | report
        _write_curves(table, target, out / REPORT, options.seed)
        write()


def _write_curves(table: SaliencyTable, target: str, out: Path, seed: int) -> None:
    """saliency-<target>.csv with all curves and their intervals, and the paper's chart as PNG."""
    stem = f"saliency-{target.lower()}"
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    with (out / f"{stem}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["method", "n", "share", *(f"{c}{end}" for c in CURVES for end in ("", "_low", "_high"))])
        for name, deletion in table.deletions.items():
            rows = table.rows[name]
            curves = (deletion.probability, deletion.decision, deletion.accuracy(table.labels[rows]))
            points = [bootstrap_means(c, seed=seed) for c in curves]
            for k, share in enumerate(table.shares):
                at = [f"{v:.5f}" for curve in points for v in (curve[k].value, curve[k].low, curve[k].high)]
                writer.writerow([name, len(rows), f"{share:g}", *at])
            title = METHODS[name] + (f", n = {len(rows)}" if name == COSTLY else "")
            lines.append(
                Line(title, list(table.shares), *([getattr(p, k) for p in points[2]] for k in ("value", "low", "high")))
            )
    line_chart(
        f"{target}: deletion with noise (n = {len(table.labels)})", lines, out / f"{stem}.png",
        x_axis="share of the picture replaced, most important first", y_axis="accuracy with 95 % interval",
    )  # fmt: skip
