"""Organ masks that belong to a table's pictures, brought into the frame of a study's network."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from core.data.table import LabelledTable
from core.errors import UserError
from core.images.frame import chest_frame, resize
from core.images.read import read_picture


def organ_masks(rows: LabelledTable, masks: Path, organ: str, size: int) -> dict[int, np.ndarray]:
    """row number -> [size, size] bool, for the rows that have a mask of this organ.

    masks: folder with a masks.csv (column `file`, and a column an organ) and PNG masks of whole pictures, at any
    size. The mask takes the same way as the picture: same borders trimmed, same square.
    """
    listing = masks / "masks.csv"
    if not listing.is_file():
        raise UserError(f"There is no {listing}; it should list the pictures and their {organ} masks.")
    try:
        with listing.open(newline="", encoding="utf-8-sig") as handle:
            rows_of = list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{listing} is not a CSV file in UTF-8; save it as one.") from None
    if not rows_of or not {"file", organ} <= rows_of[0].keys():
        raise UserError(f"{listing} needs the columns 'file' and '{organ}' and at least one row.")
    names = {(row["file"] or "").strip(): (row[organ] or "").strip() for row in rows_of}
    found = {}
    for i, name in enumerate(rows.files):
        mask = names.get(name)
        if not mask:
            continue
        if not (masks / mask).is_file():
            raise UserError(f"{listing} names {mask}, which is not in {masks}.")
        picture = read_picture(rows.folder / name).grey
        inside = read_picture(masks / mask).grey
        region = resize((inside > inside.max() / 2).astype(np.float32), *picture.shape)  # 0/255 and 0/1 alike
        found[i] = resize(chest_frame(picture).cut(region), size, size) > 0.5
    return found
