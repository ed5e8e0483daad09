"""From stored DICOM values to grey levels, in the standard's order.

Stored values -> modality LUT or rescale -> VOI LUT or window -> [0, 1]. MONOCHROME1 is turned after all of that,
by the caller: turning earlier turns twice (PS3.3 C.7.6.3.1.2, C.11.1, C.11.2).

The lookups are our own. pydicom spreads a window over the range that the rescale could give, which is upside down
for a negative slope, indexes 8-bit tables with positions that wrap round at 256, and refuses a bad window by an
exception where a reader wants the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from core.images.tags import number, numbers, tag, text
from core.images.window import apply_window

# A window that leaves the picture less of the grey range than this has blanked it. 12-bit values under a window
# made for 16 bits, which is a habit of some exporters, use 1/16.
FLAT = 0.04
NO_WINDOW = "The file's window would show nothing; the whole range of grey is shown instead."
NO_TABLE = "The file's lookup table is not usable; the file's window or the whole range of grey is shown instead."
NO_RESCALE = "The file's rescale slope is 0; the stored values are shown instead."


@dataclass(frozen=True)
class Grey:
    """One frame on its way to the screen: `values` before any window, `pixels` in [0, 1] after it.

    `window` is the LINEAR (centre, width) that makes `pixels` of `values`; under a table or a sigmoid, which no
    window can imitate, it spans the whole range.
    """

    values: np.ndarray  # [H, W] float32, the file's own units
    pixels: np.ndarray  # [H, W] float32 in [0, 1], not yet turned for MONOCHROME1
    window: tuple[float, float]
    warnings: tuple[str, ...] = ()


def to_grey(stored: np.ndarray, dataset: Dataset) -> Grey:
    """The modality and VOI transforms of a monochrome frame. stored: [H, W] as the decoder gave it. Padding, which is
    no part of the picture, becomes black.
    """
    padding = _padding(stored, dataset)
    values, notes = _modality(stored, dataset)
    if padding.any() and not padding.all():
        black = np.max if text(dataset, "PhotometricInterpretation") == "MONOCHROME1" else np.min
        values[padding] = black(values[~padding])
    whole = _whole(values)
    if tag(dataset, "VOILUTSequence") is not None:
        toned = _through_table(values, dataset)
        if toned is not None:
            return Grey(values, toned, whole, tuple(notes))
        notes.append(NO_TABLE)
    windowed = _through_window(values, dataset)
    if windowed is not None:
        return Grey(values, windowed[0], windowed[1] or whole, tuple(notes))
    if tag(dataset, "WindowCenter") is not None and tag(dataset, "WindowWidth") is not None:
        notes.append(NO_WINDOW)
    return Grey(values, apply_window(values, *whole), whole, tuple(notes))


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """[H, W] bool: the stored values that stand for 'no picture here' (PS3.3 C.7.5.1.1.2), one value or a range."""
    ends = numbers(dataset, "PixelPaddingValue")[:1]
    if not ends:
        return np.zeros(stored.shape, dtype=bool)
    ends += numbers(dataset, "PixelPaddingRangeLimit")[:1]
    if number(dataset, "PixelRepresentation", 0) == 1:
        ends = [e - 65536 if e > 32767 else e for e in ends]  # a negative number read as an unsigned one
    else:
        ends = [e + 65536 if e < 0 else e for e in ends]
    return (stored >= min(ends)) & (stored <= max(ends))


def _modality(stored: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, list[str]]:
    """(stored values in the file's units, [H, W] float32; what to say about them)."""
    stored = np.nan_to_num(stored)
    for table in _tables(dataset, "ModalityLUTSequence", signed=bool(stored.min() < 0)):
        return _look_up(stored, table), []
    slope, intercept = number(dataset, "RescaleSlope", 1), number(dataset, "RescaleIntercept", 0)
    if slope == 0:  # every value would be the intercept
        return stored.astype(np.float32), [NO_RESCALE]
    with np.errstate(over="ignore"):
        values = stored.astype(np.float64) * slope + intercept
    return np.clip(values, -1e30, 1e30).astype(np.float32), []


def _through_table(values: np.ndarray, dataset: Dataset) -> np.ndarray | None:
    """The picture through the first VOI table that leaves something to see."""
    for table in _tables(dataset, "VOILUTSequence", signed=bool(values.min() < 0)):
        pixels = np.clip(_look_up(values, table) / table.top, 0, 1)
        if not _blank(pixels, values):
            return pixels
    return None


def _through_window(values: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, tuple[float, float] | None] | None:
    """The picture through the first window that leaves something to see, and that window if it is a ramp."""
    function = text(dataset, "VOILUTFunction")
    for centre, width in zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False):
        window: tuple[float, float] | None = None
        if width <= 0 or (width < 1 and function not in ("SIGMOID", "LINEAR_EXACT")):
            continue
        if function == "SIGMOID":
            exponent = np.clip(-4 * (values.astype(np.float64) - centre) / width, -60, 60)
            pixels = (1 / (1 + np.exp(exponent))).astype(np.float32)
        else:
            # LINEAR_EXACT is LINEAR without its half and its one (C.11.2.1.3.2)
            window = (centre + 0.5, width + 1) if function == "LINEAR_EXACT" else (centre, width)
            pixels = apply_window(values, *window)
        if not _blank(pixels, values):
            return pixels, window
    return None


