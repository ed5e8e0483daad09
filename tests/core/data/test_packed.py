"""Pictures of a table at a study's size, kept beside the run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.data import packed
from core.data.packed import packed_images, training_image
from core.data.table import read_table


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
