"""Train and measure the cells of a grid, one after the other: what `contralens ablate` runs.

Every cell has its own folder with its state and its `report.json`. A cell whose report is there, for the same settings,
is not run again; one that was interrupted goes on. A cell that diverges is a result as well.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from core.classifiers.blackbox import BlackBox
from core.data.table import LabelledTable
from core.errors import Cancelled, NotFinite, UserError
from core.evaluation.cohort import Cohort, commit
from core.evaluation.knob import knob_report
from core.evaluation.measures import identity_report
from core.evaluation.record import read_json, write_json, write_text
from core.evaluation.summary_ablation import WEIGHTS, csv_text, markdown, row_of
from core.explainers.changer import Knob
from core.networks.exaggerator import ExaggeratorConfig
from core.networks.store import load_exaggerator
from core.training.grid import Cell, Grid
from core.training.job import Job
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Budget, Outcome
from core.training.recipes import train_exaggerator
from core.training.source import Source

Report = Callable[[str, int, int, dict[str, float]], None]
NOTE = (
    "The weight rec is for the reconstruction and the cycle of the head paper; the heads residual and morph give the "
    "picture back by construction when nothing is asked for, so that for them it weighs the cycle alone."
)


# What makes another ablation of the same cells; a cell that is changed in the grid, or a classifier that is trained
# again, only makes its results old.
COMMON = ("study", "variant", "target", "steps", "minutes")


class Diverged(ArithmeticError):
    """The losses or the weights of a cell are no longer numbers; a result of the ablation, not a fault."""


class Elsewhere(UserError):
    """The folder of a cell is taken by another training, which may have cost hours."""


@dataclass(frozen=True)
class Bench:
    """What all cells share. cohort: held-out pictures, how many of them, the seed; source: training pictures; f: on
    `device`; shape and training: what the cells change; budget: of one cell.
    """

    cohort: Cohort
    source: Source
    f: BlackBox
    target: str
    shape: ExaggeratorConfig
    training: ExaggeratorTraining
    budget: Budget
    device: str = "cpu"


def run_ablation(
    grid: Grid, bench: Bench, out: Path, report: Report = lambda what, i, n, numbers: None
) -> dict[str, Any]:
    """Run what has not been run, and return the table. After each cell it is in `out` as ablation.json, .csv and .md.

    A cell that fails is a row with its reason. Raises UserError, before anything is trained, for a grid that does not
    fit and tables without rows; KeyboardInterrupt after Ctrl-C, with all that is finished kept.
    """
    cells = grid.settings(bench.shape, bench.training)
    train = bench.source.table().split("train")
    if not len(train):
        raise UserError("The label file has no rows in split 'train'; a knob is trained on those.")
    cohort = bench.cohort
    pictures = len(cohort.choose(bench.target, cohort.options.pictures))
    if pictures < 2:
        raise UserError(f"Split '{cohort.options.split}' has {pictures} pictures to measure on; take 100 and more.")
    heads = {shape.head for _, shape, _ in cells}
    table: dict[str, Any] = cohort.about | {
        "grid": grid.title, "head": bench.shape.head, "pictures": pictures,
        "budget": {"steps": bench.budget.steps, "minutes": bench.budget.minutes},
        "note": NOTE if heads != {"paper"} else "", "rows": [],
    }  # fmt: skip
    for cell, shape, training in cells:
        settings = _settings(bench, shape, training, train)
        about = {
            "cell": cell.name, "head": shape.head, "weights": {w: getattr(training, w) for w in WEIGHTS},
            "other": {n: v for n, v in cell.changes.items() if n not in WEIGHTS}, "settings": settings,
        }  # fmt: skip
        table["rows"].append(row_of(_run(bench, cell, shape, training, about, out / cell.name, report)))
        write_json(out / "ablation.json", table)
        write_text(out / "ablation.csv", csv_text(table))
        write_text(out / "ablation.md", markdown(table, bench.target) + "\n")
    return table


def _run(
    bench: Bench, cell: Cell, shape: ExaggeratorConfig, training: ExaggeratorTraining, about: dict[str, Any],
    folder: Path, report: Report,
) -> dict[str, Any]:  # fmt: skip
    kept = read_json(folder / "report.json")
    if kept.get("settings") == about["settings"]:
        return kept | about
    try:
        outcome = _train(bench, cell, shape, training, about["settings"]["trained"], folder, report)
        found = {"steps": outcome.steps, "seconds": round(outcome.seconds, 1), "stop": outcome.stop}
        result = about | found | _measure(bench, folder, about["settings"]["measured"]["same_person"])
    except Diverged as fault:
        result = about | {"failed": str(fault)}
    except (Cancelled, Elsewhere):
        raise
    except NotFinite as fault:
        result = about | {"failed": f"diverged: {fault}"}
    except Exception as fault:
        # Not kept: what is amiss may be gone next time (memory, a file that could not be read).
        reason = " ".join(str(fault).split())[:200]
        return about | {"failed": reason if isinstance(fault, UserError) else f"{type(fault).__name__}: {reason}"}
    write_json(folder / "report.json", result)
    return result


def _train(
    bench: Bench, cell: Cell, shape: ExaggeratorConfig, training: ExaggeratorTraining, settings: dict[str, Any],
    folder: Path, report: Report,
) -> Outcome:  # fmt: skip
    state = folder / "state.pt"
    spent = 0.0
    before = read_json(folder / "settings.json")
    if before != settings:
        other = next((n for n in COMMON if before and before.get(n) != settings[n]), None)
        if other is not None:
            raise Elsewhere(
                f"{folder} holds this cell of another ablation ({other} {before.get(other)}, not {settings[other]}); "
                "run this one into another --out, or delete that folder."
            )
        state.unlink(missing_ok=True)
        write_json(folder / "settings.json", settings)
    elif state.is_file():
        spent = torch.load(state, map_location="cpu", weights_only=False)["seconds"] / 60

    def watched(done: int, of: int, losses: dict[str, float]) -> None:
        bad = next((name for name, value in losses.items() if not math.isfinite(value)), None)
        if bad is not None:
            raise Diverged(f"diverged: '{bad}' was no longer a number at step {done}")
        report(f"train {cell.name}", done, of, losses)

    # The time-box is the cell's, however often it was interrupted.
    minutes = None if bench.budget.minutes is None else bench.budget.minutes - spent
    budget = Budget(bench.budget.steps, minutes, bench.budget.save_every_minutes)
    job = Job(budget, folder, bench.device, resume=True, progress=watched)
    outcome = train_exaggerator(bench.source, bench.f, shape, training, job, target=bench.target)
    if outcome.stop == "interrupted":
        raise KeyboardInterrupt
    return outcome


def _measure(bench: Bench, folder: Path, same_person: bool) -> dict[str, Any]:
    cohort, target = bench.cohort, bench.target
    network = load_exaggerator(folder / "exaggerator.safetensors")
    if not all(torch.isfinite(weight).all() for weight in network.state_dict().values()):
        raise Diverged("diverged: the weights are no longer numbers after the last step")
    study, options, knob = cohort.study, cohort.options, Knob(network)
    images = cohort.images[cohort.choose(target, options.pictures)]
    same = identity_report(cohort, knob, target, cohort.progress(f"identity {folder.name}")) if same_person else None
    found = knob_report(
        knob, study.blackbox(target), study.witness(target), study.features(), images, seed=options.seed,
        progress=cohort.progress(f"measure {folder.name}"),
    )  # fmt: skip
    return {"commit": commit(), "knob": found, "identity": same}


def _settings(
    bench: Bench, shape: ExaggeratorConfig, training: ExaggeratorTraining, train: LabelledTable
) -> dict[str, Any]:
    """All that a cell's weights and its numbers depend on, as it is after a trip through JSON."""
    study, options = bench.cohort.study, bench.cohort.options
    recogniser = all(find_spec(package) for package in ("dlib", "face_recognition_models"))
    trained = {
        "study": study.name, "variant": study.variant,
        "classifier": _digest(study.folder, study.settings["classifier"]), "target": bench.target,
        "network": asdict(shape), "training": asdict(training), "steps": bench.budget.steps,
        "minutes": bench.budget.minutes, "pictures": _names(train),
    }  # fmt: skip
    measured = {
        "witness": _digest(study.folder, study.settings.get("witness", {})), "split": options.split,
        "seed": options.seed,
        "pictures": _names(bench.cohort.rows.where(bench.cohort.choose(bench.target, options.pictures))),
        "same_person": study.modality == "face" and recogniser,
    }  # fmt: skip
    return json.loads(json.dumps({"trained": trained, "measured": measured}))


def _digest(folder: Path, network: dict[str, Any]) -> str:
    file = folder / network["file"] if "file" in network else None
    return hashlib.sha256(file.read_bytes() if file else repr(network).encode()).hexdigest()[:16]


def _names(table: LabelledTable) -> str:
    return hashlib.sha256("\n".join(table.files).encode()).hexdigest()[:16]
