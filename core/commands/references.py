"""`contralens references`: keep training pictures beside a study, for baselines that need some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.commands.shared import Seed
from core.commands.show import Bar
from core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from core.data.table import LabelledTable


def references(
    study: Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures, or of MNIST's idx files.")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV with a `file` column, one column a class, and `split`.")
    ] = None,
    each: Annotated[int, typer.Option(min=1, help="At most so many pictures of a class.")] = 200,
    seed: Seed = 0,
) -> None:
    """Keep training pictures beside a study: for the nearest sample, the mean and the distribution of them.

    The file stays on this machine, as decoded pictures in the study's folder `cache` do; a release never holds them.
    """
    from core.data.layouts import open_table
    from core.data.packed import packed_images
    from core.data.references import keep_references
    from core.studies import open_study
    from core.studies.description import references_file

    opened = open_study(study)
    if not opened.choices:
        raise UserError(f"{opened.title} has no choice among several classes, so nothing asks for training pictures.")
    file, bar = references_file(opened.folder), Bar()

    def read(rows: LabelledTable, choice: str) -> np.ndarray:
        return packed_images(
            rows, opened.modality, opened.choice_size(choice), opened.folder / "cache",
            progress=lambda done, of: bar(done, of, {}),
        )  # fmt: skip

    kept = keep_references(
        open_table(data, labels), {name: opened.classes(name) for name in opened.choices}, read, file, each=each,
        seed=seed,
    )  # fmt: skip
    bar.close()
    print(", ".join(f"{name}: {count} pictures" for name, count in kept.items()))
    print(f"written: {file}")
