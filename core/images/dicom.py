"""DICOM radiographs: stored values -> rescale -> VOI LUT or window -> [0, 1] -> MONOCHROME1 inversion, in that order.

Only pixels and a short allow-list of tags leave this file. Nothing of the header is printed or logged.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space

from core.errors import UserError
from core.images.picture import Picture

KEPT_TAGS = (
    "Modality", "BodyPartExamined", "ViewPosition", "PhotometricInterpretation", "Rows", "Columns", "BitsStored",
    "PatientOrientation", "Laterality", "BurnedInAnnotation", "PresentationIntentType",
)  # fmt: skip
RADIOGRAPHS = {"CR", "DX", "DR", "RG", "RF", "XA", "OT", "SC", ""}
MAX_PIXELS = 80_000_000

logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its messages quote tag contents


def looks_like_dicom(data: bytes) -> bool:
    """A DICOM preamble, or a bare data set that starts with a plausible group-0008 element."""
    if data[128:132] == b"DICM":
        return True
    return len(data) > 8 and data[:2] in (b"\x08\x00", b"\x02\x00") and data[4:6] in (b"UL", b"UI", b"CS", b"\x00\x00")


def read_dicom(data: bytes, digest: str, frame: int) -> Picture:
    """One frame of a DICOM file. Raises UserError with what is wrong and what to do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _parse(data)
        _refuse(dataset)
        frames = _frames(dataset)
        if not 0 <= frame < frames:
            raise UserError(f"This DICOM file has {frames} frame(s), numbered from 0; there is no frame {frame}.")
        stored = _decode(dataset, frame)
        notes = _warnings(dataset)
        if stored.ndim == 3:
            return _colour(dataset, stored, digest, frame, frames, notes)
        return _grey(dataset, stored, digest, frame, frames, notes)


def _parse(data: bytes) -> Dataset:
    try:
        return pydicom.dcmread(io.BytesIO(data), force=True)
    except (InvalidDicomError, EOFError, ValueError, KeyError, AttributeError, NotImplementedError, OSError):
        raise UserError("This DICOM file is damaged and cannot be read; export it again.") from None


def _refuse(dataset: Dataset) -> None:
    modality = str(dataset.get("Modality", "") or "").upper()
    if modality not in RADIOGRAPHS:
        raise UserError(
            f"This DICOM file is of modality {modality[:16]}, not a plain radiograph; upload a CR, DX or DR image."
        )
    if not any(tag in dataset for tag in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UserError("This DICOM file holds no pixels (a report or a reference, perhaps); upload the image itself.")
    rows, columns = int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)
    if rows < 1 or columns < 1:
        raise UserError("This DICOM file does not say how large its picture is; export it again.")
    if rows * columns > MAX_PIXELS:
        raise UserError(f"This DICOM picture has {columns} x {rows} pixels, more than is allowed; export it smaller.")


def _frames(dataset: Dataset) -> int:
    try:
        return max(1, int(dataset.get("NumberOfFrames", 1) or 1))
    except (TypeError, ValueError):
        return 1


def _decode(dataset: Dataset, frame: int) -> np.ndarray:
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = FileMetaDataset()
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    syntax = dataset.file_meta.TransferSyntaxUID
    from pydicom.pixels import pixel_array

    try:
        array = np.asarray(pixel_array(dataset, index=frame))
    except (NotImplementedError, RuntimeError, KeyError):
        name = str(getattr(syntax, "name", syntax))
        raise UserError(
            f"The pixels of this DICOM file cannot be decoded ({name[:60]}); export it uncompressed or as JPEG 2000."
        ) from None
    except Exception:
        raise UserError("The pixels of this DICOM file are damaged or cut short; export it again.") from None
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise UserError("The pixels of this DICOM file are neither grey nor RGB; export it as a plain radiograph.")
    return array


