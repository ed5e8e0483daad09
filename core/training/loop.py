"""The one training loop: a budget in steps or minutes, saved states, progress, Ctrl-C, several GPUs.

A trainer is anything with `step(i, fraction) -> dict of numbers`, `state()`, `restore(state)` and
`sample(path)`. Under torchrun every process runs the same loop on its own share of the batches; trainers call
`average_gradients` after backward, which is data parallelism for any number of forward passes a step.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from core.errors import UserError

Progress = Callable[[int, int, dict[str, float]], None]


class Trainer(Protocol):
    """What the loop needs of a model in training."""

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One optimisation step; `fraction` in [0, 1] is how much of the budget is spent."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything `restore` needs, including random generators."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        ...

    def sample(self, path: Path) -> None:
        """Write a picture of how things stand."""
        ...


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps (reproducible), or minutes, or whichever ends first."""

    steps: int | None = None
    minutes: float | None = None
    save_every_minutes: float = 4.0


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `stop` is 'finished', 'interrupted' or 'time'."""

    steps: int
    seconds: float
    stop: str
    last: dict[str, float]


def run(
    trainer: Trainer, budget: Budget, folder: Path, *, resume: bool = False, progress: Progress | None = None,
    settings: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Train until the budget is spent or Ctrl-C; the state in `folder` is current whichever comes first.

    With minutes alone, the speed of the first steps fixes the number of steps, which is reported: training
    again with that number and the same seed repeats the run. settings: kept with the state, so that it is not gone on
    with as something else. Raises UserError when the state in `folder` has other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / "state.pt"
    first, total, spent = 0, budget.steps, 0.0
    if resume and state_file.is_file():
        saved = torch.load(state_file, map_location="cpu", weights_only=False)  # our own file, not a user's
        _same(saved.get("settings"), settings, state_file)
        trainer.restore(saved["trainer"])
        first, spent = saved["step"], saved["seconds"]
        total = total or saved["total"]
        if budget.steps is None and total is not None and first >= total:
            total = None  # it had finished; the new minutes are for going on
    limit = None if budget.minutes is None else budget.minutes * 60 + spent
    start = time.monotonic() - spent
    last_save, last, index, stop = time.monotonic(), {}, first, "finished"

    def save() -> None:
        if is_main():
            part = state_file.with_suffix(".part")
            spent = time.monotonic() - start
            torch.save(
                {"trainer": trainer.state(), "step": index, "seconds": spent, "total": total, "settings": settings},
                part,
            )
            part.replace(state_file)
            trainer.sample(folder / "samples.png")

    warmup, mark = 12, (first, time.monotonic())
    try:
        while total is None or index < total:
            elapsed = time.monotonic() - start
            if limit is not None and _agree(elapsed > limit * 1.02):
                stop = "time"
                break
            if index - first == 3:
                mark = (index, time.monotonic())  # the first steps pay for compilation and caches
            if total is None and limit is not None and index - first == warmup:
                speed = (time.monotonic() - mark[1]) / (index - mark[0])
                total = _agree_number(max(warmup + 1, index + int((limit - elapsed) / speed)))
            # A machine that slows down must not cut the schedule short: the clock counts when it is ahead.
            fraction = max(index / total if total else 0.0, elapsed / limit if limit else 0.0)
            last = trainer.step(index, min(1.0, fraction))
            index += 1
            if progress is not None and is_main():
                progress(index, total or 0, last)
            if time.monotonic() - last_save > budget.save_every_minutes * 60:
                save()
                last_save = time.monotonic()
    except KeyboardInterrupt:
        stop = "interrupted"
    save()
    return Outcome(index, time.monotonic() - start, stop, last)


def _same(before: dict[str, Any] | None, now: dict[str, Any] | None, file: Path) -> None:
    """Raises UserError for the first setting that differs; states that say nothing of theirs are taken as they are."""
    if before is None or now is None:
        return
    for name in sorted({*before, *now}):
        a, b = before.get(name), now.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            _same(a, b, file)
        elif _plain(a) != _plain(b):
            raise UserError(
                f"{file} is of another training ({name} was {_plain(a)} and is {_plain(b)}); resume it with the same "
                "settings, or begin in another folder (--init takes weights over)."
            )


def _plain(value: Any) -> str:
    """As it is after a trip through JSON, where a tuple is a list."""
    return json.dumps(value, default=str, sort_keys=True)


def is_main() -> bool:
    """Whether this process writes files and reports."""
    return not dist.is_initialized() or dist.get_rank() == 0


def start_processes(device: str) -> torch.device:
    """Join the group torchrun set up, if it did, and return this process's device."""
    if "RANK" in os.environ:
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        if device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device(device)


def world() -> tuple[int, int]:
    """(rank, number of processes)."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average gradients over processes; without a group, nothing."""
    if not dist.is_initialized():
        return
    gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()


def _agree(flag: bool) -> bool:
    return bool(_agree_number(int(flag)))


def _agree_number(number: int) -> int:
    """The main process's number, on every process."""
    if not dist.is_initialized():
        return number
    box = torch.tensor(number)
    box = box.cuda() if dist.get_backend() == "nccl" else box
    dist.broadcast(box, 0)
    return int(box)


class EMA:
    """A running average of a module's weights, buffers copied (an average of counts makes no sense).

    The decay ramps up, so that a short run is not an average of its beginning.
    """

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        import copy

        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the module's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.module.parameters()), list(module.parameters()), 1 - decay)
        for kept, now in zip(self.module.buffers(), module.buffers(), strict=True):
            kept.copy_(now)
