"""Damaged and odd DICOM files: a picture or one sentence, and never a word of what the file holds."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from core.errors import UserError
from core.images.read import read_picture

SECRETS = ("Doe", "Jane", "SECRET", "Mercy", "19700101")


def try_to_read(data: bytes) -> None:
    try:
        picture = read_picture(data)
    except UserError as fault:
        said = str(fault)
    else:
        said = " ".join(picture.warnings) + repr(picture.tags)
        assert np.isfinite(picture.pixels).all()
        assert 0 <= picture.pixels.min() <= picture.pixels.max() <= 1
    assert not any(secret in said for secret in SECRETS)
    assert "\n" not in said


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
def test_flipped_bytes(dicom, ramp, syntax):
    whole = dicom(
        ramp(), syntax=syntax, WindowCenter=128, WindowWidth=200, RescaleSlope=1, PixelSpacing=[0.2, 0.2],
        NumberOfFrames=1,
    )  # fmt: skip
    header = len(whole) - ramp().size
    for seed in range(150):
        rng = np.random.default_rng(seed)
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(132, header, 5)] = rng.integers(0, 256, 5)
        try_to_read(data.tobytes())


@pytest.mark.parametrize("cut", range(100, 1000, 90))
def test_cut_anywhere(dicom, ramp, cut):
    try_to_read(dicom(ramp())[:cut])


@pytest.mark.parametrize(("name", "found"), [
    ("Rows", None), ("WindowCenter", "window"), ("RescaleSlope", None), ("Modality", "modality"),
    ("BodyPartExamined", "body part"), ("ViewPosition", None), ("NumberOfFrames", None),
])  # fmt: skip
def test_a_name_in_the_wrong_tag_is_not_repeated(dicom, ramp, name, found):
    known = {"Rows": b"\x28\x00\x10\x00US\x02\x00\x28\x00"}
    if name in known:
        data = dicom(ramp()).replace(known[name], b"\x28\x00\x10\x00US\x01\x00D")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filler = {"WindowCenter": "12345678", "RescaleSlope": "12345678", "NumberOfFrames": "12345678"}.get(name)
            data = dicom(ramp(), WindowWidth=100, **{name: filler or "ABCDEFGH"})
            data = data.replace(b"12345678" if filler else b"ABCDEFGH", b"Doe^Jane")
    try:
        said = " ".join(read_picture(data).warnings)
    except UserError as fault:
        said = str(fault)
    assert not any(secret in said or secret.upper() in said for secret in SECRETS)
    if found and name != "WindowCenter":
        assert found in said


def test_an_unknown_transfer_syntax_is_not_repeated(dicom, ramp):
    data = dicom(ramp()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.3.19700101.1.2.9")
    with pytest.raises(UserError, match="cannot be decoded") as caught:
        read_picture(data)
    assert "19700101" not in str(caught.value)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=str)
def test_without_a_header(dicom, ramp, syntax):
    pixels = ramp()
    data = dicom(pixels, syntax=syntax, header=False)
    assert data[:4] in (b"\x08\x00\x05\x00", b"\x00\x08\x00\x05")
    np.testing.assert_allclose(read_picture(data).pixels, pixels / pixels.max(), atol=1e-6)


@pytest.mark.parametrize("frame", [2**40, -(2**40), -1, 1, 2**31])
@pytest.mark.parametrize("kind", ["dicom", "png"])
def test_frames_that_are_not_there(dicom, file, ramp, kind, frame):
    with pytest.raises(UserError, match=re.escape(f"no frame {frame}.")):
        read_picture(dicom(ramp()) if kind == "dicom" else file(ramp()), frame=frame)


def test_nothing_warns_of_what_a_file_holds(dicom, ramp, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # writing such a file warns too
        odd = dicom(ramp(), RescaleSlope="1.000000000019700101", PatientAge="Jane Doe, forty")
    odd = odd.replace(b"ISO_IR 100", b"Doe^Jane 4")
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.WARN)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        # Its list of filters is shared by all threads, so no reading may put one back.
        with monkeypatch.context() as patch, ThreadPoolExecutor(4) as threads:
            patch.setattr(warnings, "catch_warnings", None)
            list(threads.map(read_picture, [odd] * 20))
    assert said == []
