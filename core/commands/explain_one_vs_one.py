"""`contralens explain one-vs-one`: why this class and not that one, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.commands.explain import Upload, app
from core.commands.shared import Seed, with_options
from core.commands.show import print_json

if TYPE_CHECKING:  # torch is loaded when the command runs, not when --help does
    from core.explainers.results import Attribution


@app.command("one-vs-one")
@with_options(Upload, omit=("target",), study="digits")
def one_vs_one(
    upload: Upload,
    choice: Annotated[str | None, typer.Option(help="Which of the study's choices; by default its first.")] = None,
    origin: Annotated[
        str | None, typer.Option("--from", help="The class to explain; by default the likeliest.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--to", help="The class it is asked against; by default the likeliest other one.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="ig, deeplift, occlusion, deepshap, eg or gradient; repeatable. Default: ig."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="ganmex, mdts, expected, mean, blur, zero or max; repeatable. Default: ganmex."),
    ] = None,
    score: Annotated[str, typer.Option(help="contrast: one class's logit minus the other's; own: the class's.")] = (
        "contrast"
    ),
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of ig to each baseline (default 128), of eg in all (default 256).")
    ] = None,
    seed: Seed = 0,
) -> None:
    """One against one: a signed map of what speaks for a class and against another, for every baseline and method."""
    from core.attributions.methods import METHODS
    from core.explainers.map_figure import shared_limit
    from core.images.animate import NOTICE

    opened, _, prepared = upload.open()
    out = upload.out
    maps = [
        opened.explain(
            "one-vs-one", prepared, target=against or "", choice=choice, origin=origin, baseline=b, method=m,
            score=score, seed=seed, steps=steps,
        )
        for b in dict.fromkeys(baseline or ["ganmex"])
        for m in dict.fromkeys(method or ["ig"])
    ]  # fmt: skip
    limits = {kind: shared_limit([a.flat for a in maps if _scale(a) == kind]) for kind in {_scale(a) for a in maps}}
    numbers = {"maps": [a.to_dict() | {"scale": limits[_scale(a)]} for a in maps]}
    if out is not None:
        _write(out, maps, limits, numbers)
    if upload.as_json:
        print_json(numbers)
        return
    first = maps[0]
    asked = [f"{name} {first.posterior[first.classes.index(name)]:.3f}" for name in (first.origin, first.target)]
    print(f"why {first.origin} and not {first.target}: the classifier says {', '.join(asked)}")
    for a in maps:
        there = a.baseline_posterior[a.classes.index(a.target)]
        total = f"the map sums to {a.change + a.residual:+.3f}" if METHODS[a.method].complete else "no sum rule"
        print(
            f"  {a.baseline:<9} {a.method:<10} the baseline is {a.target} {there:.3f}; S changes by {a.change:+.3f}, "
            + total
        )
    if out is not None:
        print(f"written to {out}")
    print(NOTICE)


def _scale(a: Attribution) -> str:
    """Maps that share a scale of colours: those in logits a pixel; the plain gradient has other units."""
    return "gradient" if a.method == "gradient" else "logits"


def _write(out: Path, maps: list[Attribution], limits: dict[str, float], numbers: dict[str, Any]) -> None:
    """BASELINE-METHOD.png of every map, BASELINE.png of what it was compared with, result.json."""
    from core.explainers.map_figure import baseline_figure, map_figure

    out.mkdir(parents=True, exist_ok=True)
    for a in maps:
        (out / f"{a.baseline}-{a.method}.png").write_bytes(map_figure(a, limits[_scale(a)]))
        (out / f"{a.baseline}.png").write_bytes(baseline_figure(a))
    (out / "result.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
