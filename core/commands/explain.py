"""`contralens explain METHOD`: run an explainer on a picture and write what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.commands.show import choose_device, print_json
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
    from PIL import Image

    from core.explainers.render import full_picture
    from core.images import animate

    opened, picture, prepared = open_upload(image, study, device, frame, face, anyway)
    if not opened.knobs:
        raise UserError(f"{opened.title} has no trained knob.")
    sweep = opened.explain("exaggeration", prepared, target=target or opened.knobs[0], mode=mode, head=head)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        captions = [f"asked {r:.2f}  f = {a:.2f}" for r, a in zip(sweep.requested, sweep.achieved, strict=True)]
        (out / "sweep.gif").write_bytes(animate.gif(sweep.views, captions))
        (out / "sweep.webp").write_bytes(animate.webp(sweep.views, captions))
        (out / "sweep.png").write_bytes(animate.apng(sweep.views, captions))
        picked = sweep.evenly(7)
        (out / "strip.png").write_bytes(animate.strip(sweep.views[picked], [captions[i] for i in picked]))
        Image.fromarray(
            full_picture(picture, opened.prepare(picture, face=face, full=True), sweep, len(captions) - 1)
        ).save(out / "most.png")
        (out / "sweep.json").write_text(json.dumps(sweep.to_dict(), indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(sweep.to_dict())
        return
    print(f"{sweep.target}: f = {sweep.query:.3f}; {sweep.provenance.stop}")
    for i, (wanted, got) in enumerate(zip(sweep.requested, sweep.achieved, strict=True)):
        witness = "" if sweep.witness is None else f"   independent network {sweep.witness[i]:.3f}"
        mark = "  <- the picture itself" if i == sweep.origin else ""
        print(f"  asked {wanted:.2f}   f says {got:.3f}{witness}{mark}")
    if out is not None:
        print(f"written to {out}")
    print(animate.NOTICE)
