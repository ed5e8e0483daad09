"""A decoded upload, and what a classifier sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from core.images.frame import resize
from core.images.tone import IDENTITY, ToneCurve


@dataclass(frozen=True)
class Picture:
    """A decoded upload: pixels and a short allow-list of facts. No file name, no patient data.

    `pixels` is what the model path starts from: upright, rescaled, windowed as the file says, MONOCHROME1
    inverted, [H, W] or [H, W, 3] float32 in [0, 1]. `values` is what a viewer's window/level works on: the
    same picture before any window ([H, W], in the file's own units), or None for ordinary photographs.
    """

    pixels: np.ndarray = field(repr=False)
    digest: str  # SHA-256 of the uploaded bytes and the frame number: the key of every cache
    format: str  # "DICOM", "PNG", "JPEG", ...
    bits: int = 8
    values: np.ndarray | None = field(default=None, repr=False)
    window: tuple[float, float] | None = None  # (centre, width) in the units of `values`
    inverted: bool = False  # stored as MONOCHROME1 and turned
    spacing: tuple[float, float] | None = None  # mm between rows, columns
    frame: int = 0
    frames: int = 1
    tags: dict[str, str] = field(default_factory=dict)  # allow-listed DICOM tags
    warnings: tuple[str, ...] = ()  # sentences to show, such as burned-in annotation

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def grey(self) -> np.ndarray:
        """[H, W] luminance in [0, 1] (ITU-R 601 weights)."""
        if self.pixels.ndim == 2:
            return self.pixels
        return self.pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Prepared:
    """One picture as one study sees it, with the way back.

    `tensor` is the network's input at the canonical tone. `view` is the same region of the upload at the best
    resolution there is and in the upload's own tone: what a person looks at. `tone` maps the tones of `view`
    on the tensor's. `placement` maps (x, y) pixel coordinates of `view` on the upload's: upload = A @ (x, y, 1).
    """

    tensor: np.ndarray = field(repr=False)  # [C, S, S] float32 in [0, 1]
    view: np.ndarray = field(repr=False)  # [H, W] or [H, W, 3] float32 in [0, 1]
    digest: str
    placement: np.ndarray = field(repr=False)  # [2, 3]
    tone: ToneCurve = IDENTITY
    spacing: tuple[float, float] | None = None  # mm between rows, columns of `view`
    notes: tuple[str, ...] = ()  # what was done on the way: trimmed, aligned, cut by hand

    def at(self, size: int) -> Prepared:
        """The same picture for a network of another size: [C, size, size], made from the view as `tensor` was."""
        if self.tensor.shape[-1] == size:
            return self
        small = resize(self.tone.apply(self.view), size, size)
        tensor = small[None] if small.ndim == 2 else small.transpose(2, 0, 1)
        return replace(self, tensor=np.ascontiguousarray(tensor, dtype=np.float32))
