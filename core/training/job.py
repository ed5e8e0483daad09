"""How any training runs, whatever is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.data.table import LabelledTable
from core.training.loop import Budget, Outcome, Progress, Trainer, run, start_processes
from core.training.source import Source


@dataclass(frozen=True)
class Job:
    """For how long, into which folder, on which device, and who is told. resume: go on from the state in `out`."""

    budget: Budget
    out: Path
    device: str = "cpu"
    resume: bool = False
    progress: Progress | None = None

    def place(self) -> torch.device:
        """This process's device; under torchrun, its own GPU."""
        return start_processes(self.device)

    def run(self, trainer: Trainer, about: dict[str, Any]) -> Outcome:
        """Train until the budget is spent or Ctrl-C. about: all settings, which a resumed training must share."""
        return run(trainer, self.budget, self.out, resume=self.resume, progress=self.progress, settings=about)

    def record(self, outcome: Outcome, source: Source, rows: LabelledTable, **about: Any) -> None:
        """Write `training.json`: how it ended, on which pictures, and all settings in `about`."""
        record = {"steps": outcome.steps, "seconds": round(outcome.seconds, 1), "stop": outcome.stop, **about}
        record |= {"data": rows.describe(), "where": source.where}
        (self.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
