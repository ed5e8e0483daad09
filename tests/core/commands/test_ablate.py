"""`contralens ablate` on the toy study."""

from __future__ import annotations

import json

import pytest
from toys import write_study

from core.training.exaggerator import ExaggeratorTrainer

GRID = "[cells.low]\nrec = 1\n\n[cells.high]\nrec = 100\n"


@pytest.fixture
def words(table, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    return (
        "ablate", "--study", "toy", *table, "--target", "Large", "--out", tmp_path / "o", "--grid",
        tmp_path / "grid.toml", "--base", "8", "--batch", "4", "--options", '{"critic_base": 4}', "--steps", "2",
        "--pictures", "3", "--device", "cpu",
    )  # fmt: skip


def swapped(words, name, value):
    at = words.index(name)
    return (*words[: at + 1], value, *words[at + 2 :])


def test_ablate_goes_on_records_and_is_shown(contralens, words, tmp_path, monkeypatch):
    folder = write_study(tmp_path / "checkpoints")
    (folder / "toy" / "metrics.json").write_text('{"study": "toy", "note": 1}')
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder))
    steps, step = [], ExaggeratorTrainer.step

    def counted(self, index, fraction):
        if self.training.rec == 100 and not steps:
            steps.append(index)
            raise KeyboardInterrupt
        steps.append(index)
        return step(self, index, fraction)

    steps.append(-1)
    monkeypatch.setattr(ExaggeratorTrainer, "step", counted)
    code, out, _ = contralens(*words)
    assert code == 0
    assert "| low | 1, 1, 1 | 2 |" in out
    assert "| high | 1, 1, 100 | 2 |" in out
    assert f"written: {tmp_path / 'o' / 'ablation.md'}" in out
    assert "note" in (folder / "toy" / "metrics.json").read_text()
    assert "ablation" not in (folder / "toy" / "metrics.json").read_text()
    assert len(steps) == 5
    code, out, _ = contralens(*words, "--record", "--json")
    assert (code, len(steps)) == (0, 5)  # nothing is trained again
    metrics = json.loads((folder / "toy" / "metrics.json").read_text())
    assert metrics["ablation"]["Large"] == json.loads(out)
    assert {"data", "split", "seed", "commit", "rows"} <= metrics["ablation"]["Large"].keys()
    assert metrics["note"] == 1
    assert "| low | 1, 1, 1 | 2 |" in contralens("studies", "--markdown")[1]


def test_ctrl_c_is_130_and_one_line(contralens, words, tmp_path, monkeypatch):
    step = ExaggeratorTrainer.step

    def interrupted(self, index, fraction):
        if self.training.rec == 100:
            raise KeyboardInterrupt
        return step(self, index, fraction)

    monkeypatch.setattr(ExaggeratorTrainer, "step", interrupted)
    code, out, err = contralens(*words)
    assert (code, out) == (130, "")
    assert "the same command goes on with the rest" in err
    assert [r["cell"] for r in json.loads((tmp_path / "o" / "ablation.json").read_text())["rows"]] == ["low"]


def test_failed_cells_are_reported(contralens, words, monkeypatch, study_folder):
    step = ExaggeratorTrainer.step
    broken = [1]

    def diverging(self, index, fraction):
        losses = step(self, index, fraction)
        return losses | {"critic": float("inf")} if self.training.rec in broken else losses

    monkeypatch.setattr(ExaggeratorTrainer, "step", diverging)
    code, out, _ = contralens(*words)
    assert code == 0
    assert "| low | 1, 1, 1 | failed: diverged: 'critic' was no longer a number at step 1 | - |" in out
    assert "| high | 1, 1, 100 | 2 |" in out
    broken.append(100)
    again = [w if w != words[words.index("--out") + 1] else f"{w}-again" for w in swapped(words, "--steps", 3)]
    code, _, err = contralens(*again, "--record")
    assert code == 1
    assert "no cell could be measured" in err
    assert not (study_folder / "toy" / "metrics.json").exists()


def test_mistakes(mistake, words, tmp_path):
    (tmp_path / "odd.toml").write_text("[cells.a]\nlambda = 1\n")
    assert "cell a: there is no setting 'lambda'" in mistake(*swapped(words, "--grid", tmp_path / "odd.toml"))
    assert "no grid 'losses'" in mistake(*swapped(words, "--grid", "losses"))
    assert "no head 'oil'" in mistake(*words, "--head", "oil")
    assert "no target 'Small'" in mistake(*swapped(words, "--target", "Small"))
    assert "measured on another" in mistake(*words, "--split", "train")
    assert "val or test" in mistake(*words, "--split", "tset")
    assert "--steps" in mistake(*swapped(words, "--steps", "0"))
    assert "-1.0 is not a number above 0" in mistake(*words, "--minutes", "-1")
    at = words.index("--steps")
    assert "--minutes M or --steps N" in mistake(*words[:at], *words[at + 2 :])
    assert "makes no network" in mistake(*swapped(words, "--base", "28"))
    for options in ("not json", "[1]"):
        assert "--options is not a JSON object" in mistake(*swapped(words, "--options", options))
    assert "--options: there is no setting 'nonsense'" in mistake(*swapped(words, "--options", '{"nonsense": 1}'))
    assert not (tmp_path / "o" / "low").exists()


def test_help(contralens):
    code, out, _ = contralens("ablate", "--help")
    assert code == 0
    assert "--grid" in out
