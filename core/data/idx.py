"""MNIST as it is published: four idx files, images and labels of `train` and `t10k`."""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.data.table import LabelledTable
from core.errors import UserError

PARTS = {"train": "train", "t10k": "test"}
VAL = 5000  # the last of the training pictures; MNIST's are in random order
_MAGIC = {1: 0x801, 3: 0x803}


def has_idx(folder: Path) -> bool:
    """Whether a folder holds idx files."""
    return _find(folder, "train", "labels-idx1") is not None


def idx_table(folder: Path) -> LabelledTable:
    """One row a picture, `file` its number within its part; columns `split` and one 0/1 column for each digit."""
    files, digits, splits = [], [], []
    for part, split in PARTS.items():
        labels = _read(folder, part, "labels-idx1", 1)
        files += [f"{part}-{i:05d}" for i in range(len(labels))]
        if len(labels) != len(_read(folder, part, "images-idx3", 3)):
            raise UserError(f"The idx files of '{part}' in {folder} hold different numbers of pictures and labels.")
        digits += [str(d) for d in labels]
        last = len(labels) - VAL if split == "train" else len(labels)
        splits += [split if i < last else "val" for i in range(len(labels))]
    columns = {"file": tuple(files), "split": tuple(splits)}
    for digit in range(10):
        columns[str(digit)] = tuple("1" if d == str(digit) else "0" for d in digits)
    return LabelledTable(folder, tuple(files), columns)


def idx_images(table: LabelledTable) -> np.ndarray:
    """[N, 1, 28, 28] uint8, white on black as stored, for the rows of an `idx_table`."""
    parts = {part: _read(table.folder, part, "images-idx3", 3) for part in PARTS}
    rows = [name.rsplit("-", 1) for name in table.files]
    return np.stack([parts[part][int(number)] for part, number in rows])[:, None]


def idx_picture(folder: Path, name: str) -> np.ndarray:
    """[1, 28, 28] uint8 of one row of an `idx_table`, by its name; the file it is in stays in memory."""
    part, number = name.rsplit("-", 1)
    return _kept_images(folder, part)[int(number)][None]


@lru_cache(maxsize=2)
def _kept_images(folder: Path, part: str) -> np.ndarray:
    return _read(folder, part, "images-idx3", 3)


def _find(folder: Path, part: str, kind: str) -> Path | None:
    for name in (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-idx', '.idx')}-ubyte"):
        for ending in ("", ".gz"):
            if (folder / (name + ending)).is_file():
                return folder / (name + ending)
    return None


def _read(folder: Path, part: str, kind: str, dimensions: int) -> np.ndarray:
    path = _find(folder, part, kind)
    if path is None:
        raise UserError(f"There is no {part}-{kind}-ubyte in {folder}; it is one of MNIST's four files.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error):
        raise UserError(f"{path} is not a whole gzip file; fetch it again.") from None
    if len(data) < 4 + 4 * dimensions:
        raise UserError(f"{path} is cut short: it does not even hold its header.")
    header = np.frombuffer(data[: 4 + 4 * dimensions], dtype=">u4")
    if len(header) < 1 + dimensions or header[0] != _MAGIC[dimensions]:
        raise UserError(f"{path} is not an idx file of {dimensions} dimensions.")
    shape = tuple(int(n) for n in header[1:])
    values = np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise UserError(f"{path} is cut short: it should hold {np.prod(shape)} bytes and holds {values.size}.")
    return values.reshape(shape)
