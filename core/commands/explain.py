"""`contralens explain METHOD`: run an explainer on a picture and write what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.commands.show import choose_device
from core.commands.show_sweep import show_sweep
from core.errors import UserError

if TYPE_CHECKING:  # torch is loaded when a command runs, not when --help does
    from core.images.picture import Picture, Prepared
    from core.studies.study import Study

Image = Annotated[Path, typer.Argument(help="A picture: PNG, JPEG, WebP, TIFF, BMP or DICOM.")]
StudyName = Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")]
Target = Annotated[str | None, typer.Option(help="The finding, or the class; by default the first, or the likeliest.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the pictures and the numbers.")]
Frame = Annotated[int, typer.Option(help="Frame of a multi-frame file.")]
Face = Annotated[int | None, typer.Option(help="Which face, when there are several.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Anyway = Annotated[bool, typer.Option(help="Go on even when the picture does not look like the study's kind.")]
Json = Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")]

app = typer.Typer(help="Explain what a classifier says of a picture.", no_args_is_help=True)


@app.callback()
def methods() -> None:
    """Explain what a classifier says of a picture."""


def open_upload(
    image: Path, study: str, device: str, frame: int, face: int | None, anyway: bool
) -> tuple[Study, Picture, Prepared]:
    """The study, the picture, and the picture as the study sees it. Raises UserError when the gate turns it away."""
    from core.images.read import read_picture
    from core.studies import open_study

    opened = open_study(study, choose_device(device))
    picture = read_picture(image, frame=frame)
    prepared = opened.prepare(picture, face=face)
    gate = opened.gate(prepared, picture)
    if not gate.ok and not anyway:
        raise UserError(f"{image.name}: {gate.sentence} Pass --anyway to go on nevertheless.")
    return opened, picture, prepared


@app.command()
def exaggeration(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    mode: Annotated[str, typer.Option(help="calibrated or direct.")] = "calibrated",
    head: Annotated[str | None, typer.Option(help="paper, residual or morph; by default the study's first.")] = None,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """Progressive Exaggeration: the picture as the classifier would call it less, and more, of a finding."""
    opened, picture, prepared = open_upload(image, study, device, frame, face, anyway)
    if not opened.knobs:
        raise UserError(f"{opened.title} has no trained knob.")
    sweep = opened.explain("exaggeration", prepared, target=target or opened.knobs[0], mode=mode, head=head)
    show_sweep(sweep, opened, picture, face, out, as_json)