def _whole(values: np.ndarray) -> tuple[float, float]:
    """The LINEAR window that is a straight line from the lowest value to the highest."""
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2 + 0.5, high - low + 1


def _blank(pixels: np.ndarray, values: np.ndarray) -> bool:
    """Whether a transform lost the picture: flat now, though the values behind it are not."""
    span = float(values.max()) - float(values.min())
    if span == 0:
        return False
    if pixels.max() - pixels.min() < FLAT:
        return True
    # A burned-in marker or a white edge may still use the whole range when all else is black.
    step = max(1, int(np.sqrt(pixels.size / 250_000)))
    before = np.ptp(np.quantile(values[::step, ::step].astype(np.float64), [0.01, 0.99]))
    after = np.ptp(np.quantile(pixels[::step, ::step], [0.01, 0.99]))
    return bool(before >= FLAT * span and after < FLAT)


@dataclass(frozen=True)
class _Table:
    first: int  # the value that gets entry 0
    entries: np.ndarray  # [N] float32
    top: float  # the output that is white


def _tables(dataset: Dataset, name: str, *, signed: bool) -> list[_Table]:
    """The readable tables of a LUT sequence. signed: whether the values looked up may be negative."""
    little = getattr(dataset, "original_encoding", (None, True))[1] is not False
    signed = signed or number(dataset, "PixelRepresentation", 0) == 1
    try:
        items = list(tag(dataset, name) or ())
    except Exception:
        return []
    tables = (_table(item, little=little, signed=signed) for item in items if isinstance(item, Dataset))
    return [table for table in tables if table is not None]


def _table(item: Dataset, *, little: bool, signed: bool) -> _Table | None:
    descriptor, data = numbers(item, "LUTDescriptor"), tag(item, "LUTData")
    if len(descriptor) != 3 or data is None:
        return None
    length, first, bits = (int(d) for d in descriptor)
    length = length or 65536  # 0 stands for 2^16 (C.11.1.1)
    if first > 32767 and signed:
        first -= 65536  # a negative number read as an unsigned one
    if isinstance(data, bytes):
        packed = bits == 8 and len(data) in (length, length + 1)  # one byte an entry, and one to make it even
        data = data if packed else data[: len(data) // 2 * 2]
        entries = np.frombuffer(data, "u1" if packed else "<u2" if little else ">u2")[:length].astype(np.float32)
    else:
        entries = np.array(numbers(item, "LUTData")[:length], np.float32)
    if entries.size == 0:
        return None
    top = float(2**bits - 1) if 1 <= bits <= 16 else 65535.0
    highest = float(entries.max())
    if highest * 2 <= top or highest > top:  # the depth is often declared wrongly
        top = max(highest, 1.0)
    return _Table(first, entries, top)


def _look_up(values: np.ndarray, table: _Table) -> np.ndarray:
    """Each value's entry; values outside of the table get its first or last one."""
    positions = np.clip(np.rint(values.astype(np.float64)) - table.first, 0, len(table.entries) - 1)
    return table.entries[positions.astype(np.int64)]
