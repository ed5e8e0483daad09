"""What every `contralens train MODEL` is told, and what follows from it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from core.commands.shared import Data, Device, Labels, Seed, StudyName, Threads, a_folder, above_zero, end, json_object
from core.commands.show import Bar, choose_device
from core.errors import UserError

if TYPE_CHECKING:
    from core.training.loop import Budget, Outcome
    from core.training.source import Source

T = TypeVar("T")
Settings = Annotated[
    str, typer.Option("--options", help='JSON of further training settings, such as {"rate": 0.0005}.')
]


@dataclass(frozen=True)
class Request:
    """The options that all trainers share, and what follows from them."""

    study: StudyName
    data: Data
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the checkpoint, its state and its record; decoded pictures go to `cache` beside it.",
            callback=a_folder,
        ),
    ]
    labels: Labels = None
    minutes: Annotated[
        float | None,
        typer.Option(help="Time limit; the speed of the first steps fixes how many there are.", callback=above_zero),
    ] = None
    steps: Annotated[int | None, typer.Option(help="Number of steps; repeats exactly with the same seed.")] = None
    size: Annotated[int | None, typer.Option(min=28, help="Side of the pictures in pixels, where not the study's.")] = (
        None
    )
    where: Annotated[
        str | None, typer.Option(help="Keep only rows with column=value[,value]; & joins conditions, | alternatives.")
    ] = None
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = 0
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")] = False

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """The [study] table of study.toml."""
        from core.studies import open_study

        about: dict[str, Any] = open_study(self.study).settings["study"]
        return about

    @property
    def flip(self) -> bool:
        """Whether a mirrored picture is as good as the picture: a heart has its side, a face has none."""
        return bool(self.about["modality"] == "face")

    @property
    def source(self) -> Source:
        """The training pictures."""
        from core.training.source import Source

        cache = self.out.parent / "cache"
        return Source(
            self.data, self.labels, self.about["modality"], self.size or self.about["size"], cache, self.where
        )

    def budget(self, least: int = 1) -> Budget:
        """How long to train. Raises UserError when nobody said, and for fewer steps than `least`."""
        from core.training.loop import Budget

        if self.minutes is None and self.steps is None:
            raise UserError("Say how long to train: --minutes M or --steps N.")
        if self.steps is not None and self.steps < least:
            raise UserError(f"--steps takes a number of steps above 0, not {self.steps}.")
        return Budget(steps=self.steps, minutes=self.minutes)

    @property
    def place(self) -> str:
        """The device to train on."""
        return choose_device(self.device)

    def settings(self, kind: type[T], options: str, **defaults: Any) -> T:
        """A trainer's settings out of --options. Raises UserError for what is no JSON object of such settings."""
        from core.training.values import check_values

        given = json_object(options, "--options")
        kinds = {f.name: str(f.type) for f in fields(kind)}  # type: ignore[arg-type]
        check_values(given, kinds, "--options")
        return kind(**({"seed": self.seed} | defaults | given))

    def train(self, recipe: Callable[..., T], *arguments: Any, least: int = 1, **more: Any) -> T:
        """Run a recipe of core/training/recipes.py, which takes these arguments and a job, under a progress bar.

        least: the fewest steps there is a use for.
        """
        from core.training.job import Job

        budget = self.budget(least)
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
        if self.resume and not (self.out / "state.pt").is_file():
            print(f"there is no state in {self.out} to go on from, so this begins anew", file=sys.stderr)
        bar = Bar()
        result = recipe(*arguments, Job(budget, self.out, self.place, self.resume, bar), **more)
        bar.close()
        return result


def print_outcome(outcome: Outcome, path: Path) -> None:
    """How a training ended, its last numbers, and what it wrote."""
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in outcome.last.items())
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {numbers}")
    print(f"written: {path}, samples.png beside it")
    end(outcome.stop)
