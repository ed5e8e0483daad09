"""What a saved state brings back, in one process and in several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.training import state as module
from core.training.loop import EMA
from core.training.state import Resumable


class Drawer(Resumable):
    """Nothing but a weight and random numbers."""

    def __init__(self) -> None:
        self.model = nn.Linear(2, 1)
        self.ema = EMA(self.model, 0.9)
        self.rng = np.random.default_rng(0)

    def draws(self) -> tuple[float, float]:
        return float(self.rng.random()), float(torch.rand(1))


@pytest.fixture
def saved():
    torch.manual_seed(0)
    one = Drawer()
    one.draws()
    state = one.state()
    return state, one.draws()


def test_one_process_goes_on_with_the_same_draws(saved):
    state, wanted = saved
    other = Drawer()
    other.restore(state)
    assert other.draws() == wanted
    torch.testing.assert_close(other.model.weight, state["model"]["weight"])


def test_several_processes_do_not_draw_alike(saved, monkeypatch):
    state, _ = saved

    def of(rank: int) -> tuple[float, float]:
        monkeypatch.setattr(module, "world", lambda: (rank, 2))
        drawer = Drawer()
        drawer.restore(state)
        torch.testing.assert_close(drawer.model.weight, state["model"]["weight"])
        return drawer.draws()

    first, second = of(0), of(1)
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert of(1) == second  # and each repeats its own
