"""`contralens explain METHOD`: run an explainer on a picture and write what it found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.commands.shared import Device, StudyName, a_folder, with_options
from core.commands.show import Bar, choose_device, prepare_file
from core.commands.show_sweep import show_sweep
from core.errors import UserError

if TYPE_CHECKING:  # torch is loaded when a command runs, not when --help does
    from core.images.picture import Picture, Prepared
    from core.studies.study import Study

app = typer.Typer(help="Explain what a classifier says of a picture.", no_args_is_help=True)


@dataclass(frozen=True)
class Upload:
    """The options that all explainers share: a picture, what to ask of it, and where the answer goes."""

    image: Annotated[Path, typer.Argument(help="A picture: PNG, JPEG, WebP, TIFF, BMP or DICOM.")]
    study: StudyName = "chest-xray"
    target: Annotated[
        str | None, typer.Option(help="The finding, or the class; by default the first, or the likeliest.")
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures and the numbers.", callback=a_folder)] = None
    frame: Annotated[int, typer.Option(help="Frame of a multi-frame file.")] = 0
    face: Annotated[int | None, typer.Option(help="Which face, when there are several.")] = None
    device: Device = "auto"
    anyway: Annotated[bool, typer.Option(help="Go on even when the picture does not look like the study's kind.")] = (
        False
    )
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False

    def open(self) -> tuple[Study, Picture, Prepared]:
        """The study, the picture, and what the study sees of it. Raises UserError when the gate turns it away."""
        from core.images.read import read_picture
        from core.studies import open_study

        opened = open_study(self.study, choose_device(self.device))
        picture = read_picture(self.image, frame=self.frame)
        prepared = prepare_file(opened, picture, self.image, self.face)
        gate = opened.gate(prepared, picture)
        if not gate.ok and not self.anyway:
            raise UserError(f"{self.image.name}: {gate.sentence} Pass --anyway to go on nevertheless.")
        return opened, picture, prepared


def explain_with_bar(opened: Study, method: str, prepared: Prepared, **options: Any) -> Any:
    """The explainer's result, with progress on stderr."""
    bar = Bar()
    try:
        return opened.explain(method, prepared, progress=lambda done, of: bar.named(method, done, of), **options)
    finally:
        bar.close()


@app.callback()
def methods() -> None:
    """Explain what a classifier says of a picture."""


@app.command()
@with_options(Upload)
def exaggeration(
    upload: Upload,
    mode: Annotated[str, typer.Option(help="calibrated or direct.")] = "calibrated",
    head: Annotated[str | None, typer.Option(help="paper, residual or morph; by default the study's first.")] = None,
) -> None:
    """Progressive Exaggeration: the picture as the classifier would call it less, and more, of a finding."""
    opened, picture, prepared = upload.open()
    if not opened.knobs:
        raise UserError(f"{opened.title} has no trained knob.")
    sweep = opened.explain("exaggeration", prepared, target=upload.target or opened.knobs[0], mode=mode, head=head)
    show_sweep(sweep, opened, picture, upload.face, upload.out, upload.as_json)
