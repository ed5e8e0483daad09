"""Anatomical regions in the frame of a study's network: the heart from masks, the mouth from the aligned frame."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from core.data.table import LabelledTable
from core.errors import UserError
from core.images.frame import chest_frame, resize
from core.images.read import read_picture

# The mouth with a margin in the CelebA frame's centre square, as fractions (left, top, right, bottom): the official
# alignment puts its corners at (.39, .78) and (.61, .78).
MOUTH = (0.32, 0.68, 0.68, 0.88)


def mouth(size: int) -> np.ndarray:
    """[size, size] bool."""
    left, top, right, bottom = (round(v * size) for v in MOUTH)
    region = np.zeros((size, size), dtype=bool)
    region[top:bottom, left:right] = True
    return region


def heart_masks(rows: LabelledTable, masks: Path, size: int) -> dict[int, np.ndarray]:
    """row number -> [size, size] bool, for the rows that have a heart mask.

    masks: folder with a masks.csv (columns `file`, `heart`) and PNG masks of whole pictures, at any size. The mask
    takes the same way as the picture: same borders trimmed, same square.
    """
    listing = masks / "masks.csv"
    if not listing.is_file():
        raise UserError(f"There is no {listing}; it should list the pictures and their heart masks.")
    try:
        with listing.open(newline="", encoding="utf-8-sig") as handle:
            rows_of = list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{listing} is not a CSV file in UTF-8; save it as one.") from None
    if not rows_of or not {"file", "heart"} <= rows_of[0].keys():
        raise UserError(f"{listing} needs the columns 'file' and 'heart' and at least one row.")
    names = {(row["file"] or "").strip(): (row["heart"] or "").strip() for row in rows_of}
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
