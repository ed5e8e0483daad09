"""Grids of settings: what may be in one, and one sentence for what may not."""

from __future__ import annotations

import pytest
from toys import small_config

from core.errors import UserError
from core.networks.exaggerator import Band
from core.training.grid import Cell, changed, read_grid
from core.training.knob_settings import ExaggeratorTraining

SHAPE, TRAINING = small_config("paper"), ExaggeratorTraining(batch=4, critic_base=4)


def change(**changes):
    return changed(SHAPE, TRAINING, changes, "cell a")


def write(tmp_path, text):
    (tmp_path / "grid.toml").write_text(text)
    return str(tmp_path / "grid.toml")


def test_the_shipped_grid_is_the_papers_table_6():
    grid = read_grid("weights")
    weights = [tuple(cell.changes[w] for w in ("gan", "f", "rec")) for cell in grid.cells]
    assert sorted(weights) == sorted(
        [(0, 1, 100), (1, 1, 100), (10, 1, 100), (100, 1, 100), (1, 0, 100), (1, 10, 100), (1, 100, 100), (1, 1, 0),
         (1, 1, 1), (1, 1, 10)]
    )  # fmt: skip
    assert "Table 6" in grid.title
    for cell in grid.cells:
        shape, training = changed(SHAPE, TRAINING, cell.changes, cell.name)
        assert shape == SHAPE
        assert (training.gan, training.f, training.rec) == tuple(cell.changes[w] for w in ("gan", "f", "rec"))


def test_a_grid_of_ones_own(tmp_path):
    grid = read_grid(write(tmp_path, 'title = "Mine"\n[cells.b]\nrate = 1e-3\n[cells.a]\n'))
    assert (grid.title, grid.cells) == ("Mine", (Cell("b", {"rate": 1e-3}), Cell("a", {})))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cells = 3", "no cells"),
        ('title = "empty"', "no cells"),
        ("[cells]\na = 1", "no cells"),
        ("[cells.a]\n[defaults]\nf = 1", "'defaults'"),
        ('[cells."../a"]', "'../a'"),
        ('[cells.""]', "a cell ''"),
        ("not toml", "not a TOML file"),
        ("[cells.a]\n[cells.a]", "not a TOML file"),
    ],
)
def test_what_is_no_grid(tmp_path, text, said):
    with pytest.raises(UserError, match=r"grid\.toml") as fault:
        read_grid(write(tmp_path, text))
    assert said in str(fault.value)


def test_bytes_are_no_grid(tmp_path):
    (tmp_path / "grid.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a TOML file"):
        read_grid(str(tmp_path / "grid.toml"))


def test_a_grid_that_is_not_there():
    with pytest.raises(UserError, match=r"no grid 'losses'.*weights"):
        read_grid("losses")


def test_settings_of_the_training_and_of_the_network():
    shape, training = change(f=3, base=16, flip=True, init="old.safetensors")
    assert (training.f, training.flip, training.init) == (3, True, "old.safetensors")
    assert (training.batch, training.critic_base) == (4, 4)
    assert (shape.base, shape.head) == (16, "paper")


def test_a_head_brings_what_goes_with_it():
    shape, _ = change(head="morph", bands=[[8, 0.3], [16, 0.1, True]])
    assert (shape.head, shape.skips, shape.continuous) == ("morph", True, True)
    assert shape.bands == (Band(8, 0.3), Band(16, 0.1, colour=True))
    shape, _ = change(head="residual", continuous=False)
    assert (shape.skips, shape.continuous) == (True, False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lambda": 1}, "no setting 'lambda'; there is: batch, gan, f, rec"),
        ({"size": 64}, "'size' is the study's"),
        ({"channels": 3}, "'channels' is the study's"),
        ({"gan": "much"}, "'gan' takes a number, 0 or more, not 'much'"),
        ({"gan": -1}, "'gan' takes a number"),
        ({"gan": True}, "'gan' takes a number"),
        ({"f": float("nan")}, "'f' takes a number"),
        ({"rec": float("inf")}, "'rec' takes a number"),
        ({"base": 8.5}, "'base' takes a whole number"),
        ({"cycle_every": 0}, "'cycle_every' takes a whole number above 0"),
        ({"flip": 1}, "'flip' takes true or false"),
        ({"head": "oil"}, "no head 'oil'"),
        ({"head": 3}, "'head' takes a word"),
        ({"bands": [16, 0.3]}, "'bands' takes a list of"),
        ({"bands": [[16]]}, "'bands' takes a list of"),
        ({"batch": 1}, "two pictures or more"),
        ({"base": 28}, "makes no network"),
        ({"bins": 1}, "makes no network"),
    ],
)
def test_what_cannot_be_set(changes, said):
    with pytest.raises(UserError, match="cell a") as fault:
        change(**changes)
    assert said in str(fault.value)


def test_a_seed_may_be_0():
    assert change(seed=0)[1].seed == 0
