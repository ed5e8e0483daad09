"""Decode an upload: recognise it by content, bring it upright and to [0, 1], or say in one sentence why not."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from core.errors import UserError
from core.images.dicom import looks_like_dicom, read_dicom
from core.images.limits import MIN_SIDE
from core.images.picture import Picture
from core.images.quiet import quiet

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MAX_PIXELS = 80_000_000  # the largest chest detectors give some 20 megapixels
MAX_COLOUR = 40_000_000  # three channels take three times the memory
_GREY = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_WHITE_IS_ZERO, _PHOTOMETRIC = 0, 262  # TIFF's


def read_picture(source: bytes | str | Path, *, frame: int = 0) -> Picture:
    """A picture from uploaded bytes or a path: PNG, JPEG, WebP, TIFF, BMP or DICOM, by content.

    frame: of a multi-frame file, from 0. Transparent pixels are laid on black. Raises UserError with one
    sentence; the sentence names the file only if a path was given, because file names can be patients' names.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.is_dir():
            raise UserError(f"{path} is a folder; name one picture in it.")
        if not path.is_file():
            raise UserError(f"There is no file at {path}.")
        try:
            return _read(path.read_bytes(), frame)
        except UserError as fault:
            raise UserError(f"{path.name}: {fault}") from None
    return _read(bytes(source), frame)


def _read(data: bytes, frame: int) -> Picture:
    if not data:
        raise UserError("This file is empty; upload it again.")
    number = min(max(frame, -1), 2**31 - 1)  # no file has the frames beyond, and none is read
    digest = hashlib.sha256(data + number.to_bytes(4, "little", signed=True)).hexdigest()
    if looks_like_dicom(data):
        return read_dicom(data, digest, frame)
    quiet()
    return _raster(data, digest, frame)


def _raster(data: bytes, digest: str, frame: int) -> Picture:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise UserError("This picture claims to be far too large to be one; export it smaller.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise UserError(
            "This file is not a picture that can be read; upload a PNG, JPEG, WebP, TIFF, BMP or DICOM file."
        ) from None
    with image:
        width, height = image.size
        if width * height > (MAX_PIXELS if image.mode in _GREY else MAX_COLOUR):
            raise UserError(f"This picture has {width} x {height} pixels, more than is allowed; export it smaller.")
        if min(width, height) < MIN_SIDE:
            raise UserError(f"This picture has only {width} x {height} pixels; upload a larger one.")
        kind, frames = str(image.format), int(getattr(image, "n_frames", 1))
        if kind == "MPO":  # a phone's JPEG; what follows the picture is a preview or a depth map
            kind, frames = "JPEG", 1
        if not 0 <= frame < frames:
            raise UserError(f"This file has {frames} frame(s), numbered from 0; there is no frame {frame}.")
        try:
            image.seek(frame)
            image.load()
            pixels, bits = _pixels(ImageOps.exif_transpose(image))
            if isinstance(image, TiffImageFile) and bits > 8 and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
                pixels = 1 - pixels  # Pillow turns 8 bits only
        except UserError:
            raise
        except Exception:
            raise UserError(f"This {kind} file is damaged or cut short; export it again.") from None
    return Picture(pixels=pixels, digest=digest, format=kind, bits=bits, frame=frame, frames=frames)


def _pixels(image: Image.Image) -> tuple[np.ndarray, int]:
    """([H, W] or [H, W, 3] float32 in [0, 1], bits a channel)."""
    mode = image.mode
    if mode.startswith("I;16"):
        return _sixteen(np.asarray(image))
    if mode in ("I", "F"):
        # 32-bit containers hold anything; what is beyond 16 bits or fractional is scaled by its own range.
        values = np.asarray(image, np.float64)
        if not np.isfinite(values).all():
            raise UserError("This picture holds values that are not numbers; export it again.")
        low, high = float(values.min()), float(values.max())
        if mode == "I" and low >= 0 and high <= 65535:
            return _sixteen(values)
        if mode == "F" and low >= 0 and high <= 1:
            return values.astype(np.float32), 32
        return ((values - low) / (high - low) if high > low else values * 0).astype(np.float32), 32
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"), np.float32) / 255, 1 if mode == "1" else 8
    if mode == "P" or "A" in mode or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        pixels = rgba[..., :3].astype(np.float32)
        pixels *= rgba[..., 3:]
        pixels /= 255 * 255
        return _grey_if_grey(pixels), 8
    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    pixels /= 255
    return _grey_if_grey(pixels), 8


def _sixteen(values: np.ndarray) -> tuple[np.ndarray, int]:
    """16-bit values [H, W] in [0, 1], and the bits they use: detectors' 10 to 14 bits come in containers of 16, where
    they would be almost black.
    """
    bits = max(8, int(values.max(initial=0)).bit_length())
    return values.astype(np.float32) / (2**bits - 1), bits


def _grey_if_grey(pixels: np.ndarray) -> np.ndarray:
    """Colour files whose channels agree are grey pictures; most exported radiographs are such files."""
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2]):
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
