"""DICOM radiographs: which are taken, how their pixels are decoded, and what is kept of their header.

Only the tags named here are parsed; a name, a birth date or an identifier never becomes a value. Only pixels and
a short allow-list of codes leave this file, and no message quotes the file.
"""

from __future__ import annotations

import io
import re

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from core.errors import UserError
from core.images.limits import MIN_SIDE, codestream_size, inflates_beyond
from core.images.picture import Picture
from core.images.quiet import quiet
from core.images.tags import number, numbers, tag, text
from core.images.voi import to_grey

KEPT_TAGS = (
    "Modality", "BodyPartExamined", "ViewPosition", "PhotometricInterpretation", "Rows", "Columns", "BitsStored",
    "PatientOrientation", "Laterality", "BurnedInAnnotation", "PresentationIntentType",
)  # fmt: skip
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What decoding needs besides.
NEEDED_TAGS = (
    *PIXELS, "SamplesPerPixel", "PlanarConfiguration", "BitsAllocated", "HighBit", "PixelRepresentation",
    "NumberOfFrames", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelSpacing", "ImagerPixelSpacing",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "VOILUTFunction", "WindowCenter",
    "WindowWidth", "PixelPresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    *(f"{c}PaletteColorLookupTable{what}" for c in ("Red", "Green", "Blue") for what in ("Descriptor", "Data")),
    *(f"Segmented{c}PaletteColorLookupTableData" for c in ("Red", "Green", "Blue")),
)  # fmt: skip
RADIOGRAPHS = {"CR", "DX", "DR", "RG", "RF", "XA", "OT", "SC", ""}
# A tag can hold anything, a name too, so a message repeats one only if it is one of these.
OTHER_MODALITIES = {"CT", "MR", "US", "MG", "NM", "PT", "ES", "GM", "SM", "SR", "PX", "IO", "RTIMAGE", "XC", "KO", "PR"}
CHEST_WORDS = ("CHEST", "THORAX", "LUNG", "TORAX", "HEART")
OTHER_PARTS = {
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CLAVICLE", "CSPINE", "ELBOW", "EXTREMITY", "FEMUR", "FINGER", "FOOT", "HAND",
    "HEAD", "HIP", "JAW", "KNEE", "LEG", "LSPINE", "NECK", "PELVIS", "SHOULDER", "SKULL", "SPINE", "TOE", "TSPINE",
    "WRIST",
}  # fmt: skip
MAX_PIXELS = 80_000_000
MAX_BYTES = 6 * MAX_PIXELS
DAMAGED = "This DICOM file is damaged and cannot be read; export it again."


def looks_like_dicom(data: bytes) -> bool:
    """A DICOM preamble, or a bare data set that starts with a plausible element of group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    if len(data) < 16:
        return False
    if re.match(rb"([\x02\x08]\x00..|\x00[\x02\x08]..)(UL|UI|CS|OB|SH|LO|DA|TM)", data, re.DOTALL):
        return True
    # Without value representations, a length of four bytes follows.
    return data[:2] in (b"\x02\x00", b"\x08\x00") and int.from_bytes(data[4:8], "little") < 1024


def read_dicom(data: bytes, digest: str, frame: int) -> Picture:
    """One frame of a DICOM file. Raises UserError with what is wrong and what to do."""
    quiet()
    try:
        return _read(data, digest, frame)
    except UserError:
        raise
    except Exception:  # a damaged file can make pydicom raise anything, and the message may quote the file
        raise UserError(DAMAGED) from None


def _read(data: bytes, digest: str, frame: int) -> Picture:
    if inflates_beyond(data, MAX_BYTES):
        raise UserError("This DICOM file unpacks to far more than a radiograph holds; export it uncompressed.")
    dataset = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=[*KEPT_TAGS, *NEEDED_TAGS])
    _refuse(dataset)
    frames = max(1, int(number(dataset, "NumberOfFrames", 1)))
    if not 0 <= frame < frames:
        raise UserError(f"This DICOM file has {frames} frame(s), numbered from 0; there is no frame {frame}.")
    syntax = _syntax(dataset)
    stored = _decode(dataset, syntax, frame)
    bits = int(number(dataset, "BitsStored", 8))
    notes = _warnings(dataset)
    tags = {name: value for name in KEPT_TAGS if (value := text(dataset, name))}
    tags["TransferSyntax"] = _name(syntax)
    spacing = _spacing(dataset)
    if stored.ndim == 3:
        palette = text(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
        bits = 8 * stored.dtype.itemsize if palette or not 1 <= bits <= 32 else bits
        pixels = np.clip(stored.astype(np.float32) / (2.0**bits - 1), 0, 1)
        return Picture(
            pixels=pixels.astype(np.float32), digest=digest, format="DICOM", bits=bits, spacing=spacing, frame=frame,
            frames=frames, tags=tags, warnings=tuple(notes),
        )  # fmt: skip
    grey = to_grey(stored, dataset)
    inverted = text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    if grey.values.min() == grey.values.max():
        notes.append("Every pixel of this picture has the same value.")
    return Picture(
        pixels=1 - grey.pixels if inverted else grey.pixels, digest=digest, format="DICOM", bits=bits,
        values=grey.values, window=grey.window, inverted=inverted, spacing=spacing, frame=frame, frames=frames,
        tags=tags, warnings=(*notes, *grey.warnings),
    )  # fmt: skip


def _refuse(dataset: Dataset) -> None:
    modality = text(dataset, "Modality")
    if modality not in RADIOGRAPHS:
        which = f"of modality {modality}" if modality in OTHER_MODALITIES else "of another modality"
        raise UserError(f"This DICOM file is {which}, not a plain radiograph; upload a CR, DX or DR image.")
    if not any(name in dataset for name in PIXELS):
        raise UserError(
            "This DICOM file holds no pixels (a report or a reference, perhaps, or cut short); upload the image itself."
        )
    rows, columns = int(number(dataset, "Rows", 0)), int(number(dataset, "Columns", 0))
    if rows < 1 or columns < 1:
        raise UserError("This DICOM file does not say how large its picture is; export it again.")
    if min(rows, columns) < MIN_SIDE:
        raise UserError(f"This DICOM picture has only {columns} x {rows} pixels; upload a larger one.")
    if rows * columns > MAX_PIXELS:
        raise UserError(f"This DICOM picture has {columns} x {rows} pixels, more than is allowed; export it smaller.")


def _syntax(dataset: Dataset) -> UID:
    """The transfer syntax; where the file does not say, the one that its tags were written in."""
    named = tag(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID")
    if named is not None:
        return UID(str(named))
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian


def _name(syntax: UID) -> str:
    """The standard's name of a transfer syntax; of any other only that it is unknown."""
    return "unknown" if syntax.name == str(syntax) else str(syntax.name)


