"""`contralens explain fido|bbmp|extremal`: masks from the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from core.commands.explain import Upload, app, explain_with_bar
from core.commands.shared import Seed, with_options
from core.commands.show import print_json
from core.errors import UserError


@dataclass(frozen=True)
class MaskUpload(Upload):
    """What all mask explainers are told besides."""

    infill: Annotated[
        str | None,
        typer.Option(
            help="mean, blur, random, local, vae or ca, as far as the study has it; by default ca for FIDO where the "
            "study has one, else blur."
        ),
    ] = None
    preset: Annotated[str, typer.Option(help="paper: the published number of steps; quick: a tenth of the work.")] = (
        "paper"
    )
    answer: Annotated[
        str, typer.Option(help="Explain what is 'predicted', or that the finding is 'present' or 'absent'.")
    ] = "predicted"
    seed: Seed = 0


@app.command()
@with_options(MaskUpload)
def fido(
    upload: MaskUpload,
    kind: Annotated[str, typer.Option(help="ssr: what alone suffices; sdr: what, hidden, destroys.")] = "ssr",
    sparsity: Annotated[float, typer.Option(help="Log-odds that a region of the whole picture costs.")] = 10.0,
    area: Annotated[float | None, typer.Option(help="Wanted share of the picture, in place of a sparsity.")] = None,
    hard_edges: Annotated[bool, typer.Option(help="Never show the classifier half-hidden pixels.")] = False,
    grain: Annotated[str, typer.Option(help="grid, or pixel as in the released code.")] = "grid",
) -> None:
    """FIDO: the smallest region that suffices for the answer, or that destroys it, with learned infills."""
    _mask("fido", upload, kind, sparsity=sparsity, area=area, hard_edges=hard_edges, grain=grain)


@app.command()
@with_options(MaskUpload)
def bbmp(
    upload: MaskUpload,
    kind: Annotated[str, typer.Option(help="deletion or preservation.")] = "deletion",
) -> None:
    """BBMP: one smooth mask that deletes the evidence for the answer, or preserves it."""
    _mask("bbmp", upload, kind)


@app.command()
@with_options(MaskUpload)
def extremal(
    upload: MaskUpload,
    kind: Annotated[str, typer.Option(help="preserve or delete.")] = "preserve",
    areas: Annotated[str, typer.Option(help="Shares of the picture, comma-separated; by default the preset's.")] = "",
) -> None:
    """Extremal perturbation: of all smooth regions of an area, the one that keeps the answer best."""
    try:
        shares = tuple(float(a) for a in areas.split(",")) if areas else ()
    except ValueError:
        raise UserError(f"--areas takes numbers separated by commas, not '{areas}'.") from None
    _mask("extremal", upload, kind, **({"areas": shares} if shares else {}))


def _mask(method: str, upload: MaskUpload, kind: str, **options: Any) -> None:
    from core.explainers.mask_figure import mask_figure, mask_picture
    from core.explainers.presets import preset as steps
    from core.images.animate import NOTICE

    opened, _, prepared = upload.open()
    out, chosen = upload.out, upload.target or next(iter(opened.predict(prepared)))
    usual = "ca" if method == "fido" and "ca" in opened.infills else "blur"
    result = explain_with_bar(
        opened, method, prepared, target=chosen, kind=kind, infill=upload.infill or usual, answer=upload.answer,
        seed=upload.seed, **(steps(upload.preset, method) | options),
    )  # fmt: skip
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{method}.png").write_bytes(mask_figure(result, prepared))
        (out / f"{method}-mask.png").write_bytes(mask_picture(result))
        (out / f"{method}.json").write_text(json.dumps(result.to_dict(), indent=1) + "\n", encoding="utf-8")
    if upload.as_json:
        print_json(result.to_dict())
        return
    print(f"{chosen}: f = {result.query:.3f}; {result.provenance.stop}")
    print("  f of each filled sample: " + ", ".join(f"{p:.3f}" for p in result.after))
    for share, p in result.ladder:
        print(f"  area {share:.2f}: f says {p:.3f}")
    if out is not None:
        print(f"written to {out}")
    print(NOTICE)
