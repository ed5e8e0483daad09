"""`contralens evaluate`: measure a study on its held-out pictures and write metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.commands.shared import Device, Seed, a_folder
from core.commands.show import Bar, choose_device, print_json


def evaluate(
    study: Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for metrics.json; the study's own folder to update what it ships.", callback=a_folder
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV with a `file` column, one column a label, and `split` if known; not for idx files."),
    ] = None,
    measure: Annotated[
        str,
        typer.Option(
            help="comma-separated: classifier, references, gate, knobs, identity, rivals, infills, masks, one-vs-one, "
            "saliency, segmenter, heart, discrimination, pictures."
        ),
    ] = "",
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "test",
    pictures: Annotated[
        int, typer.Option(help="At most so many for what is costly: knobs, faces, infills, masks, maps.")
    ] = 500,
    heads: Annotated[str, typer.Option(help="Comma-separated: only these heads of the knobs; by default all.")] = "",
    targets: Annotated[
        str, typer.Option(help="Comma-separated: targets of the knobs (all by default) and masks (the first).")
    ] = "",
    masks: Annotated[
        Path | None, typer.Option(help="Folder with masks.csv (file, heart) and heart masks, for `masks`.")
    ] = None,
    preset: Annotated[str, typer.Option(help="quick or paper: steps of the mask explainers.")] = "quick",
    negatives: Annotated[
        list[Path] | None, typer.Option(help="Folder of other pictures the gate was trained against; repeatable.")
    ] = None,
    unseen: Annotated[
        list[Path] | None, typer.Option(help="Folder of pictures of a kind the gate never met; repeatable.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where decoded pictures are kept; default: inside --out.")] = None,
    engine: Annotated[
        str,
        typer.Option(
            help='local, or ray (pip install "contralens\\[cluster]"): where the pass over all pictures runs.'
        ),
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; without one, Ray runs on this machine.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False,
) -> None:
    """The papers' measures for a study, with bootstrap intervals."""
    from core.data.layouts import open_table
    from core.evaluation.study import MEASURES, evaluate_study
    from core.studies import open_study

    bar = Bar()
    metrics = evaluate_study(
        open_study(study, choose_device(device)), open_table(data, labels, missing_ok=True), out,
        measures=_names(measure) or MEASURES,
        split=split, pictures=pictures, heads=_names(heads), targets=_names(targets), cache=cache, seed=seed,
        negatives=tuple(negatives or ()), unseen=tuple(unseen or ()), masks=masks, speed=preset,
        engine=engine, address=address, report=bar.named,
    )  # fmt: skip
    bar.close()
    if as_json:
        print_json(metrics)
        return
    _print_failed(metrics.get("failed", []))
    asked = _names(measure) or MEASURES
    classifier = metrics if "classifier" in asked else {}  # what was measured before is in the file, and not news
    for target, report in classifier.get("classifier", {}).get("targets", {}).items():
        if not report["n"] or report["auc"]["value"] is None:
            print(f"{target}: not measurable, its labels are all alike or unknown (n = {report['n']})")
            continue
        auc, accuracy = report["auc"]["value"], report["accuracy"]["value"]
        print(f"{target}: AUC {auc:.3f}, accuracy {accuracy:.3f} (n = {report['n']})")
    for choice, report in classifier.get("choices", {}).items():
        if not report["n"]:
            print(f"{choice}: not measurable, no picture is known to belong to exactly one of its classes")
            continue
        print(f"{choice}: the likeliest class is right for {report['accuracy']['value']:.1%} (n = {report['n']})")
    for target, found in (metrics.get("knobs", {}) if "knobs" in asked else {}).items():
        if targets and target not in _names(targets):
            continue
        for head, report in found.items():
            if heads and head not in _names(heads):
                continue
            direct = report["direct"]
            print(
                f"knob {target}, {head}: error {direct['error']['value']:.3f}, "
                f"monotone {direct['monotone']['value']:.1%}, "
                f"> .9 {direct['top']['value']:.1%}, < .1 {direct['bottom']['value']:.1%}, "
                f"witness {direct.get('witness_ratio', {}).get('value', float('nan')):.2f}"
            )
    print(f"written: {out / 'metrics.json'}")


def _print_failed(failed: list[dict[str, str]], most: int = 10) -> None:
    from core.studies.lines import counted

    if failed:
        left = "was" if len(failed) == 1 else "were"
        print(f"{counted(len(failed), 'picture')} could not be read and {left} left out:")
    for one in failed[:most]:
        print(f"  {one['file']}: {one['why'].removeprefix(Path(one['file']).name + ': ')}")
    if len(failed) > most:
        print(f"  and {len(failed) - most} more; metrics.json lists them all")


def _names(text: str) -> tuple[str, ...]:
    return tuple(n.strip() for n in text.split(",") if n.strip())
