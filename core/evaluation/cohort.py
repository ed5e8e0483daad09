"""The held-out pictures of one evaluation, and what every measure of it needs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.data.packed import Images, packed_images
from core.data.table import LabelledTable
from core.evaluation.answers import Answers
from core.studies.study import Study

Report = Callable[[str, int, int], None]
REPORT = "report"  # folder inside --out for tables and charts beside metrics.json


@dataclass(frozen=True)
class Options:
    """What may be chosen about an evaluation.

    pictures: at most so many of the split for the costly measures; heads: only these heads of the knobs, 'xgem' and
    'latent-shift' among them, by default all; targets: of the masks, by default the study's first, and of the knobs and
    what they are compared with, by default all that have one; negatives: folders of other pictures for the gate, which
    learned from their `train` part; unseen: folders of kinds it never met; masks: folder of heart masks, see
    `organ_masks`; speed: preset of the mask explainers.
    """

    split: str = "test"
    pictures: int = 500
    heads: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    negatives: tuple[Path, ...] = ()
    unseen: tuple[Path, ...] = ()
    masks: Path | None = None
    speed: str = "quick"
    seed: int = 0


@dataclass(frozen=True)
class Cohort:
    """The rows of one split whose pictures can be read, their images, which are decoded as they are asked for
    (`images[rows]` is [n, C, S, S] uint8), and what the study's networks answer to them; the whole table they are from,
    and the options.
    """

    study: Study
    table: LabelledTable
    rows: LabelledTable
    images: Images | np.ndarray = field(repr=False)
    cache: Path
    options: Options
    report: Report
    answers: Answers = field(default_factory=Answers, repr=False)

    @property
    def about(self) -> dict[str, Any]:
        """What is written beside every number: the data, the split, the seed, the code."""
        options = self.options
        return {"data": self.rows.describe(), "split": options.split, "seed": options.seed, "commit": commit()}

    def progress(self, what: str) -> Callable[[int, int], None]:
        """The report of one named part."""
        return partial(self.report, what)

    def pack(self, rows: LabelledTable, size: int) -> np.ndarray:
        """[N, C, size, size] uint8 of rows of any split."""
        return packed_images(rows, self.study.modality, size, self.cache, progress=self.progress("reading"))

    def choose(self, target: str, pictures: int) -> np.ndarray:
        """Row numbers of at most `pictures` labelled rows, drawn once and the same for every head."""
        known = np.flatnonzero(~np.isnan(self.rows.label(target)))
        order = np.random.default_rng(self.options.seed).permutation(len(known))
        return np.sort(known[order[:pictures]])


def commit() -> str:
    """The commit that measured, with a + when the tree had changes; outside a checkout what CONTRALENS_COMMIT says, or
    'unknown'.
    """
    here = Path(__file__).resolve().parent
    try:
        name = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "core"], cwd=here.parents[1], capture_output=True,
            text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("CONTRALENS_COMMIT", "unknown")
    return name.stdout.strip() + ("+" if changes.stdout.strip() else "")
