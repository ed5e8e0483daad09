"""Where training pictures come from: a folder, its labels, and which rows of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.layouts import open_table
from core.data.packed import packed_images
from core.data.table import LabelledTable
from core.errors import UserError

CHANNELS = {"chest": 1, "digit": 1}  # all others have colours


@dataclass(frozen=True)
class Source:
    """Where training pictures come from. where: keeps only the rows of `LabelledTable.query`."""

    data: Path
    labels: Path | None
    modality: str
    size: int
    cache: Path
    where: str | None = None

    def table(self) -> LabelledTable:
        """The rows, filtered. Raises UserError when none is left."""
        table = open_table(self.data, self.labels)
        if self.where:
            table = table.query(self.where)
        if not len(table):
            raise UserError(f"No row of {self.labels or self.data} fits --where {self.where}.")
        return table

    def train(self, what: str) -> LabelledTable:
        """The rows of split 'train'; what: the model that needs them. Raises UserError when there are none."""
        rows = self.table().split("train")
        if not len(rows):
            raise UserError(f"The label file has no rows in split 'train'; {what} is trained on those.")
        return rows

    @property
    def channels(self) -> int:
        """1 for grey pictures, 3 for coloured ones."""
        return CHANNELS.get(self.modality, 3)

    def images(self, table: LabelledTable, progress: Any = None) -> np.ndarray:
        """[N, C, size, size] uint8."""
        return packed_images(table, self.modality, self.size, self.cache, progress=progress)
