"""A labelled table's pictures at a study's size, decoded once and kept beside the run, never all in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from core.data.idx import has_idx, idx_images, idx_picture
from core.data.table import LabelledTable, load_images, to_uint8
from core.errors import UserError
from core.images.digits import prepare_digit
from core.images.prepare import prepare_chest, prepare_photo
from core.images.read import read_picture


def training_image(source: Path | bytes, modality: str, size: int) -> np.ndarray:
    """[C, size, size] float32 in [0, 1]. Chest x-rays, digits and photographs take the path of an upload; faces are
    expected aligned, as in the CelebA centre crop, and only cut square and resized. Raises UserError for a file that
    is no picture, and for one that holds nothing that could be a digit.
    """
    picture = read_picture(source)
    if modality == "chest":
        return prepare_chest(picture, size).tensor
    if modality == "digit":
        return prepare_digit(picture, size).tensor
    return prepare_photo(picture, size).tensor


def packed_picture(path: Path, modality: str, size: int) -> np.ndarray:
    """[C, size, size] uint8 of one row of a table; of idx files, `path` is the row's name inside their folder.

    Raises UserError for a picture that cannot be read.
    """
    if modality == "digit":
        picture = idx_picture(path.parent, path.name)
        _check_size(path.parent, picture, size)
        return picture
    return to_uint8(training_image(path, modality, size))


def check_folder(folder: Path, modality: str) -> None:
    """Raises UserError when digits are not in idx files, or anything else is."""
    if (modality == "digit") != has_idx(folder):
        which = "takes MNIST's idx files" if modality == "digit" else "takes picture files, not idx files"
        raise UserError(f"This study {which}; {folder} holds something else.")


def packed_images(
    table: LabelledTable,
    modality: str,
    size: int,
    cache: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """[N, C, size, size] uint8, from `cache` if the same table was packed there before.

    They are written one by one and mapped from the file: what is not looked at takes no memory. Writing into the array
    does not change the file. Raises UserError for no rows and for the first picture that cannot be read.
    """
    check_folder(table.folder, modality)
    if not len(table):
        raise UserError("There are no rows of which to read pictures.")
    if modality == "digit":
        images = idx_images(table)
        _check_size(table.folder, images, size)
        return images
    file = cache / f"images-{fingerprint(table)}-{modality}-{size}.npy"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.npy")  # two trainings may pack the same table at once
        try:
            _write(part, table, load_images(table, lambda path: training_image(path, modality, size), progress))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    # Copy on write: torch refuses, with a warning, what it could not write into.
    return np.asarray(np.load(file, mmap_mode="c"))


class Images:
    """A table's pictures, read when they are asked for: choosing 500 of a large cohort decodes 500."""

    def __init__(
        self,
        table: LabelledTable,
        modality: str,
        size: int,
        channels: int,
        cache: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.table, self.modality, self.size, self.channels = table, modality, size, channels
        self.cache, self.progress = cache, progress

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: np.ndarray | list[int]) -> np.ndarray:
        """[n, C, size, size] uint8 of n row numbers, or of those where an [N] bool mask holds."""
        chosen = self.table.where(np.asarray(rows))
        if not len(chosen):
            return np.empty((0, self.channels, self.size, self.size), np.uint8)
        return packed_images(chosen, self.modality, self.size, self.cache, progress=self.progress)


def fingerprint(table: LabelledTable, *, missing_ok: bool = False) -> str:
    """Names, labels, place, sizes and times of a table's files: another folder's pictures are other pictures.

    Raises UserError for a file that is not there, unless missing_ok.
    """
    digest = hashlib.sha256(str(table.describe()["digest"]).encode() + str(table.folder.resolve()).encode())
    idx = has_idx(table.folder)
    for path in sorted(table.folder.glob("*ubyte*")) if idx else (table.folder / name for name in table.files):
        try:
            about = path.stat()
            digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())
        except OSError:
            if not missing_ok:
                raise UserError(f"There is no file at {path}.") from None
            digest.update(b"missing")
    return digest.hexdigest()[:16]


def _check_size(folder: Path, images: np.ndarray, size: int) -> None:
    if images.shape[-1] != size:
        raise UserError(f"The pictures in {folder} have {images.shape[-1]} pixels, the study wants {size}.")


def _write(path: Path, table: LabelledTable, pictures: Iterable[np.ndarray]) -> None:
    """A .npy file. Through a mapping, every page written would stay in memory."""
    with path.open("wb") as handle:
        for i, picture in enumerate(pictures):
            if not i:
                shape = (len(table), *picture.shape)
                np.lib.format.write_array_header_1_0(handle, {"descr": "|u1", "fortran_order": False, "shape": shape})
            handle.write(picture.tobytes())
