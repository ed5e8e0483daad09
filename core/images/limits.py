"""Files that claim to be small and unpack to something huge are turned away before they are unpacked."""

from __future__ import annotations

import zlib

MIN_SIDE = 16  # pixels of a picture that shows anything
DEFLATED = b"1.2.840.10008.1.2.1.99"
_CHUNK = 1 << 16


def inflates_beyond(data: bytes, most: int) -> bool:
    """Whether a DICOM file in the deflated transfer syntax unpacks to more than `most` bytes; False for all others."""
    if data[128:132] != b"DICM" or data[132:136] != b"\x02\x00\x00\x00" or len(data) < 144:
        return False
    end = 144 + int.from_bytes(data[140:144], "little")  # the meta group says how long it is
    if DEFLATED not in data[144:end]:
        return False
    engine, total, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data[end:]
    while rest and not engine.eof:
        total += len(engine.decompress(rest, _CHUNK))
        if total > most:
            return True
        rest = engine.unconsumed_tail
    return False


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) a JPEG, JPEG-LS or JPEG 2000 codestream says of itself; None for anything else."""
    if data[:4] == b"\xff\x4f\xff\x51":  # SOC, SIZ: image extent minus offset
        right, bottom, left, top = (int.from_bytes(data[8 + 4 * i : 12 + 4 * i], "big") for i in range(4))
        return bottom - top, right - left
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if frame or marker == 0xF7:  # SOF of JPEG and of JPEG-LS
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        if marker in (0xDA, 0xD9):
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
