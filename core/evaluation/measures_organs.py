"""What is measured of organs and of what knobs do beside their target; one function a measure."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from core.data.organs import organ_masks
from core.data.packed import packed_images
from core.errors import UserError
from core.evaluation.cohort import REPORT, Cohort
from core.evaluation.discrimination import discrimination_row
from core.evaluation.heart import MEASURES, HeartTable, run_hearts
from core.evaluation.measures import Metrics, Write
from core.evaluation.plot import Line, line_chart
from core.evaluation.population import groups_report, trend
from core.evaluation.segmentation import segmentation_report

TITLES = {"ctr": "cardiothoracic ratio", "area": "heart area by the square of the chest's width"}


def measure_segmenter(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Dice of every organ on the rows of the split that have masks (--masks)."""
    study, masks = cohort.study, cohort.options.masks
    if masks is None:
        return
    network = study.segmenter()
    size = network.config.size
    drawn = {organ: organ_masks(cohort.rows, masks, organ, size) for organ in network.config.organs}
    chosen = np.array(sorted(set().union(*drawn.values())), dtype=int)
    if not len(chosen):
        raise UserError(f"No picture of this split has a mask in {masks}.")
    place = {int(row): i for i, row in enumerate(chosen)}
    rows = cohort.rows.where(chosen)
    images = packed_images(rows, study.modality, size, cohort.cache, progress=cohort.progress("reading"))
    found = {organ: {place[row]: mask for row, mask in of.items()} for organ, of in drawn.items()}
    about = cohort.about | {"data": rows.describe()}
    metrics["segmenter"] = about | segmentation_report(
        network, images, found, device=study.device, seed=cohort.options.seed
    )
    write()


def measure_heart(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Heart size against the condition, over a population, and the paper's groups and tests; CSV and PNG beside."""
    study, options = cohort.study, cohort.options
    for target in study.knobs:
        head = study.heads(target)[0]
        if head == "paper":
            continue
        chosen = cohort.choose(target, options.pictures)
        if not len(chosen):
            continue
        large = packed_images(
            cohort.rows.where(chosen), study.modality, study.segmenter().config.size, cohort.cache,
            progress=cohort.progress("reading"),
        )  # fmt: skip
        table = run_hearts(
            study.exaggerator(target, head), study.blackbox(target), study.segmenter(),
            np.asarray(cohort.images[chosen]), large, device=study.device, progress=cohort.progress(f"heart {target}"),
        )  # fmt: skip
        positive = cohort.rows.label(target)[chosen] == 1
        report: dict[str, Any] = {"n": len(chosen), "head": head, "mode": "calibrated"}
        for name in MEASURES:
            sizes = getattr(table, name)
            report[name] = trend(table.requested, sizes[:, 1:], seed=options.seed) | groups_report(
                positive, sizes[:, 0], sizes[:, 1], sizes[:, -1], seed=options.seed
            )
        metrics.setdefault("heart", {})[target] = cohort.about | report
        _write_hearts(table, positive, report, out / REPORT, target)
        write()


def measure_discrimination(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """For every knob, the share of pictures whose answer to each target it flips (Figure 7)."""
    study, options = cohort.study, cohort.options
    if study.one_of_many or len(study.targets) < 2:
        return
    pictures = min(options.pictures, 200)
    chosen = np.sort(np.random.default_rng(options.seed).permutation(len(cohort.rows))[:pictures])
    images = np.asarray(cohort.images[chosen])
    rows = {
        knob: discrimination_row(
            study.exaggerator(knob), study.classifier, knob, images, seed=options.seed,
            device=study.device, progress=cohort.progress(f"discrimination {knob}"),
        )
        for knob in study.knobs
    }  # fmt: skip
    metrics["discrimination"] = cohort.about | {"targets": list(study.targets), "knobs": rows}
    write()


def _write_hearts(table: HeartTable, positive: np.ndarray, report: dict[str, Any], out: Path, target: str) -> None:
    stem = f"heart-{target.lower()}"
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{stem}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["picture", "label", "f", "requested", "achieved", *MEASURES])
        for i in range(len(table.query)):
            query = f"{table.query[i]:.5f}"
            own = [f"{getattr(table, m)[i, 0]:.5f}" for m in MEASURES]
            writer.writerow([i, int(positive[i]), query, "", query, *own])
            for k, wanted in enumerate(table.requested):
                sizes = [f"{getattr(table, m)[i, 1 + k]:.5f}" for m in MEASURES]
                writer.writerow([i, int(positive[i]), query, wanted, f"{table.achieved[i, k]:.5f}", *sizes])
    for name in MEASURES:
        if not report[name]["n"]:  # the organs were found in no picture
            continue
        means = report[name]["mean"]
        line = Line(
            TITLES[name], report[name]["requested"], [m["value"] for m in means], [m["low"] for m in means],
            [m["high"] for m in means],
        )  # fmt: skip
        line_chart(
            f"{target}: {TITLES[name]} under the knob (n = {report[name]['n']})", [line], out / f"{stem}-{name}.png",
            x_axis="probability asked for", y_axis="mean with 95 % interval",
        )  # fmt: skip
