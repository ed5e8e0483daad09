"""`contralens explain xgem|latent-shift`: sweeps on an autoencoder's manifold from the command line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.commands.explain import Upload, app, explain_with_bar
from core.commands.shared import with_options
from core.commands.show_sweep import show_sweep


@app.command()
@with_options(Upload)
def xgem(
    upload: Upload,
    fidelity: Annotated[float, typer.Option(help="Nats that a mean squared difference of 1 costs.")] = 10.0,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 60,
) -> None:
    """xGEM: the nearest pictures on an autoencoder's manifold that the classifier answers as asked."""
    _latent("xgem", upload, fidelity=fidelity, steps=steps)


@app.command("latent-shift")
@with_options(Upload)
def latent_shift(
    upload: Upload,
    form: Annotated[str, typer.Option(help="published, or residual: added to the picture itself.")] = "published",
    change: Annotated[
        float, typer.Option(help="The search ends at a mean change of this share of the mean brightness.")
    ] = 0.05,
) -> None:
    """Latent Shift (Gifsplanation): the picture's code moved along the classifier's gradient."""
    _latent("latent-shift", upload, form=form, change=change)


def _latent(method: str, upload: Upload, **options: Any) -> None:
    opened, picture, prepared = upload.open()
    target = upload.target or next(iter(opened.predict(prepared)))
    sweep = explain_with_bar(opened, method, prepared, target=target, **options)
    show_sweep(sweep, opened, picture, upload.face, upload.out, upload.as_json)
