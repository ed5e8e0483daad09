"""`contralens explain xgem|latent-shift`: sweeps on an autoencoder's manifold from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands.explain import (
    Anyway,
    Device,
    Face,
    Frame,
    Image,
    Json,
    Out,
    StudyName,
    Target,
    app,
    open_upload,
)
from core.commands.show import Bar
from core.commands.show_sweep import show_sweep


@app.command()
def xgem(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    fidelity: Annotated[float, typer.Option(help="Nats that a mean squared difference of 1 costs.")] = 10.0,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 60,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """xGEM: the nearest pictures on an autoencoder's manifold that the classifier answers as asked."""
    options = {"fidelity": fidelity, "steps": steps}
    _latent("xgem", image, study, target, out, frame, face, device, anyway, as_json, options)


@app.command("latent-shift")
def latent_shift(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    form: Annotated[str, typer.Option(help="published, or residual: added to the picture itself.")] = "published",
    change: Annotated[
        float, typer.Option(help="The search ends at a mean change of this share of the mean brightness.")
    ] = 0.05,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """Latent Shift (Gifsplanation): the picture's code moved along the classifier's gradient."""
    options = {"form": form, "change": change}
    _latent("latent-shift", image, study, target, out, frame, face, device, anyway, as_json, options)


def _latent(
    method: str, image: Path, study: str, target: str | None, out: Path | None, frame: int, face: int | None,
    device: str, anyway: bool, as_json: bool, options: dict[str, Any],
) -> None:  # fmt: skip
    opened, picture, prepared = open_upload(image, study, device, frame, face, anyway)
    bar = Bar()
    try:
        sweep = opened.explain(
            method, prepared, target=target or next(iter(opened.predict(prepared))),
            progress=lambda done, of: bar.named(method, done, of), **options,
        )  # fmt: skip
    finally:
        bar.close()
    show_sweep(sweep, opened, picture, face, out, as_json)
