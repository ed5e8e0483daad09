"""MNIST's own files: read whole or packed, and refused with a sentence where they are not what they should be."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from toys import make_bars, write_idx

from core.data import idx
from core.data.idx import has_idx, idx_images, idx_table
from core.data.layouts import open_table
from core.data.packed import packed_images, packed_picture
from core.data.table import LabelledTable, class_numbers
from core.errors import UserError


@pytest.fixture(autouse=True)
def _few_for_val(monkeypatch):
    monkeypatch.setattr(idx, "VAL", 9)


@pytest.fixture(params=[False, True], ids=["plain", "gz"])
def folder(request, tmp_path):
    return write_idx(tmp_path, packed=request.param)


def test_the_table(folder):
    table = idx_table(folder)
    assert len(table) == 36
    assert (table.files[0], table.files[23], table.files[24]) == ("train-00000", "train-00023", "t10k-00000")
    assert set(table.columns) == {"file", "split", *map(str, range(10))}
    assert table.columns["split"] == ("train",) * 15 + ("val",) * 9 + ("test",) * 12
    _, labels = make_bars(24, size=28, classes=3)
    for k in range(10):
        np.testing.assert_array_equal(table.label(str(k))[:24], labels == k)
    np.testing.assert_array_equal(class_numbers(table, ("0", "1", "2"))[0][:24], labels)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_pictures_are_those_of_the_rows(folder, split):
    train, test = make_bars(24, size=28, classes=3, seed=24)[0], make_bars(12, size=28, classes=3, seed=12)[0]
    want = {"train": train[:15], "val": train[15:], "test": test}[split]
    rows = idx_table(folder).split(split)
    np.testing.assert_array_equal(idx_images(rows), want)
    np.testing.assert_array_equal(packed_images(rows, "digit", 28, folder / "cache"), want)
    np.testing.assert_array_equal(idx_images(rows.where(np.array([4, 1]))), want[[4, 1]])
    assert not (folder / "cache").exists()
    for k in (0, len(rows) - 1):
        np.testing.assert_array_equal(packed_picture(folder / rows.files[k], "digit", 28), want[k])
    with pytest.raises(UserError, match="have 28 pixels, the study wants 32"):
        packed_picture(folder / rows.files[0], "digit", 32)


def test_the_published_names_with_a_dot_are_known_too(tmp_path):
    write_idx(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert has_idx(tmp_path)
    assert len(idx_table(tmp_path)) == 36


# Mistakes


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_missing_label_file_is_named(tmp_path, name):
    write_idx(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"There is no {name} in .*one of MNIST's four files"):
        idx_table(tmp_path)


def test_missing_pictures_are_named(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(UserError, match="There is no t10k-images-idx3-ubyte"):
        idx_images(idx_table(tmp_path))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_cut_short_is_named(tmp_path, packed):
    write_idx(tmp_path, packed=packed)
    path = next(tmp_path.glob("train-images*"))
    data = gzip.decompress(path.read_bytes())[:-5] if packed else path.read_bytes()[:-5]
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\S* is cut short: .* 18816 bytes and holds 18811"):
        idx_images(idx_table(tmp_path))


@pytest.mark.parametrize("data", [b"", bytes(64), b"\0\0\x08\x03" + bytes(30), b"<html>not found</html>"])
def test_another_kind_of_file_is_refused(tmp_path, data):
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(data)
    with pytest.raises(UserError, match=r"is not an idx file of 1 dimensions|is cut short"):
        idx_table(tmp_path)


# Which layout


def test_a_folder_of_idx_files_needs_no_csv(tmp_path):
    assert not has_idx(tmp_path)
    with pytest.raises(
        UserError, match="holds no idx files, so its labels must come from a CSV: pass one with --labels"
    ):
        open_table(tmp_path, None)
    write_idx(tmp_path)
    assert open_table(tmp_path, None).describe() == idx_table(tmp_path).describe()


def test_a_csv_is_taken_first(labelled_folder):
    assert open_table(*labelled_folder).files[0] == "000.png"


# Class numbers


def test_class_numbers_of_rows_with_none_two_and_blanks():
    columns = {
        "file": ("a", "b", "c", "d", "e"),
        "cat": ("1", "0", "", "1", "0"),
        "dog": ("0", "1", "1", "1", ""),
    }
    numbers, known = class_numbers(LabelledTable(None, columns["file"], columns), ("cat", "dog"))
    assert known.tolist() == [True, True, True, False, False]
    assert numbers[known].tolist() == [0, 1, 1]


def test_a_class_without_a_column_is_named():
    with pytest.raises(UserError, match="no column 'cow'"):
        class_numbers(LabelledTable(None, ("a",), {"file": ("a",), "cat": ("1",)}), ("cat", "cow"))
