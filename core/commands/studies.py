"""`contralens studies`: what is installed, with its measured quality."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.commands.show import print_json
from core.errors import UserError


def studies(
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the README's tables; measured.md of each study has all.")
    ] = False,
) -> None:
    """List the installed studies with what was measured about them."""
    from core.evaluation.summary import brief
    from core.studies import list_studies, open_study

    if markdown and as_json:
        raise UserError("Pass --markdown or --json, not both.")
    if markdown:
        for info in list_studies():
            metrics = open_study(info.name).metrics
            if metrics:
                print(f"### {info.name}\n\n{brief(metrics)}\n")
        return

    rows: list[dict[str, Any]] = []
    for info in list_studies():
        study = open_study(info.name)
        rows.append(
            {
                "name": info.name,
                "title": info.title,
                "modality": info.modality,
                "size": study.size,
                "needs": info.needs,
                "classes": len(study.targets) if study.one_of_many else 0,
                "targets": {t: study.headline(t) for t in info.targets},
                "knobs": {t: study.knob_line(t) for t in info.knobs},
            }
        )
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['name']}: {row['title']} ({row['modality']}, {row['size']} px)")
        if row["classes"]:
            print(f"  {row['classes']} classes, of which a picture has one")
        if row["needs"]:
            print(f"  {row['needs']}")
        for target, line in row["targets"].items():
            print(f"  {target}: {line}")
        for target, line in row["knobs"].items():
            print(f"  knob {target}: {line}")
