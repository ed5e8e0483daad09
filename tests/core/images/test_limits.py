"""Small files that would unpack to something huge."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, generate_uid

from core.errors import UserError
from core.images import dicom
from core.images.limits import codestream_size, inflates_beyond
from core.images.read import read_picture


def jpeg(height: int, width: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(height * width, dtype=np.uint32).reshape(height, width).astype(np.uint8)).save(
        buffer, kind, **({"no_jp2": True} if kind == "JPEG2000" else {})
    )
    return buffer.getvalue()


def file_of(syntax, pixels: bytes, rows: int = 16, columns: int = 24) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", generate_uid()
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PhotometricInterpretation = "CR", "MONOCHROME2"
    data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = encapsulate([pixels]) if syntax.is_encapsulated else pixels
    data["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_a_codestream_says_its_size(kind, syntax):
    assert codestream_size(jpeg(16, 24, kind)) == (16, 24)
    assert read_picture(file_of(syntax, jpeg(16, 24, kind))).size == (16, 24)


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_a_codestream_larger_than_its_header_is_refused_before_it_is_decoded(kind, syntax, monkeypatch):
    monkeypatch.setattr(dicom, "get_decoder", lambda syntax: _Never())
    with pytest.raises(UserError, match="not as large as its header says"):
        read_picture(file_of(syntax, jpeg(640, 480, kind)))


class _Never:
    """A decoder that must not be asked."""

    is_available = True

    def as_array(self, *args, **kwargs):
        raise AssertionError("the picture was decoded")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd8\x00\x00" * 8, b"abc" * 9])
def test_what_is_no_codestream_has_no_size(data):
    assert codestream_size(data) is None


def test_a_deflated_file_is_read():
    plain = file_of(DeflatedExplicitVRLittleEndian, bytes(16 * 24))
    assert not inflates_beyond(plain, 10_000)
    assert read_picture(plain).size == (16, 24)


def test_a_deflated_bomb_is_refused_without_being_unpacked(monkeypatch):
    small = file_of(DeflatedExplicitVRLittleEndian, bytes(16 * 24))
    end = 144 + int.from_bytes(small[140:144], "little")
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = small[:end] + engine.compress(bytes(30_000_000)) + engine.flush()
    assert len(bomb) < 100_000
    assert inflates_beyond(bomb, 20_000_000)
    assert not inflates_beyond(bomb, 40_000_000)
    monkeypatch.setattr(dicom, "MAX_BYTES", 20_000_000)
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **k: pytest.fail("unpacked"))
    with pytest.raises(UserError, match="unpacks to far more"):
        read_picture(bomb)


def test_a_damaged_deflated_file_ends_in_a_sentence():
    broken = file_of(DeflatedExplicitVRLittleEndian, bytes(16 * 24))
    with pytest.raises(UserError):
        read_picture(broken[:-40] + b"\x00" * 40)
