"""Pictures of a table at a study's size, kept beside the run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import packed
from core.data.packed import Images, fingerprint, packed_images, packed_picture, training_image
from core.data.table import read_table
from core.errors import UserError


def write(folder, grey: int, names=("a.png", "b.png"), size=(40, 60)):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(grey)
    for name in names:
        pixels = np.clip(rng.normal(grey, 20, size), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "l.csv").write_text("file,s\n" + "".join(f"{n},1\n" for n in names))
    return read_table(folder, folder / "l.csv")


def test_faces_are_cut_square_and_get_three_channels(tmp_path):
    pixels = np.zeros((40, 60), np.uint8)
    pixels[:, 10:50] = 200  # exactly the middle square
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = training_image(tmp_path / "a.png", "face", 20)
    assert image.shape == (3, 20, 20)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, 200 / 255, atol=1e-3)


def test_chests_take_the_path_of_an_upload(tmp_path):
    from core.images.prepare import prepare_chest
    from core.images.read import read_picture

    write(tmp_path, 100)
    image = training_image(tmp_path / "a.png", "chest", 32)
    assert image.shape == (1, 32, 32)
    np.testing.assert_array_equal(image, prepare_chest(read_picture(tmp_path / "a.png"), 32).tensor)


def test_packed_once(tmp_path, monkeypatch):
    table = write(tmp_path / "d", 100)
    first = packed_images(table, "face", 16, tmp_path / "cache")
    assert first.shape == (2, 3, 16, 16)
    assert first.dtype == np.uint8
    monkeypatch.setattr(packed, "training_image", None)  # decoding again would fail
    np.testing.assert_array_equal(packed_images(table, "face", 16, tmp_path / "cache"), first)


def test_another_size_modality_or_table_is_packed_anew(tmp_path):
    table = write(tmp_path / "d", 100)
    packed_images(table, "face", 16, tmp_path / "cache")
    assert packed_images(table, "face", 20, tmp_path / "cache").shape == (2, 3, 20, 20)
    assert packed_images(table, "chest", 16, tmp_path / "cache").shape == (2, 1, 16, 16)
    assert len(packed_images(table.where(np.array([0])), "face", 16, tmp_path / "cache")) == 1


def test_another_folder_of_the_same_names_is_not_mistaken_for_it(tmp_path):
    dark, bright = write(tmp_path / "dark", 40), write(tmp_path / "bright", 200)
    one = packed_images(dark, "face", 16, tmp_path / "cache")
    two = packed_images(bright, "face", 16, tmp_path / "cache")
    assert one.mean() < 60
    assert two.mean() > 180


def test_one_picture_is_the_same_as_among_others(tmp_path):
    table = write(tmp_path / "d", 100)
    all_of_them = packed_images(table, "face", 16, tmp_path / "cache")
    for name, picture in zip(table.files, all_of_them, strict=True):
        np.testing.assert_array_equal(packed_picture(table.folder / name, "face", 16), picture)


def test_pictures_are_mapped_and_their_file_does_not_change(tmp_path, recwarn):
    table = write(tmp_path / "d", 100)
    first = packed_images(table, "face", 16, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    before = file.read_bytes()
    np.testing.assert_array_equal(np.load(file), first)
    mapped = first
    while not isinstance(mapped, np.memmap):  # not a copy in memory
        assert mapped.base is not None
        mapped = mapped.base
    tensor = torch.from_numpy(first)
    tensor[0] = 0
    assert first[0].max() == 0
    assert file.read_bytes() == before
    assert packed_images(table, "face", 16, tmp_path / "cache")[0].max() > 0
    assert not [w for w in recwarn if "not writable" in str(w.message)]


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_packing_is_strict_and_leaves_nothing_half_done(tmp_path, damage):
    table = write(tmp_path / "d", 100)
    path = table.folder / "b.png"
    path.unlink() if damage == "gone" else path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="There is no file at .*b.png" if damage == "gone" else "b.png: This file is"):
        packed_images(table, "face", 16, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir() if (tmp_path / "cache").exists() else [])


def test_only_the_chosen_are_read(tmp_path, monkeypatch):
    table = write(tmp_path / "d", 100, names=tuple(f"{i}.png" for i in range(6)))
    whole = packed_images(table, "face", 16, tmp_path / "cache")
    read = []
    monkeypatch.setattr(
        packed, "training_image", lambda path, *rest: read.append(path.name) or training_image(path, *rest)
    )
    images = Images(table, "face", 16, 3, tmp_path / "other")
    assert len(images) == 6
    np.testing.assert_array_equal(images[np.array([4, 1])], whole[[4, 1]])
    np.testing.assert_array_equal(images[[4, 1]], whole[[4, 1]])
    assert sorted(read) == ["1.png", "4.png"]
    mask = np.array([True, False, False, False, False, True])
    np.testing.assert_array_equal(images[mask], whole[mask])
    assert images[np.array([], dtype=int)].shape == images[~(mask | True)].shape == (0, 3, 16, 16)


def test_the_fingerprint_knows_the_files(tmp_path):
    table = write(tmp_path / "d", 100)
    one = fingerprint(table)
    assert one == fingerprint(table) == fingerprint(table, missing_ok=True)
    write(tmp_path / "d", 90)
    assert fingerprint(table) != one
    (table.folder / "a.png").unlink()
    with pytest.raises(UserError, match="There is no file at"):
        fingerprint(table)
    assert fingerprint(table, missing_ok=True) not in (one, "")
