"""Plain folders of pictures without labels: what a gate learns to turn away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from core.data.packed import training_image
from core.data.table import to_uint8
from core.errors import UserError

_KINDS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def folder_images(
    folder: Path,
    modality: str,
    size: int,
    *,
    split: str | None,
    most: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """[N, C, size, size] uint8: at most `most` pictures of one split ('train': eight of ten names, 'val', 'test').

    The split goes by a hash of the file name, so it is the same wherever it is asked; None takes all. A picture that
    the study refuses by itself needs no gate and is left out. Raises UserError for a folder without pictures.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _KINDS)
    if not files:
        raise UserError(f"There are no pictures in {folder}.")
    names = ["train"] * 8 + ["val", "test"]
    if split is not None:
        files = [p for p in files if names[int(hashlib.sha256(p.name.encode()).hexdigest(), 16) % 10] == split]
    order = np.random.default_rng(seed).permutation(len(files))[:most]
    if not len(order):
        raise UserError(f"There are no pictures in {folder} that fall into the split '{split}'; add more.")
    images = []
    for done, i in enumerate(order, 1):
        with suppress(UserError):
            images.append(to_uint8(training_image(files[i], modality, size)))
        if progress is not None:
            progress(done, len(order))
    if not images:
        raise UserError(f"None of the pictures in {folder} can be prepared as this study prepares an upload.")
    return np.stack(images)