def _grey(dataset: Dataset, stored: np.ndarray, digest: str, frame: int, frames: int, notes: list[str]) -> Picture:
    values = np.asarray(apply_modality_lut(stored, dataset), np.float32)
    toned, window = _voi(dataset, stored, values, notes)
    low, high = float(toned.min()), float(toned.max())
    if window is not None:
        low, high = _window_range(dataset, window, toned)
    pixels = np.clip((toned - low) / (high - low), 0, 1) if high > low else np.zeros_like(toned)
    inverted = str(dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    if inverted:
        pixels = 1 - pixels
    if high <= low:
        notes.append("Every pixel of this picture has the same value.")
    return Picture(
        pixels=pixels.astype(np.float32), digest=digest, format="DICOM",
        bits=int(dataset.get("BitsStored", 8) or 8), values=values, window=window or _whole(values),
        inverted=inverted, spacing=_spacing(dataset), frame=frame, frames=frames, tags=_tags(dataset),
        warnings=tuple(notes),
    )  # fmt: skip


def _voi(
    dataset: Dataset, stored: np.ndarray, values: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """(values after the file's VOI transform, its window if it is one that shows anything)."""
    has_lut = "VOILUTSequence" in dataset and len(dataset.VOILUTSequence) > 0
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if not has_lut:
        if centre is None or width is None:
            return values, None
        low, high = centre - width / 2, centre + width / 2
        if width < 1 or high <= values.min() or low >= values.max():
            notes.append("The file's window would show nothing; the whole range of grey is shown instead.")
            return values, None
    try:
        # The LUT indexes stored values after the modality transform, which apply_modality_lut keeps integral.
        integral = apply_modality_lut(stored, dataset)
        if has_lut:
            integral = np.asarray(np.rint(integral), np.int32)
        toned = np.asarray(apply_voi_lut(integral, dataset, index=0, prefer_lut=True), np.float32)
    except Exception:
        notes.append("The file's window or lookup table is not readable; the whole range of grey is shown instead.")
        return values, None
    if toned.max() <= toned.min():
        notes.append("The file's window would show nothing; the whole range of grey is shown instead.")
        return values, None
    return toned, None if has_lut else (float(centre or 0), float(width or 1))


def _window_range(dataset: Dataset, window: tuple[float, float], toned: np.ndarray) -> tuple[float, float]:
    """The output range of the window: pydicom maps the window on the range the modality transform can give."""
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    bits = int(dataset.get("BitsStored", 8) or 8)
    signed = int(dataset.get("PixelRepresentation", 0) or 0) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return min(ends[0], float(toned.min())), max(ends[1], float(toned.max()))


def _colour(dataset: Dataset, stored: np.ndarray, digest: str, frame: int, frames: int, notes: list[str]) -> Picture:
    space = str(dataset.get("PhotometricInterpretation", "RGB"))
    if space.startswith("YBR_FULL") and stored.dtype == np.uint8:
        # pixel_array has already turned what it decoded itself; a plain YBR_FULL file is turned here.
        stored = (
            stored if dataset.file_meta.TransferSyntaxUID.is_compressed else convert_color_space(stored, space, "RGB")
        )
    scale = float(2 ** int(dataset.get("BitsStored", 8) or 8) - 1)
    return Picture(
        pixels=np.clip(stored.astype(np.float32) / scale, 0, 1), digest=digest, format="DICOM",
        bits=int(dataset.get("BitsStored", 8) or 8), spacing=_spacing(dataset), frame=frame, frames=frames,
        tags=_tags(dataset), warnings=tuple(notes),
    )  # fmt: skip


def _warnings(dataset: Dataset) -> list[str]:
    notes = []
    burned = str(dataset.get("BurnedInAnnotation", "") or "").upper()
    if burned == "YES":
        notes.append("The file says that text is burned into its pixels: it may name the patient.")
    elif burned != "NO":
        notes.append(
            "The file does not say whether text is burned into its pixels: look for names before you share it."
        )
    view = str(dataset.get("ViewPosition", "") or "").upper()
    if view in {"LL", "RL", "LATERAL", "LAT"}:
        notes.append("The file says this is a lateral view; the classifier knows frontal views only.")
    part = str(dataset.get("BodyPartExamined", "") or "").upper()
    if part and not any(word in part for word in ("CHEST", "THORAX", "LUNG", "TORAX", "HEART")):
        notes.append(f"The file says this is of the body part {part[:24]}, not the chest.")
    return notes


def _tags(dataset: Dataset) -> dict[str, str]:
    tags = {name: str(dataset.get(name)) for name in KEPT_TAGS if dataset.get(name) not in (None, "")}
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    return tags | ({"TransferSyntax": str(syntax.name)} if syntax is not None else {})


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            rows, columns = (float(v) for v in dataset.get(name) or ())
        except (TypeError, ValueError):
            continue
        if rows > 0 and columns > 0:
            return rows, columns
    return None


def _first(value: Any) -> float | None:
    try:
        return float(value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value)
    except (TypeError, ValueError, IndexError):
        return None


def _whole(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2, max(high - low, 1.0)
