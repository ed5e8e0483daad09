"""Folders of unlabelled pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.data.folder import folder_images
from core.errors import UserError

NAMES = [f"{i:03}.png" for i in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("others")
    (place / "deep").mkdir()
    for i, name in enumerate(NAMES):  # each picture is recognisable by its grey
        pixels = np.full((32, 32), 3 * i, np.uint8)
        Image.fromarray(pixels).save((place / "deep" if i % 2 else place) / name)
    (place / "notes.txt").write_text("not a picture")
    return place


def greys(folder, split, most=100, **more) -> list[int]:
    images = folder_images(folder, "face", 8, split=split, most=most, **more)
    assert images.dtype == np.uint8
    assert images.shape[1:] == (3, 8, 8)
    return [round(v / 3) for v in images.mean((1, 2, 3))]


def test_every_picture_is_in_one_split(folder):
    parts = [greys(folder, split) for split in ("train", "val", "test")]
    assert sorted(i for part in parts for i in part) == list(range(60))
    assert len(parts[0]) > 36
    assert sorted(greys(folder, None)) == list(range(60))


def test_what_could_be_no_digit_is_left_out(folder, tmp_path):
    """Flat grey holds no digit, and the study says so without a gate."""
    pixels = np.zeros((40, 40), np.uint8)
    pixels[10:30, 18:22] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(tmp_path / "flat.png")
    assert folder_images(tmp_path, "digit", 28, split=None, most=9).shape == (1, 1, 28, 28)
    with pytest.raises(UserError, match="None of the pictures"):
        folder_images(folder, "digit", 28, split=None, most=9)


def test_the_split_goes_by_the_name_alone(folder, tmp_path):
    for i in (3, 10, 41):
        Image.fromarray(np.full((32, 32), 3 * i, np.uint8)).save(tmp_path / NAMES[i])
    for split in ("train", "val", "test"):
        expected = {3, 10, 41} & set(greys(folder, split))
        if expected:
            assert set(greys(tmp_path, split)) == expected


def test_at_most_so_many_drawn_with_a_seed(folder):
    few = greys(folder, "train", most=5, seed=1)
    assert len(few) == 5
    assert few == greys(folder, "train", most=5, seed=1)
    assert few != greys(folder, "train", most=5, seed=2)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="no pictures in"):
        folder_images(tmp_path, "face", 8, split="train", most=5)


def test_a_split_without_pictures_is_a_sentence_or_nothing(tmp_path):
    # One picture can only be in one split; the others must not end in a fault of ours.
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "one.png")
    said = []
    for split in ("train", "val", "test"):
        try:
            assert len(folder_images(tmp_path, "face", 8, split=split, most=5)) <= 1
        except UserError as fault:
            said.append(str(fault))
    assert all(str(tmp_path) in sentence for sentence in said)
