"""Pictures of every kind, built in memory, and the real ones that installed packages bring."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def folder_of(package: str) -> Path:
    """Where a package's files lie; asked of the finder, because importing some of them does more than that."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"the package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def make_dicom(stored: np.ndarray, *, syntax=ExplicitVRLittleEndian, header: bool = True, **tags) -> bytes:
    """A DICOM file of a chest film. stored: [H, W], [F, H, W] or [H, W, 3]; a tag of None is left out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^Jane", "SECRET-42", "19700101"
    dataset.InstitutionName = "Mercy Hospital"
    colour = stored.ndim == 3 and stored.shape[-1] == 3
    signed = np.issubdtype(stored.dtype, np.signedinteger)
    bits = stored.dtype.itemsize * 8
    standard = {
        "Modality": "CR", "BodyPartExamined": "CHEST", "ViewPosition": "PA", "BurnedInAnnotation": "NO",
        "SamplesPerPixel": 3 if colour else 1, "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits, "BitsStored": bits, "HighBit": int(tags.get("BitsStored", bits)) - 1,
        "PixelRepresentation": int(signed),
    }  # fmt: skip
    if colour:
        standard["PlanarConfiguration"] = 0
    elif stored.ndim == 3:
        standard["NumberOfFrames"] = len(stored)
    standard["Rows"], standard["Columns"] = stored.shape[:2] if colour else stored.shape[-2:]
    for name, value in (standard | tags).items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    out = io.BytesIO()
    if header:
        dataset.save_as(out, enforce_file_format=True)
    else:
        del dataset.file_meta
        dataset.save_as(out, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return out.getvalue()


def make_file(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    """An ordinary picture file."""
    out = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(out, kind, **options)
    return out.getvalue()


def make_ramp(height: int = 40, width: int = 60, top: int = 255, kind: type = np.uint8) -> np.ndarray:
    """[H, W] from 0 at the left to `top` at the right, a little darker downwards, so that no turn leaves it alone."""
    ramp = np.linspace(0, 1, width)[None] * np.linspace(1, 0.8, height)[:, None]
    return np.rint(ramp * top).astype(kind)


@pytest.fixture
def ramp():
    return make_ramp


@pytest.fixture
def dicom():
    return make_dicom


@pytest.fixture
def file():
    return make_file


@pytest.fixture(scope="session")
def samples():
    """Folder of the real DICOM files of pydicom-data."""
    return folder_of("data_store") / "data"


@pytest.fixture(scope="session")
def astronaut():
    """[512, 512, 3] uint8: a public-domain portrait."""
    return np.asarray(Image.open(folder_of("skimage") / "data" / "astronaut.png").convert("RGB"))
