"""The label table: what it reads, what it refuses and with which sentence, and a split that stays."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.table import SPLITS, LabelledTable, load_images, read_table
from core.errors import UserError


def write(folder, text: str, files: tuple[str, ...] = ("a.png", "b.png", "c.png"), encoding: str = "utf-8"):
    """(folder, CSV) with these lines and these (empty) files."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "labels.csv").write_bytes(text.encode(encoding))
    return folder, folder / "labels.csv"


def refused(folder, text: str, pattern: str, **more) -> None:
    with pytest.raises(UserError, match=pattern):
        read_table(*write(folder, text, **more))


def table(**columns) -> LabelledTable:
    columns = {name: tuple(values) for name, values in columns.items()}
    return LabelledTable(None, columns["file"], columns)


# Reading


def test_rows_and_labels(tmp_path):
    found = read_table(*write(tmp_path, "file,Smiling,split\na.png,1,train\nb.png,0,val\nc.png,,test\n"))
    assert len(found) == 3
    assert found.files == ("a.png", "b.png", "c.png")
    np.testing.assert_array_equal(found.label("Smiling"), [1, 0, np.nan])
    assert found.label("Smiling").dtype == np.float32


def test_spaces_a_byte_order_mark_and_subfolders(tmp_path):
    found = read_table(*write(tmp_path, "\ufefffile,Smiling\nsub/a.png, 1 \nb.png,0\n", files=("sub/a.png", "b.png")))
    assert found.label("Smiling").tolist() == [1, 0]
    assert found.files[0] == "sub/a.png"


def test_a_short_row_is_blank_at_its_end(tmp_path):
    found = read_table(*write(tmp_path, "file,Smiling,Young\na.png,1\nb.png,0,1\n"))
    np.testing.assert_array_equal(found.label("Young"), [np.nan, 1])


def test_a_column_is_found_whatever_its_case():
    assert table(file=["a"], Cardiomegaly=["1"]).label("cardiomegaly").tolist() == [1]


def test_words_for_sex_and_view_and_minus_one():
    found = table(file="abcd", sex=["M", "F", "", "M"], view=["PA", "AP", "", "AP"], smile=["1", "-1", "", "0"])
    np.testing.assert_array_equal(found.label("sex"), [1, 0, np.nan, 1])
    np.testing.assert_array_equal(found.label("view"), [1, 0, np.nan, 0])
    np.testing.assert_array_equal(found.label("smile"), [1, 0, np.nan, 0])


# Refusing


def test_no_label_file(tmp_path):
    with pytest.raises(UserError, match=r"no label file at .*nothing\.csv; pass one with --labels"):
        read_table(tmp_path, tmp_path / "nothing.csv")


def test_no_file_column(tmp_path):
    refused(tmp_path, "image,Smiling\na.png,1\n", r"labels\.csv has no column 'file'; add one")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_than_commas(tmp_path, mark):
    refused(tmp_path, f"file{mark}Smiling\na.png{mark}1\n", "columns that are not parted by commas")


def test_a_file_counts_once(tmp_path):
    refused(tmp_path, "file,Smiling\na.png,1\nb.png,0\na.png,1\n", r"more than one row for a\.png")