def _decode(dataset: Dataset, syntax: UID, frame: int) -> np.ndarray:
    """One frame as stored, [H, W], or as RGB, [H, W, 3]; YBR comes out as RGB, and a palette is applied."""
    try:
        decoder = get_decoder(syntax)
        known = decoder.is_available
    except NotImplementedError:
        known = False
    if not known:
        raise UserError(
            f"The pixels of this DICOM file cannot be decoded ({_name(syntax)[:60]}); export it uncompressed or as "
            "JPEG 2000."
        )
    _refuse_larger_codestream(dataset, syntax, frame)
    try:
        array = np.asarray(decoder.as_array(dataset, index=frame)[0])
        if text(dataset, "PhotometricInterpretation") == "PALETTE COLOR" and array.ndim == 2:
            array = apply_color_lut(array, dataset)[..., :3]
    except Exception:
        raise UserError("The pixels of this DICOM file are damaged or cut short; export it again.") from None
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise UserError("The pixels of this DICOM file are neither grey nor RGB; export it as a plain radiograph.")
    return array


def _refuse_larger_codestream(dataset: Dataset, syntax: UID, frame: int) -> None:
    """A compressed picture must be as large as the header says: the header is what was checked against the limit."""
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    try:
        frames = max(1, int(number(dataset, "NumberOfFrames", 1)))
        found = codestream_size(get_frame(dataset.PixelData, frame, number_of_frames=frames))
    except Exception:  # the decoder says in its turn what is damaged
        return
    if found is not None and found != (int(dataset.Rows), int(dataset.Columns)):
        raise UserError(
            "The picture inside this DICOM file is not as large as its header says; it is damaged or was tampered with."
        )


def _warnings(dataset: Dataset) -> list[str]:
    notes = []
    burned = text(dataset, "BurnedInAnnotation")
    if burned == "YES":
        notes.append("The file says that text is burned into its pixels: it may name the patient.")
    elif burned != "NO":
        notes.append(
            "The file does not say whether text is burned into its pixels: look for names before you share it."
        )
    if text(dataset, "ViewPosition") in {"LL", "RL", "LATERAL", "LAT"}:
        notes.append("The file says this is a lateral view; the classifier knows frontal views only.")
    part = text(dataset, "BodyPartExamined")
    if part and not any(word in part for word in CHEST_WORDS):
        which = f"the body part {part}" if part in OTHER_PARTS else "another body part"
        notes.append(f"The file says this is of {which}, not the chest.")
    return notes


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """mm between rows and between columns; None when unknown, zero or damaged."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = numbers(dataset, name)
        if len(spacing) == 2 and min(spacing) > 0:
            return spacing[0], spacing[1]
    return None
