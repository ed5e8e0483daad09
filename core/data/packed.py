"""A labelled table's pictures at a study's size, decoded once and kept beside the run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.data.idx import has_idx, idx_images
from core.data.table import LabelledTable, load_images
from core.errors import UserError
from core.images.prepare import prepare_chest, prepare_photo
from core.images.read import read_picture


def training_image(source: Path | bytes, modality: str, size: int) -> np.ndarray:
    """[C, size, size] float32 in [0, 1]. Chest x-rays and photographs take the path of an upload; faces are expected
    aligned, as in the CelebA centre crop, and only cut square and resized.
    """
    picture = read_picture(source)
    if modality == "chest":
        return prepare_chest(picture, size).tensor
    return prepare_photo(picture, size).tensor


def packed_images(
    table: LabelledTable,
    modality: str,
    size: int,
    cache: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """[N, C, size, size] uint8, from `cache` if the same table was packed there before."""
    if (modality == "digit") != has_idx(table.folder):
        which = "takes MNIST's idx files" if modality == "digit" else "takes picture files, not idx files"
        raise UserError(f"This study {which}; {table.folder} holds something else.")
    if modality == "digit":
        images = idx_images(table)
        if images.shape[-1] != size:
            raise UserError(f"The pictures in {table.folder} have {images.shape[-1]} pixels, the study wants {size}.")
        return images
    file = cache / f"images-{_fingerprint(table)}-{modality}-{size}.npy"
    if file.is_file():
        return np.load(file)
    images = load_images(table, lambda path: training_image(path, modality, size), progress=progress)
    cache.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.npy")  # two trainings may pack the same table at once
    np.save(part, images)
    part.replace(file)
    return images


def _fingerprint(table: LabelledTable) -> str:
    """Names, labels, place, sizes and times of a table's files: another folder's pictures are other pictures."""
    digest = hashlib.sha256(str(table.describe()["digest"]).encode() + str(table.folder.resolve()).encode())
    for name in table.files:
        about = (table.folder / name).stat()
        digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
