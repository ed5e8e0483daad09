"""`contralens ablate`: train and measure Progressive Exaggeration over a grid of settings, such as its loss weights."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from core.commands.shared import Data, Device, Labels, Seed, StudyName, Threads, a_folder, above_zero, json_object
from core.commands.show import Bar, choose_device, print_json
from core.errors import UserError


def ablate(
    study: StudyName,
    data: Data,
    target: Annotated[str, typer.Option(help="The classifier's target the knob turns.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the cells and the table; the same folder goes on.", callback=a_folder)
    ],
    labels: Labels = None,
    grid: Annotated[
        str,
        typer.Option(help="`weights`, the ten rows of the paper's Table 6, or a TOML file of \\[cells.NAME] tables."),
    ] = "weights",
    head: Annotated[
        str, typer.Option(help="paper, residual or morph; for the last two `rec` weighs the cycle alone.")
    ] = "paper",
    base: Annotated[int, typer.Option(min=1, help="Channels at half resolution.")] = 24,
    batch: Annotated[int, typer.Option(min=2, help="Pictures a step.")] = 32,
    options: Annotated[
        str, typer.Option(help='JSON of further settings of all cells, such as {"critic_base": 8}.')
    ] = "{}",
    minutes: Annotated[
        float | None,
        typer.Option(help="Time limit of one cell; `--steps` compares cells more fairly.", callback=above_zero),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of one cell; repeats with the same seed.")] = None,
    split: Annotated[str, typer.Option(help="The held-out split to measure on: val or test.")] = "test",
    pictures: Annotated[int, typer.Option(min=2, help="Measure on at most so many of its pictures.")] = 200,
    cache: Annotated[Path | None, typer.Option(help="Where decoded pictures are kept; default: inside --out.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    record: Annotated[
        bool, typer.Option("--record", help="Put the table into the study's metrics.json when all cells have run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON, with intervals.")] = False,
) -> None:
    """Train and measure a knob for every cell of a grid, by default the ablation of the paper's loss weights.

    Finished cells are kept: after Ctrl-C the same command goes on with the others.
    """
    import torch

    from core.data.layouts import open_table
    from core.data.packed import packed_images
    from core.evaluation.cohort import Cohort, Options
    from core.evaluation.record import record as record_table
    from core.evaluation.summary_ablation import markdown
    from core.networks.exaggerator import HEADS
    from core.studies import open_study
    from core.training.ablation import Bench, run_ablation
    from core.training.grid import changed, read_grid, with_head
    from core.training.knob_settings import ExaggeratorTraining
    from core.training.loop import Budget
    from core.training.recipes import SHAPES
    from core.training.source import Source

    if minutes is None and steps is None:
        raise UserError("Say how long to train each cell: --minutes M or --steps N.")
    if head not in HEADS:
        raise UserError(f"There is no head '{head}'; choose one of {', '.join(HEADS)}.")
    if split not in ("val", "test"):
        raise UserError("Cells are trained on split 'train', so they are measured on another: val or test.")
    cells, opened, place = read_grid(grid), open_study(study), choose_device(device)
    if opened.modality not in SHAPES:
        raise UserError(f"Knobs are trained for {' and '.join(SHAPES)} pictures, not for {opened.modality} pictures.")
    f = (opened if place == "cpu" else open_study(study, place)).blackbox(target)
    if threads:
        torch.set_num_threads(threads)
    shape = replace(SHAPES[opened.modality], base=base, size=opened.size, channels=opened.channels, **with_head(head))
    training = ExaggeratorTraining(batch=batch, flip=opened.modality == "face", seed=seed)
    shape, training = changed(shape, training, json_object(options, "--options"), "--options")
    cells.settings(shape, training)  # raises before pictures are read, which may take minutes

    bar, cache = Bar(), cache or out / "cache"
    table = open_table(data, labels)
    rows = table.split(split)
    if not len(rows):
        raise UserError(f"The label file has no rows in split '{split}'.")
    images = packed_images(rows, opened.modality, opened.size, cache, progress=partial(bar.named, "reading"))
    chosen = Options(split=split, pictures=pictures, seed=seed)
    bench = Bench(
        Cohort(opened, table, rows, images, cache, chosen, bar.named),
        Source(data, labels, opened.modality, opened.size, cache), f, target, shape, training,
        Budget(steps=steps, minutes=minutes), place,
    )  # fmt: skip
    try:
        found = run_ablation(cells, bench, out, bar.named)
    except KeyboardInterrupt:
        bar.close()
        print(f"interrupted; what is finished is in {out}, and the same command goes on with the rest", file=sys.stderr)
        raise typer.Exit(130) from None
    bar.close()
    print_json(found) if as_json else print(markdown(found, target))
    written = [out / "ablation.md", out / "ablation.csv", out / "ablation.json"]
    if all("failed" in row for row in found["rows"]):
        print(f"no cell could be measured; written: {written[0]}", file=sys.stderr)
        raise typer.Exit(1)
    if record:
        written.append(record_table(opened, "ablation", target, found))
    if not as_json:
        print(f"\nwritten: {', '.join(map(str, written))}")
