"""`contralens explain fido|bbmp|extremal`: masks from the command line."""

from __future__ import annotations

import json
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
from core.commands.show import Bar, print_json
from core.errors import UserError

InfillName = Annotated[str, typer.Option(help="mean, blur, random, local, vae or ca, as far as the study has it.")]
Preset = Annotated[str, typer.Option(help="paper: the published number of steps; quick: a tenth of the work.")]
Answer = Annotated[str, typer.Option(help="Explain what is 'predicted', or that the finding is 'present' or 'absent'.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32, help="Seed of everything random.")]


@app.command()
def fido(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    kind: Annotated[str, typer.Option(help="ssr: what alone suffices; sdr: what, hidden, destroys.")] = "ssr",
    infill: InfillName = "ca",
    sparsity: Annotated[float, typer.Option(help="Log-odds that a region of the whole picture costs.")] = 10.0,
    area: Annotated[float | None, typer.Option(help="Wanted share of the picture, in place of a sparsity.")] = None,
    hard_edges: Annotated[bool, typer.Option(help="Never show the classifier half-hidden pixels.")] = False,
    grain: Annotated[str, typer.Option(help="grid, or pixel as in the released code.")] = "grid",
    preset: Preset = "paper",
    answer: Answer = "predicted",
    seed: Seed = 0,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """FIDO: the smallest region that suffices for the answer, or that destroys it, with learned infills."""
    options = {"sparsity": sparsity, "area": area, "hard_edges": hard_edges, "grain": grain}
    _mask("fido", image, study, target, out, kind, infill, preset, answer, seed, frame, face, device, anyway, as_json,
          options)  # fmt: skip


@app.command()
def bbmp(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    kind: Annotated[str, typer.Option(help="deletion or preservation.")] = "deletion",
    infill: InfillName = "blur",
    preset: Preset = "paper",
    answer: Answer = "predicted",
    seed: Seed = 0,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """BBMP: one smooth mask that deletes the evidence for the answer, or preserves it."""
    _mask("bbmp", image, study, target, out, kind, infill, preset, answer, seed, frame, face, device, anyway, as_json)


@app.command()
def extremal(
    image: Image,
    study: StudyName = "chest-xray",
    target: Target = None,
    out: Out = None,
    kind: Annotated[str, typer.Option(help="preserve or delete.")] = "preserve",
    infill: InfillName = "blur",
    areas: Annotated[str, typer.Option(help="Shares of the picture, comma-separated; by default the preset's.")] = "",
    preset: Preset = "paper",
    answer: Answer = "predicted",
    seed: Seed = 0,
    frame: Frame = 0,
    face: Face = None,
    device: Device = "auto",
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """Extremal perturbation: of all smooth regions of an area, the one that keeps the answer best."""
    try:
        shares = tuple(float(a) for a in areas.split(",")) if areas else ()
    except ValueError:
        raise UserError(f"--areas takes numbers separated by commas, not '{areas}'.") from None
    _mask("extremal", image, study, target, out, kind, infill, preset, answer, seed, frame, face, device, anyway,
          as_json, {"areas": shares} if shares else None)  # fmt: skip


def _mask(
    method: str, image: Path, study: str, target: str | None, out: Path | None, kind: str, infill: str, preset: str,
    answer: str, seed: int, frame: int, face: int | None, device: str, anyway: bool, as_json: bool,
    options: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    from core.explainers.mask_figure import mask_figure, mask_picture
    from core.explainers.presets import preset as steps
    from core.images.animate import NOTICE

    opened, _, prepared = open_upload(image, study, device, frame, face, anyway)
    chosen = target or next(iter(opened.predict(prepared)))
    bar = Bar()
    try:
        result = opened.explain(
            method, prepared, target=chosen, kind=kind, infill=infill, answer=answer, seed=seed,
            progress=lambda done, of: bar.named(method, done, of), **(steps(preset, method) | (options or {})),
        )  # fmt: skip
    finally:
        bar.close()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{method}.png").write_bytes(mask_figure(result, prepared))
        (out / f"{method}-mask.png").write_bytes(mask_picture(result))
        (out / f"{method}.json").write_text(json.dumps(result.to_dict(), indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(result.to_dict())
        return
    print(f"{chosen}: f = {result.query:.3f}; {result.provenance.stop}")
    print("  f of each filled sample: " + ", ".join(f"{p:.3f}" for p in result.after))
    for share, p in result.ladder:
        print(f"  area {share:.2f}: f says {p:.3f}")
    if out is not None:
        print(f"written to {out}")
    print(NOTICE)
