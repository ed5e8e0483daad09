"""Ordinary picture files: each kind and depth comes in right, each mistake gets its one sentence."""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import struct
import tempfile
import zlib

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.images import read as reading
from core.images.read import read_picture

# Kinds and depths


@pytest.mark.parametrize(("kind", "options"), [
    ("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {}), ("WEBP", {"lossless": True}),
])  # fmt: skip
@pytest.mark.parametrize("colour", [False, True])
def test_a_lossless_file_comes_in_to_the_last_level(ramp, file, kind, options, colour):
    pixels = np.stack([ramp(), ramp()[::-1], 255 - ramp()], axis=-1) if colour else ramp()
    picture = read_picture(file(pixels, kind, **options))
    assert (picture.format, picture.bits, picture.frames) == (kind, 8, 1)
    assert picture.pixels.dtype == np.float32
    np.testing.assert_allclose(picture.pixels, pixels / 255, atol=1e-6)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_lossy_file_comes_in_nearly(ramp, file, kind):
    picture = read_picture(file(ramp(), kind, quality=95))
    np.testing.assert_allclose(picture.grey, ramp() / 255, atol=0.04)


def test_a_colour_file_without_colour_is_grey(ramp, file):
    assert read_picture(file(np.repeat(ramp()[..., None], 3, axis=2))).pixels.ndim == 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_steps(ramp, file, kind):
    pixels = ramp(top=65535, kind=np.uint16)
    picture = read_picture(file(pixels, kind))
    assert picture.bits == 16
    np.testing.assert_allclose(picture.pixels, pixels / 65535, atol=1e-6)
    assert len(np.unique(picture.pixels)) > 256


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_detectors_bits_in_sixteen_fill_the_range(ramp, file, kind, bits):
    pixels = ramp(top=2**bits - 1, kind=np.uint16)
    picture = read_picture(file(pixels, kind))
    assert picture.bits == bits
    np.testing.assert_allclose(picture.pixels, pixels / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_tiff_whose_zero_is_white_is_turned(ramp, file, kind, top):
    pixels = ramp(top=top, kind=kind)
    raw = bytearray(file(pixels, "TIFF"))
    tags = int.from_bytes(raw[4:8], "little")
    for at in range(tags + 2, tags + 2 + 12 * int.from_bytes(raw[tags : tags + 2], "little"), 12):
        if int.from_bytes(raw[at : at + 2], "little") == 262:  # PhotometricInterpretation
            raw[at + 8] = 0
    np.testing.assert_allclose(read_picture(bytes(raw)).pixels, 1 - pixels / top, atol=1e-6)
    np.testing.assert_allclose(read_picture(file(pixels, "TIFF")).pixels, pixels / top, atol=1e-6)


def test_colour_may_have_fewer_pixels_than_grey(ramp, file, monkeypatch):
    monkeypatch.setattr(reading, "MAX_COLOUR", 2000)
    assert read_picture(file(ramp())).pixels.shape == (40, 60)
    with pytest.raises(UserError, match="60 x 40 pixels, more than is allowed"):
        read_picture(file(np.repeat(ramp()[..., None], 3, axis=2)))


@pytest.mark.parametrize(("values", "expected"), [
    (np.linspace(0, 1, 400), np.linspace(0, 1, 400)),
    (np.linspace(-1000, 3000, 400), np.linspace(0, 1, 400)),
])  # fmt: skip
def test_float_tiff(file, values, expected):
    picture = read_picture(file(values.reshape(20, 20).astype(np.float32), "TIFF"))
    np.testing.assert_allclose(picture.pixels.ravel(), expected, atol=1e-5)


def test_thirty_two_bit_integers(file):
    sixteen = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.int32)
    np.testing.assert_allclose(read_picture(file(sixteen, "TIFF")).pixels, sixteen / 65535, atol=1e-5)
    beyond = np.linspace(-5, 1e6, 400).reshape(20, 20).astype(np.int32)
    pixels = read_picture(file(beyond, "TIFF")).pixels
    assert (pixels.min(), pixels.max()) == (0, 1)


def test_values_that_are_not_numbers_are_refused(file):
    refused(file(np.full((20, 20), np.nan, np.float32), "TIFF"), "not numbers")


def test_one_bit(file):
    pixels = np.indices((20, 24)).sum(0) % 2 == 0
    picture = read_picture(file(Image.fromarray(pixels)))
    assert picture.bits == 1
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_palette(file):
    picture = read_picture(file(Image.new("RGB", (20, 20), (255, 0, 51)).convert("P", palette=Image.Palette.ADAPTIVE)))
    np.testing.assert_allclose(picture.pixels[3, 3], [1, 0, 0.2], atol=0.01)


def test_transparent_pixels_lie_on_black(file):
    pixels = np.full((20, 20, 4), 255, np.uint8)
    pixels[:, :10, 3], pixels[:, 10:, 3] = 0, 128
    picture = read_picture(file(pixels))
    assert picture.pixels.ndim == 2  # white is grey
    np.testing.assert_allclose(picture.pixels[:, :10], 0)
    np.testing.assert_allclose(picture.pixels[:, 10:], 128 / 255, atol=1e-6)
    grey = Image.merge("LA", [Image.new("L", (20, 20), 200), Image.new("L", (20, 20), 0)])
    assert read_picture(file(grey)).pixels.max() == 0


def test_a_palette_with_a_transparent_entry(file):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])
    assert read_picture(file(image, transparency=1)).pixels.max() == 0


