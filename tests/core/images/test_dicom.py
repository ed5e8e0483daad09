"""The order of DICOM's transforms, real encodings, and files that are not radiographs."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from core.errors import UserError
from core.images.read import read_picture

STORED = (np.arange(32 * 24, dtype=np.uint16).reshape(24, 32) * 5) % 4096


def dicom(stored: np.ndarray = STORED, *, bits: int = 12, **tags: object) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Modality, dataset.BodyPartExamined, dataset.BurnedInAnnotation = "DX", "CHEST", "NO"
    dataset.PatientName = "Secret^Person"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0
    dataset.PixelData = stored.astype(np.uint16).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def encoded(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def pixels(**tags: object) -> np.ndarray:
    return read_picture(encoded(dicom(**tags))).pixels


def scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def test_without_a_window_the_whole_range_is_used() -> None:
    assert np.allclose(pixels(), scaled(STORED.astype(float)), atol=1e-5)


def test_monochrome1_is_turned_once() -> None:
    picture = read_picture(encoded(dicom(PhotometricInterpretation="MONOCHROME1")))
    assert picture.inverted
    assert np.allclose(picture.pixels, 1 - scaled(STORED.astype(float)), atol=1e-5)


def test_window_follows_the_standard() -> None:
    centre, width = 2000.0, 1000.0
    got = pixels(WindowCenter=centre, WindowWidth=width)
    expected = np.clip((STORED - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    assert np.allclose(got, expected, atol=2e-3)


def test_monochrome1_with_a_window_is_windowed_first_and_turned_last() -> None:
    got = pixels(WindowCenter=1000, WindowWidth=600, PhotometricInterpretation="MONOCHROME1")
    assert np.allclose(got, 1 - pixels(WindowCenter=1000, WindowWidth=600), atol=1e-5)
    assert got[STORED < 600].min() == 1.0  # below the window: black in MONOCHROME2, white here


def test_negative_slope_turns_the_tone_by_itself() -> None:
    got = pixels(RescaleSlope=-1, RescaleIntercept=4095)
    assert np.allclose(got, 1 - scaled(STORED.astype(float)), atol=1e-5)


def test_rescale_comes_before_the_window() -> None:
    got = pixels(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=2000)
    expected = np.clip((STORED * 2.0 - 1000 - 2999.5) / 1999 + 0.5, 0, 1)
    assert np.allclose(got, expected, atol=2e-3)


def test_a_lookup_table_is_preferred_to_a_window() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.add_new(0x00283006, "OW", (65535 - np.arange(4096, dtype=np.uint32) * 16).astype(np.uint16).tobytes())
    got = pixels(VOILUTSequence=[item], WindowCenter=10, WindowWidth=5)
    assert np.allclose(got, 1 - STORED * 16.0 / 65535, atol=1e-5)


@pytest.mark.parametrize(("centre", "width"), [(1e6, 10), (2000, 0), (-5000, 100)])
def test_a_window_that_shows_nothing_is_ignored_and_said(centre: float, width: float) -> None:
    picture = read_picture(encoded(dicom(WindowCenter=centre, WindowWidth=width)))
    assert np.allclose(picture.pixels, scaled(STORED.astype(float)), atol=1e-5)
    assert any("window" in w for w in picture.warnings)


def test_a_frame_of_several() -> None:
    frames = np.stack([STORED, STORED[::-1]])
    data = encoded(dicom(frames, NumberOfFrames=2))
    assert np.allclose(read_picture(data, frame=1).pixels, read_picture(data).pixels[::-1])
    with pytest.raises(UserError, match="no frame 2"):
        read_picture(data, frame=2)


@pytest.mark.parametrize("space", ["YBR_FULL", "YBR_FULL_422"])
def test_ybr_is_turned_to_rgb_once(space: str) -> None:
    rgb = np.zeros((24, 32, 3), np.uint8)
    rgb[:, :16], rgb[:, 16:] = (200, 40, 60), (20, 90, 220)
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    data = (
        ybr if space == "YBR_FULL" else np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], -1)
    )
    picture = read_picture(encoded(colour(data.tobytes(), SamplesPerPixel=3, PhotometricInterpretation=space)))
    assert np.abs(picture.pixels - rgb / 255).max() < 0.02


def test_a_palette_is_applied() -> None:
    indices = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32) % 4
    red, green, blue = np.array([[0, 65535, 0, 30000], [0, 0, 65535, 30000], [65535, 0, 0, 0]], np.uint16)
    tables = {"Red": red, "Green": green, "Blue": blue}
    dataset = colour(indices.tobytes(), SamplesPerPixel=1, PhotometricInterpretation="PALETTE COLOR")
    for name, table in tables.items():
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(dataset, f"{name}PaletteColorLookupTableData", table.tobytes())
    picture = read_picture(encoded(dataset))
    assert np.allclose(picture.pixels, np.stack([red, green, blue], -1)[indices] / 65535, atol=1e-5)


def colour(data: bytes, **tags: object) -> Dataset:
    """A data set of 24 x 32 bytes a plane."""
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PlanarConfiguration": 0, "PixelData": data}
    dataset = dicom(**eight | tags)
    dataset["PixelData"].VR = "OB"
    return dataset


def test_rle() -> None:
    dataset = dicom()
    dataset.compress(RLELossless)
    assert np.allclose(read_picture(encoded(dataset)).pixels, pixels(), atol=1e-6)


def test_only_allowed_tags_stay() -> None:
    picture = read_picture(encoded(dicom(PixelSpacing=[0.2, 0.3])))
    assert picture.spacing == (0.2, 0.3)
    assert picture.tags["Modality"] == "DX"
    assert "Secret" not in repr(picture)
    assert "Secret" not in str(picture.tags)
    assert picture.warnings == ()


def test_burned_in_text_and_foreign_body_parts_are_pointed_out() -> None:
    assert any("burned" in w for w in read_picture(encoded(dicom(BurnedInAnnotation="YES"))).warnings)
    silent = dicom()
    del silent.BurnedInAnnotation
    assert any("does not say" in w for w in read_picture(encoded(silent)).warnings)
    assert any("KNEE" in w for w in read_picture(encoded(dicom(BodyPartExamined="KNEE"))).warnings)
    assert any("lateral" in w for w in read_picture(encoded(dicom(ViewPosition="LL"))).warnings)


def test_bad_files_get_one_clear_sentence() -> None:
    no_pixels = dicom()
    del no_pixels.PixelData
    odd = dicom()
    odd.PixelData = encapsulate([b"\x00" * 64])
    odd["PixelData"].is_undefined_length = True
    odd.file_meta.TransferSyntaxUID = JPEGLSLossless
    cases = {
        "no pixels": no_pixels,
        "modality CT": dicom(Modality="CT"),
        "damaged|decoded": odd,
        "more than is allowed": dicom(Rows=60000, Columns=60000),
    }
    for says, dataset in cases.items():
        with pytest.raises(UserError, match=says) as caught:
            read_picture(encoded(dataset))
        assert "Secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_cut_short() -> None:
    data = encoded(dicom())
    with pytest.raises(UserError, match=r"damaged or cut short|decoded"):
        read_picture(data[: len(data) - 400])


def samples() -> list[Path]:
    spec = find_spec("data_store")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("RG1_*.dcm"))


def test_four_encodings_of_one_real_radiograph_agree() -> None:
    pictures = [read_picture(path.read_bytes()) for path in samples()]
    assert len(pictures) == 4
    assert all(p.inverted and p.bits == 15 and p.size == (1955, 1841) for p in pictures)
    for other in pictures[1:]:
        assert np.abs(other.pixels - pictures[0].pixels).mean() < 0.002
    # Lungs are darker than the heart and the spine, which is what MONOCHROME1 is about.
    grey = pictures[0].pixels
    assert grey[700:900, 400:600].mean() < grey[900:1200, 900:1000].mean()
