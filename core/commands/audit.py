"""`contralens audit`: does turning the knob turn something it should not, over a whole cohort?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.commands.shared import Device, Seed, a_folder, end
from core.commands.show import Bar, choose_device, print_json
from core.errors import UserError

if TYPE_CHECKING:
    from core.data.table import LabelledTable


def audit(
    study: Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures.")],
    labels: Annotated[Path, typer.Option(help="CSV with a `file` column and the attribute's column (0, 1 or blank).")],
    attribute: Annotated[str, typer.Option(help="What should not turn with the knob; the study needs an oracle.")],
    out: Annotated[
        Path, typer.Option(help="Folder for audit.json, audit.csv, audit.png and records.jsonl.", callback=a_folder)
    ],
    target: Annotated[str | None, typer.Option(help="The knob; by default the first of the first classifier.")] = None,
    classifiers: Annotated[
        str, typer.Option(help="Comma-separated: main, or names of the study's variants; the first against the others.")
    ] = "main",
    by: Annotated[str, typer.Option(help="Comma-separated columns to report subgroups by.")] = "",
    split: Annotated[str, typer.Option(help="train, val, test or all; by default test where there are splits.")] = "",
    pictures: Annotated[int, typer.Option(min=0, help="At most so many, drawn at random; 0 takes all.")] = 0,
    mode: Annotated[str, typer.Option(help="calibrated or direct.")] = "calibrated",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures already have the training frame: look for no faces.")
    ] = False,
    engine: Annotated[str, typer.Option(help='local, or ray (pip install "contralens\\[cluster]").')] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; without one, Ray runs on this machine.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the records in --out.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the result into the study's metrics.json.")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False,
) -> None:
    """Ask every picture for more and for less, and an oracle what became of an attribute that should not matter."""
    from core.data.table import ALL, read_table
    from core.evaluation.audit import MAIN, AuditTask, audit_cohort
    from core.evaluation.audit_files import verdict, write_csv, write_plot
    from core.studies import open_study

    names = _names(classifiers) or (MAIN,)
    opened = open_study(study if names[0] == MAIN else f"{study}:{names[0]}")
    if names[0] == MAIN and opened.variant is not None:
        main = study.rpartition(":")[0]
        raise UserError(
            f"{study} is a variant; pass --study {main} --classifiers {opened.variant}, so that it is named."
        )
    if target is None and not opened.knobs:
        raise UserError(f"{opened.title} has no trained knob to turn.")
    if (Path(study) / "study.toml").is_file():
        study = str(Path(study).resolve())  # workers on other machines, and resumed runs, start elsewhere
    task = AuditTask(
        study, target or opened.knobs[0], attribute, names, _names(by), mode, aligned, choose_device(device)
    )
    table = read_table(data, labels, missing_ok=True)
    split = split or ("test" if "split" in table.columns else ALL)
    table = _rows(table, split, pictures, seed)
    if resume and not (out / "records.jsonl").is_file():
        print(f"there are no records in {out} to go on from, so this begins anew", file=sys.stderr)
    bar = Bar()
    try:
        report = audit_cohort(
            task, table, out, engine=engine, address=address, resume=resume, seed=seed,
            progress=lambda done, of: bar.named("pictures", done, of),
        )  # fmt: skip
    except KeyboardInterrupt:
        bar.close()
        end("interrupted")
    bar.close()
    write_csv(report, out / "audit.csv")
    write_plot(report, out / "audit.png")
    if record:
        _record(opened.folder, report, table, split, seed)
    if as_json:
        print_json(report)
        return
    for line in verdict(report):
        print(line)
    print(f"written to {out}")


def _rows(table: LabelledTable, split: str, pictures: int, seed: int) -> LabelledTable:
    import numpy as np

    table = table.split(split)
    if not len(table):
        raise UserError(f"The label file has no rows in split '{split}'; pass --split all to take every row.")
    if pictures and pictures < len(table):
        table = table.where(np.sort(np.random.default_rng(seed).permutation(len(table))[:pictures]))
    return table


def _record(folder: Path, report: dict[str, Any], table: LabelledTable, split: str, seed: int) -> None:
    """Merge an audit into metrics.json; file names of the cohort stay out of it."""
    from core.evaluation.cohort import commit
    from core.evaluation.record import write_metrics
    from core.studies.description import read_object

    metrics = read_object(folder / "metrics.json") or {"study": report["study"]}
    about = {"data": table.describe(), "split": split, "seed": seed, "commit": commit()}
    kept = {k: v for k, v in report.items() if k != "failed"} | {"failed": len(report["failed"])}
    of_attribute = metrics.setdefault("audits", {}).setdefault(report["attribute"], {})
    of_attribute.setdefault(report["target"], {})["+".join(report["classifiers"])] = about | kept
    write_metrics(folder, metrics)


def _names(text: str) -> tuple[str, ...]:
    return tuple(n.strip() for n in text.split(",") if n.strip())