def test_persons_as_classes():
    who = ["a"] * 3 + ["b"] * 2 + ["c"] * 3 + ["", "a"]
    split = ["train"] * 9 + ["test"]
    found, names = table(file=[f"{i}.png" for i in range(10)], identity=who, split=split).by_value("Identity", least=3)
    assert names == ("Identity=a", "Identity=c")
    assert found.files == ("0.png", "1.png", "2.png", "5.png", "6.png", "7.png")
    assert found.columns["split"] == ("val", "train", "train") * 2
    np.testing.assert_array_equal(found.label("Identity=a"), [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(found.label("Identity=c"), [0, 0, 0, 1, 1, 1])
    with pytest.raises(UserError, match="Fewer than two values of 'identity' have 4 or more pictures"):
        table(file=["a.png"], identity=["a"], split=["train"]).by_value("identity", least=4)


def test_no_rows(tmp_path):
    refused(tmp_path, "file,Smiling\n", r"labels\.csv has a header but no rows")


def test_nothing_at_all(tmp_path):
    refused(tmp_path, "", r"labels\.csv has no column 'file'")


def test_missing_files_are_counted_and_the_first_named(tmp_path):
    refused(tmp_path, "file\na.png\nx.png\ny.png\n", r"names 2 files that are not in .*, x\.png first; .*--data")


def test_a_file_in_another_encoding(tmp_path):
    refused(tmp_path, "file,Lächeln\na.png,1\n", r"labels\.csv", encoding="latin-1")


def test_a_row_without_a_file(tmp_path):
    refused(tmp_path, "Smiling,file\n1,a.png\n0\n", r"labels\.csv")


def test_an_unknown_column_names_the_known_ones():
    with pytest.raises(UserError, match="no column 'Age'; it has: Smiling, file"):
        table(file=["a"], Smiling=["1"]).label("Age")


@pytest.mark.parametrize("value", ["yes", "2", "61", "0.5"])
def test_a_label_that_is_not_a_label(value):
    with pytest.raises(UserError, match="Column 'Smiling' of the label file is not 0/1"):
        table(file=["a", "b"], Smiling=["1", value]).label("Smiling")


def test_an_unknown_split_names_the_splits():
    with pytest.raises(UserError, match="no split 'validation'; choose one of train, val, test"):
        table(file=["a"]).split("validation")


# Splitting


def test_a_given_split_is_kept():
    found = table(file="abc", split=["val", "train", "train"])
    assert found.split("train").files == ("b", "c")
    assert found.split("val").files == ("a",)
    assert len(found.split("test")) == 0


def test_without_a_split_every_row_is_in_exactly_one():
    found = table(file=[f"{i}.png" for i in range(500)])
    parts = [set(found.split(name).files) for name in SPLITS]
    assert sum(len(p) for p in parts) == 500
    assert len(set.union(*parts)) == 500
    assert [round(len(p) / 500, 1) for p in parts] == [0.8, 0.1, 0.1]


def test_the_split_stays_whatever_else_is_in_the_table():
    names = [f"{i}.png" for i in range(100)]
    whole, part = table(file=names), table(file=names[::-3])
    for name in SPLITS:
        assert set(part.split(name).files) == set(whole.split(name).files) & set(part.files)


def test_the_split_is_the_same_on_every_machine():
    # SHA-256 of the name, modulo 10: fixed for good, since a checkpoint's test images must stay unseen.
    found = table(file=[f"{i}.png" for i in range(20)])
    assert found.split("val").files + found.split("test").files == tuple(
        [f"{i}.png" for i in range(20) if bucket(f"{i}.png") == 8]
        + [f"{i}.png" for i in range(20) if bucket(f"{i}.png") == 9]
    )


def bucket(name: str) -> int:
    import hashlib

    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10


@pytest.mark.parametrize("column", ["patient", "identity"])
def test_a_person_is_in_one_split_only(column):
    people = [f"p{i // 5}" for i in range(300)]
    found = table(file=[f"{i}.png" for i in range(300)], **{column: people})
    parts = [set(found.split(name).columns[column]) for name in SPLITS]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert all(parts)


# Choosing rows

PEOPLE = {
    "file": "abcdefgh",
    "Smiling": ["1", "1", "0", "0", "1", "0", "", "1"],
    "Male": ["1", "0", "1", "0", "", "1", "1", "1"],
    "site": ["x", "y", "x", "z", "x", "x", "y", "y"],
}


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("Smiling=1", "abeh"),
        ("site=y,z", "bdgh"),
        ("Smiling=1&Male=1", "ah"),
        ("Smiling=1&Male=1|Smiling=0&Male=0", "adh"),
        ("site=z|Smiling=1&site=x", "ade"),
        ("Smiling=1|site=x", "abcefh"),  # a row that fits twice comes once
        (" Smiling = 1 & Male = 0 , 1 ", "abh"),
        ("Smiling=1&Smiling=0", ""),
        ("site=nowhere", ""),
    ],
)
def test_rows_by_an_expression(expression, kept):
    assert "".join(table(**PEOPLE).query(expression).files) == kept


@pytest.mark.parametrize(
    "expression",
    ["", "Smiling", "Smiling=", "=1", "Age=1", "smiling=1", "Smiling=1&", "Smiling=1|", "Smiling=1&Age=2", "|Male=1"],
)
def test_an_expression_that_says_nothing(expression):
    with pytest.raises(UserError, match="--where takes column=value with a column of the label file"):
        table(**PEOPLE).query(expression)


def crossed(*cells: int) -> LabelledTable:
    """So many rows of Smiling, Male = (0, 0), (0, 1), (1, 0), (1, 1), and three of which one is not known."""
    pairs = [p for p, n in zip(("00", "01", "10", "11"), cells, strict=True) for _ in range(n)]
    pairs += [" 1", "1 ", "  "]
    order = np.random.default_rng(1).permutation(len(pairs))
    smiling, male = ([pairs[i][k].strip() for i in order] for k in (0, 1))
    return table(file=[f"{i}.png" for i in range(len(pairs))], Smiling=smiling, Male=male)


