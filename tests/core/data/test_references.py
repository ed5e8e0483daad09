"""Training pictures kept beside a study: few of each class, of the training split alone."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.references import keep_references
from core.data.table import LabelledTable
from core.errors import UserError


@pytest.fixture
def table():
    """30 rows whose file is their number; every third is test; classes by the number modulo 2."""
    files = tuple(str(i) for i in range(30))
    columns = {
        "file": files,
        "split": tuple("test" if i % 3 == 2 else "train" for i in range(30)),
        "even": tuple(str(int(i % 2 == 0)) for i in range(30)),
        "odd": tuple(str(int(i % 2 == 1)) for i in range(30)),
        "none": ("0",) * 30,
    }
    return LabelledTable(None, files, columns)


def images(rows: LabelledTable, choice: str) -> np.ndarray:
    return np.array([int(f) for f in rows.files], np.uint8)[:, None, None, None] * np.ones((1, 1, 4, 4), np.uint8)


def test_what_is_kept(table, tmp_path):
    file = tmp_path / "references.npz"
    kept = keep_references(table, {"parity": ("even", "odd")}, images, file, each=4)
    assert kept == {"parity": 8}
    saved = np.load(file)
    numbers, labels = saved["parity_pictures"][:, 0, 0, 0], saved["parity_labels"]
    assert len(set(numbers.tolist())) == 8
    assert (numbers % 3 != 2).all(), "of the training split alone"
    np.testing.assert_array_equal(numbers % 2, labels)
    assert (labels == 0).sum() == 4
    assert [p.name for p in tmp_path.iterdir()] == ["references.npz"]


def test_a_seed_repeats_and_another_draws_others(table, tmp_path):
    drawn = []
    for seed in (0, 0, 1):
        keep_references(table, {"p": ("even", "odd")}, images, tmp_path / "r.npz", each=3, seed=seed)
        drawn.append(np.load(tmp_path / "r.npz")["p_pictures"])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_no_more_than_there_are_and_several_choices(table, tmp_path):
    kept = keep_references(table, {"a": ("even", "odd"), "b": ("odd", "none")}, images, tmp_path / "r.npz", each=99)
    assert kept == {"a": 20, "b": 10}
    assert not np.load(tmp_path / "r.npz")["b_labels"].any()


def test_a_choice_without_rows_is_a_sentence(table, tmp_path):
    columns = table.columns | {"other": ("0",) * 30}
    with pytest.raises(UserError, match="No training row belongs to exactly one of the classes of 'x'"):
        keep_references(
            LabelledTable(None, table.files, columns), {"x": ("none", "other")}, images, tmp_path / "r.npz"
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
