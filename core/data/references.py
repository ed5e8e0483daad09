"""Training pictures a user keeps beside a study, for baselines that look for the nearest one or average them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.data.table import LabelledTable, class_numbers
from core.errors import UserError


def keep_references(
    table: LabelledTable,
    choices: dict[str, tuple[str, ...]],
    images: Callable[[LabelledTable, str], np.ndarray],
    file: Path,
    *,
    each: int = 200,
    seed: int = 0,
) -> dict[str, int]:
    """Write at most `each` pictures of every class of every choice, drawn from split `train`; how many for each choice.

    choices: name -> classes; images: (rows, choice) -> [N, C, S, S] uint8. Raises UserError where no row belongs to a
    class.
    """
    train = table.split("train")
    rng = np.random.default_rng(seed)
    kept: dict[str, np.ndarray] = {}
    for name, classes in choices.items():
        labels, known = class_numbers(train, classes)
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(known & (labels == k)))[:each] for k in range(len(classes))]
        )
        if not len(rows):
            raise UserError(f"No training row belongs to exactly one of the classes of '{name}'.")
        rows = np.sort(rows)
        kept[f"{name}_pictures"] = images(train.where(rows), name)
        kept[f"{name}_labels"] = labels[rows]
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **kept)  # type: ignore[arg-type]
    part.replace(file)
    return {name: len(kept[f"{name}_labels"]) for name in choices}
