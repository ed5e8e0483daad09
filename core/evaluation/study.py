"""Measure a whole study on its held-out pictures and write metrics.json: what `contralens evaluate` runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from core.data.packed import Images
from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation import measures as m
from core.evaluation import measures_evidence as evidence
from core.evaluation import measures_maps as maps
from core.evaluation import measures_organs as organs
from core.evaluation.answers import ask_cohort
from core.evaluation.changers import rivals_of
from core.evaluation.cohort import REPORT, Cohort, Options, Report
from core.evaluation.flat import write_report
from core.evaluation.measures_rivals import measure_rivals
from core.evaluation.record import write_metrics
from core.explainers.presets import preset
from core.studies.description import read_object
from core.studies.study import Study

# In the order in which they run; each writes what it finds as soon as it is measured.
_MEASURES = {
    "classifier": m.measure_classifier,
    "references": m.measure_references,
    "gate": m.measure_gate,
    "knobs": m.measure_knobs,
    "identity": m.measure_identity,
    "rivals": measure_rivals,
    "infills": maps.measure_infills,
    "masks": maps.measure_masks,
    "one-vs-one": maps.measure_one_vs_one,
    "saliency": evidence.measure_saliency,
    "segmenter": organs.measure_segmenter,
    "heart": organs.measure_heart,
    "discrimination": organs.measure_discrimination,
    "pictures": m.measure_pictures,
}
MEASURES = tuple(_MEASURES)
# Which networks a measure needs to have asked about every picture; None is all, and most need none.
_ASKS: dict[str, tuple[str, ...] | None] = {"classifier": None, "gate": ("gate",), "masks": ("classifier",)}


def evaluate_study(
    study: Study,
    table: LabelledTable,
    out: Path,
    *,
    measures: tuple[str, ...] = MEASURES,
    cache: Path | None = None,
    engine: str = "local",
    address: str | None = None,
    report: Report = lambda what, i, n: None,
    **options: Any,
) -> dict[str, Any]:
    """Measure, merge into out/metrics.json (older measures that were not asked for stay), and return it. A variant's
    numbers are under `variants` there, and its other files in out/variants/<name>.

    engine, address: where the pass over all pictures runs, see `run_task`; pictures it could not read are under
    `failed`, and no measure sees them. options: fields of `Options`. Raises UserError for an unknown measure, a split
    without rows, and when no picture can be read.
    """
    unknown = set(measures) - set(MEASURES)
    if unknown:
        raise UserError(f"There is no measure '{unknown.pop()}'; choose from {', '.join(MEASURES)}.")
    chosen = Options(**options)
    if chosen.pictures < 2:
        raise UserError(f"{chosen.pictures} pictures are too few to measure anything; take 100 and more.")
    preset(chosen.speed, "fido")  # raises for an unknown one, before anything is measured
    for target in chosen.targets:
        study.blackbox(target)
    _check_heads(study, chosen.heads)
    lacking = {name: what for name in measures if (what := _lacks(study, name))}
    if lacking and measures is not MEASURES:  # asked for by name
        name, what = next(iter(lacking.items()))
        raise UserError(f"{study.title} has no {what}, so there is nothing for the measure '{name}'.")
    if "segmenter" in measures and measures is not MEASURES and chosen.masks is None:
        raise UserError("The measure 'segmenter' compares with drawn masks; name their folder with --masks.")
    path = out / "metrics.json"
    whole = read_object(path)
    name = study.settings["study"]["name"].partition(":")[0]
    if whole.get("study", name) != name:
        raise UserError(f"{path} holds what was measured of {whole['study']}; measure {name} into another --out.")
    cache = cache or out / "cache"
    rows = table.split(chosen.split)
    if not len(rows):
        raise UserError(f"The label file has no rows in split '{chosen.split}'.")
    if "classifier" in measures and not study.one_of_many:
        for target in study.targets:
            rows.label(target)  # raises for a column that is not there, before pictures are read, which may take hours
    rows, answers = ask_cohort(
        study, rows, cache, asked=chosen.targets, wanted=_wanted(measures), engine=engine, address=address,
        progress=partial(report, "answers"),
    )  # fmt: skip
    images = Images(rows, study.modality, study.size, study.channels, cache, progress=partial(report, "reading"))
    beside = out if study.variant is None else out / "variants" / study.variant
    beside.mkdir(parents=True, exist_ok=True)
    whole["study"] = name
    metrics = whole if study.variant is None else whole.setdefault("variants", {}).setdefault(study.variant, {})
    metrics.pop("failed", None)
    if answers.failed:
        metrics["failed"] = answers.failed

    def write() -> None:
        write_metrics(out, whole)

    cohort = Cohort(study, table, rows, images, cache, chosen, report, answers)
    for name, measure in _MEASURES.items():
        if name in measures and name not in lacking:
            measure(cohort, metrics, beside, write)
    write()
    write_report(metrics, beside / REPORT)
    return metrics


def _check_heads(study: Study, heads: tuple[str, ...]) -> None:
    """Raises UserError for a head that no knob of the study has, nor what knobs are compared with."""
    if not heads:
        return
    known = {head for target in study.knobs for head in study.heads(target)} | {r.head for r in rivals_of(study)}
    unknown = [h for h in heads if h not in known]
    if unknown:
        raise UserError(f"{study.title} has no head '{unknown[0]}'; it has: {', '.join(sorted(known)) or 'no knob'}.")


# What a study must have for a measure to find anything; those that are not here need its classifier alone.
_NEEDS: dict[str, tuple[str, Callable[[Study], bool]]] = {
    "gate": ("gate", lambda s: "gate" in s.settings),
    "knobs": ("trained knob", lambda s: bool(s.knobs)),
    "identity": ("trained knob for faces", lambda s: s.modality == "face" and bool(s.knobs)),
    "rivals": ("autoencoder", lambda s: "autoencoder" in s.settings),
    "one-vs-one": ("choice among several classes", lambda s: bool(s.choices)),
    "saliency": ("trained knob", lambda s: bool(s.knobs)),
    "segmenter": ("segmenter", lambda s: s.outlines),
    "heart": ("segmenter of the heart", lambda s: s.outlines and "heart" in s.segmenter().config.organs),
    "discrimination": ("trained knob", lambda s: bool(s.knobs)),
}


def _lacks(study: Study, measure: str) -> str:
    """What a study would need for a measure and has not, or ''."""
    what, there = _NEEDS.get(measure, ("", lambda s: True))
    return "" if there(study) else what


def _wanted(measures: tuple[str, ...]) -> tuple[str, ...] | None:
    """The networks to ask about every picture."""
    asks = [_ASKS.get(name, ()) for name in measures]
    if None in asks:
        return None
    return tuple(sorted({name for names in asks for name in names or ()}))
