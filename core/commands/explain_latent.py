"""`contralens explain xgem|latent-shift`: sweeps on an autoencoder's manifold from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from core.commands.show import Bar, print_json

if TYPE_CHECKING:  # torch is loaded when a command runs, not when --help does
    from core.explainers.results import Sweep
    from core.images.picture import Picture
    from core.studies.study import Study


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


def show_sweep(sweep: Sweep, study: Study, picture: Picture, face: int | None, out: Path | None, as_json: bool) -> None:
    """Write a sweep's animations, strip, last frame and numbers to `out`, and print its numbers."""
    from PIL import Image

    from core.explainers.render import full_picture
    from core.images import animate

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        captions = [f"asked {r:.2f}  f = {a:.2f}" for r, a in zip(sweep.requested, sweep.achieved, strict=True)]
        for name, write in (("gif", animate.gif), ("webp", animate.webp), ("png", animate.apng)):
            (out / f"sweep.{name}").write_bytes(write(sweep.views, captions))
        picked = sweep.evenly(7)
        (out / "strip.png").write_bytes(animate.strip(sweep.views[picked], [captions[i] for i in picked]))
        whole = study.prepare(picture, face=face, full=True)
        Image.fromarray(full_picture(picture, whole, sweep, len(captions) - 1)).save(out / "most.png")
        (out / "sweep.json").write_text(json.dumps(sweep.to_dict(), indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(sweep.to_dict())
        return
    print(f"{sweep.target}: f = {sweep.query:.3f}; {sweep.provenance.stop}")
    for i, (wanted, got) in enumerate(zip(sweep.requested, sweep.achieved, strict=True)):
        witness = "" if sweep.witness is None else f"   independent network {sweep.witness[i]:.3f}"
        itself = "  <- the picture itself" if sweep.exact else "  <- its reconstruction"
        print(f"  asked {wanted:.2f}   f says {got:.3f}{witness}{itself if i == sweep.origin else ''}")
    if out is not None:
        print(f"written to {out}")
    print(animate.NOTICE)