def test_cmyk_jpeg(file):
    picture = read_picture(file(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG", quality=95))
    assert picture.pixels[0, 0, 0] > 0.9
    assert picture.pixels[0, 0, 1:].max() < 0.2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "turn"), [
    (1, lambda a: a), (2, np.fliplr), (3, lambda a: np.rot90(a, 2)), (6, lambda a: np.rot90(a, -1)), (8, np.rot90),
])  # fmt: skip
def test_exif_orientation(ramp, file, kind, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(file(ramp(), kind, exif=exif))
    np.testing.assert_allclose(picture.grey, turn(ramp()) / 255, atol=0.05)


def test_frames_of_a_tiff(file, ramp):
    pages = [Image.fromarray(ramp() // 2), Image.fromarray(ramp())]
    data = file(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    first, second = read_picture(data), read_picture(data, frame=1)
    assert (first.frames, second.frame) == (2, 1)
    np.testing.assert_allclose(second.pixels, ramp() / 255, atol=1e-6)
    assert first.digest != second.digest
    for absent in (2, -1):
        refused(data, "2 frame", frame=absent)


def test_a_phone_s_jpeg_is_one_jpeg(file, ramp):
    data = file(Image.fromarray(ramp()), "MPO", save_all=True, append_images=[Image.fromarray(ramp()[::2, ::2])])
    picture = read_picture(data)
    assert (picture.format, picture.frames) == ("JPEG", 1)
    np.testing.assert_allclose(picture.pixels, ramp() / 255, atol=0.05)
    refused(data, "no frame 1", frame=1)


def test_the_digest_is_of_the_bytes_and_not_of_the_name(tmp_path, file, ramp):
    data = file(ramp())
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.dcm").write_bytes(data)  # the name decides nothing
    digests = {read_picture(source).digest for source in (data, tmp_path / "a.png", str(tmp_path / "b.dcm"))}
    assert len(digests) == 1
    assert read_picture(file(255 - ramp())).digest not in digests


# Mistakes


def refused(source, pattern: str, *, frame: int = 0) -> str:
    """The sentence a source is refused with: one, on one line, with an end."""
    with pytest.raises(UserError, match=pattern) as caught:
        read_picture(source, frame=frame)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None  # no decoder's message behind it
    return sentence


def huge_png(side: int) -> bytes:
    """The header of a square PNG and nothing to fill it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_empty():
    refused(b"", "empty")


@pytest.mark.parametrize("data", [
    b"Patient: Jane Doe, born 1970\n" * 20, b"\x00" * 500, b"%PDF-1.7\n" + b"x" * 400, b"GIF89a" + b"\0" * 300,
    b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8", b"\x89PNG\r\n\x1a\n",
], ids=["text", "zeros", "PDF", "GIF", "SVG", "two bytes of JPEG", "the mark of PNG"])  # fmt: skip
def test_what_is_not_a_picture(data):
    assert "Doe" not in refused(data, "not a picture")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_cut_short(file, kind):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    data = file(noise, kind)
    refused(data[: len(data) // 2], "damaged|not a picture")


@pytest.mark.parametrize("side", [60_000, 11_000])
def test_a_huge_picture_is_refused_by_its_header(side):
    refused(huge_png(side), "large|more than is allowed")


def test_a_tiny_picture(file):
    refused(file(np.zeros((4, 4), np.uint8)), "only 4 x 4")


def test_paths(tmp_path):
    refused(tmp_path / "nowhere.png", "no file at .*nowhere.png")
    refused(tmp_path, "is a folder; name one picture in it")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.png").write_text("no picture")
    sentence = refused(str(tmp_path / "folder" / "notes.png"), r"^notes\.png: .*not a picture")
    assert "folder" not in sentence


def test_damage_anywhere_gives_a_sentence_or_a_picture(file, ramp):
    rng = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP"):
        whole = np.frombuffer(file(ramp(), kind), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
            try:
                pixels = read_picture(data.tobytes()).pixels
            except UserError:
                continue
            assert np.isfinite(pixels).all()


# Privacy


def test_nothing_is_written_or_logged(monkeypatch, caplog, capsys, file, dicom, ramp):
    def no_writing(*arguments, **_):
        raise AssertionError(f"opened {arguments[:1]}")

    sources = [file(ramp(), kind) for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP")]
    # an odd value in a tag is what makes a parser talk
    sources += [dicom(ramp()), dicom(ramp(), PatientAge="Jane Doe, forty"), b"Jane Doe", b""]
    for source in sources:  # decoders import their plugins on first use
        attempt(source)
    caplog.set_level(logging.INFO)
    for module, name in ((builtins, "open"), (os, "open"), (tempfile, "NamedTemporaryFile"), (tempfile, "mkstemp")):
        monkeypatch.setattr(module, name, no_writing)
    for source in sources:
        attempt(source)
    printed = capsys.readouterr()
    assert caplog.text + printed.out + printed.err == ""


def attempt(source: bytes) -> None:
    with contextlib.suppress(UserError):
        read_picture(source)