def test_four_equal_cells_as_large_as_the_smallest():
    whole = crossed(9, 4, 30, 6)
    found = whole.balanced("Smiling", "male")
    cells = list(zip(found.columns["Smiling"], found.columns["Male"], strict=True))
    assert {cell: cells.count(cell) for cell in cells} == {(a, b): 4 for a in "01" for b in "01"}
    at = [whole.files.index(name) for name in found.files]
    assert at == sorted(set(at))  # every row once, in the order of the table
    assert all(whole.columns["Smiling"][i] == a for i, (a, _) in zip(at, cells, strict=True))


def test_balancing_draws_at_random_and_the_seed_repeats_it():
    whole = crossed(9, 4, 30, 6)
    assert whole.balanced("Smiling", "Male", 3).files == whole.balanced("Smiling", "Male", 3).files
    assert whole.balanced("Smiling", "Male", 3).files != whole.balanced("Smiling", "Male", 4).files


def test_what_cannot_be_balanced():
    with pytest.raises(UserError, match="'Smiling' and 'Male' cannot be balanced: one of their four combinations"):
        crossed(9, 4, 0, 6).balanced("Smiling", "Male")
    with pytest.raises(UserError, match="no column 'Age'"):
        crossed(1, 1, 1, 1).balanced("Smiling", "Age")
    with pytest.raises(UserError, match="'Smiling' and 'Smiling' cannot be balanced"):
        crossed(1, 1, 1, 1).balanced("Smiling", "Smiling")


# The rest


def test_rows_by_mask_and_by_number():
    found = table(file="abcd", Smiling=["1", "0", "1", ""])
    assert found.where(np.array([True, False, False, True])).files == ("a", "d")
    assert found.where(np.array([2, 0])).files == ("c", "a")
    assert found.where(np.array([2, 0])).columns["Smiling"] == ("1", "1")


def test_the_digest_knows_names_and_labels():
    one, same = (table(file=["a", "b"], s=["1", "0"]).describe() for _ in range(2))
    assert one == same
    assert one["rows"] == 2
    assert table(file=["a", "b"], s=["1", "1"]).describe()["digest"] != one["digest"]
    assert table(file=["a", "c"], s=["1", "0"]).describe()["digest"] != one["digest"]


def test_pictures_come_in_the_order_of_the_table(tmp_path):
    found = LabelledTable(tmp_path, ("b", "a", "c"), {"file": ("b", "a", "c")})
    heard = []
    pictures = load_images(
        found,
        lambda path: np.full((1, 2, 2), {"a": 0.0, "b": 0.5, "c": 1.0}[path.name], np.float32),
        progress=lambda i, n: heard.append((i, n)),
    )
    images = np.stack(list(pictures))
    assert images.dtype == np.uint8
    assert images[:, 0, 0, 0].tolist() == [128, 0, 255]
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_only_a_few_pictures_are_decoded_ahead(tmp_path):
    names = tuple(f"{i}" for i in range(60))
    found = LabelledTable(tmp_path, names, {"file": names})
    begun = []

    def prepare(path):
        begun.append(path.name)
        return np.zeros((1, 2, 2), np.float32)

    pictures = load_images(found, prepare, workers=2)
    assert begun == []
    next(pictures)
    assert len(begun) <= 12
    pictures.close()
    assert len(begun) <= 12


def test_a_picture_that_cannot_be_read_ends_it(tmp_path):
    found = LabelledTable(tmp_path, ("a", "b", "c"), {"file": ("a", "b", "c")})

    def prepare(path):
        if path.name == "b":
            raise UserError("b is broken.")
        return np.zeros((1, 2, 2), np.float32)

    pictures = load_images(found, prepare)
    next(pictures)
    with pytest.raises(UserError, match="b is broken"):
        next(pictures)


def test_missing_files_may_be_kept_but_not_all_of_them(tmp_path):
    folder, labels = write(tmp_path, "file,s\na.png,1\ngone.png,0\n")
    assert read_table(folder, labels, missing_ok=True).files == ("a.png", "gone.png")
    with pytest.raises(UserError, match=r"names 2 files that are not in .*--data"):
        read_table(tmp_path / "elsewhere", labels, missing_ok=True)
