"""The loop: budgets, repeatability, saved states, Ctrl-C."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from core.training.loop import EMA, Budget, average_gradients, run, start_processes, world


class Walk:
    """A trainer that adds random numbers, weighted by how much of the budget is spent."""

    def __init__(self, seed: int = 0, pause: float = 0.0) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.value = torch.zeros(3)
        self.pause = pause
        self.calls: list[tuple[int, float]] = []
        self.samples = 0

    def step(self, index, fraction):
        time.sleep(self.pause)
        self.value += torch.randn(3, generator=self.generator) * (1 - fraction)
        self.calls.append((index, fraction))
        return {"value": float(self.value[0])}

    def state(self):
        return {"value": self.value.clone(), "generator": self.generator.get_state()}

    def restore(self, state):
        self.value = state["value"]
        self.generator.set_state(state["generator"])

    def sample(self, path):
        self.samples += 1


def stop_after(n):
    def progress(done, of, numbers):
        if done == n:
            raise KeyboardInterrupt

    return progress


def test_a_number_of_steps(tmp_path):
    walk = Walk()
    outcome = run(walk, Budget(steps=5), tmp_path)
    assert (outcome.steps, outcome.stop) == (5, "finished")
    assert walk.calls == [(0, 0.0), (1, 0.2), (2, 0.4), (3, 0.6), (4, 0.8)]
    assert outcome.last == {"value": float(walk.value[0])}
    assert (tmp_path / "state.pt").is_file()
    assert walk.samples == 1


def test_the_same_seed_repeats_the_run(tmp_path):
    one, two, other = Walk(1), Walk(1), Walk(2)
    for i, walk in enumerate((one, two, other)):
        run(walk, Budget(steps=7), tmp_path / str(i))
    assert torch.equal(one.value, two.value)
    assert not torch.equal(one.value, other.value)


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    walk = Walk()
    outcome = run(walk, Budget(steps=9), tmp_path, progress=stop_after(4))
    assert (outcome.steps, outcome.stop) == (4, "interrupted")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert saved["step"] == 4
    assert torch.equal(saved["trainer"]["value"], walk.value)


def test_going_on_is_as_if_never_stopped(tmp_path):
    whole, first, rest = Walk(), Walk(), Walk(seed=99)
    run(whole, Budget(steps=9), tmp_path / "whole")
    run(first, Budget(steps=9), tmp_path / "parts", progress=stop_after(4))
    outcome = run(rest, Budget(steps=9), tmp_path / "parts", resume=True)
    assert (outcome.steps, outcome.stop) == (9, "finished")
    assert [i for i, _ in rest.calls] == [4, 5, 6, 7, 8]
    assert torch.equal(rest.value, whole.value)


def test_without_resume_it_starts_again(tmp_path):
    run(Walk(), Budget(steps=4), tmp_path)
    again = Walk()
    run(again, Budget(steps=4), tmp_path)
    assert again.calls[0][0] == 0


def test_resuming_nothing_is_starting(tmp_path):
    assert run(Walk(), Budget(steps=2), tmp_path, resume=True).steps == 2


def test_resuming_without_a_number_keeps_the_old_one(tmp_path):
    run(Walk(), Budget(steps=6), tmp_path, progress=stop_after(2))
    walk = Walk()
    assert run(walk, Budget(minutes=1), tmp_path, resume=True).steps == 6
    assert walk.calls[0] == (2, pytest.approx(2 / 6))


def test_more_minutes_for_a_finished_run_go_on(tmp_path):
    run(Walk(), Budget(steps=4), tmp_path)
    walk = Walk(pause=0.001)
    outcome = run(walk, Budget(minutes=0.3 / 60), tmp_path, resume=True)
    assert outcome.steps > 10
    assert walk.calls[0][0] == 4
    assert run(Walk(), Budget(steps=4), tmp_path, resume=True).steps == outcome.steps  # a number is a number


def test_minutes_end_about_in_time(tmp_path):
    walk = Walk(pause=0.01)
    start = time.monotonic()
    outcome = run(walk, Budget(minutes=1.0 / 60), tmp_path)
    assert outcome.stop in ("finished", "time")
    assert 0.6 < time.monotonic() - start < 1.6
    assert outcome.steps > 30
    assert walk.calls[-1][1] > 0.8  # the schedule went to its end


def test_whichever_ends_first(tmp_path):
    assert run(Walk(), Budget(steps=3, minutes=5), tmp_path / "a").stop == "finished"
    outcome = run(Walk(pause=0.02), Budget(steps=10_000, minutes=0.2 / 60), tmp_path / "b")
    assert outcome.stop == "time"
    assert outcome.steps < 100


def test_the_state_is_saved_on_the_way(tmp_path):
    walk = Walk()
    run(walk, Budget(steps=3, save_every_minutes=0.0), tmp_path)
    assert walk.samples == 4  # after each step, and at the end
    assert not list(tmp_path.glob("*.part"))


def test_progress_hears_every_step(tmp_path):
    heard = []
    run(Walk(), Budget(steps=3), tmp_path, progress=lambda done, of, numbers: heard.append((done, of, set(numbers))))
    assert heard == [(1, 3, {"value"}), (2, 3, {"value"}), (3, 3, {"value"})]


# One process


def test_alone_gradients_stay_as_they_are():
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    average_gradients(layer.parameters())
    assert torch.equal(layer.weight.grad, before)
    assert world() == (0, 1)
    assert start_processes("cpu") == torch.device("cpu")


# Weight averaging


def test_the_average_by_hand():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.0)
    ema = EMA(layer, decay=0.5)
    nn.init.constant_(layer.weight, 1.0)
    ema.update(layer)  # decay 2/11: 9/11 of the way
    assert ema.module.weight.item() == pytest.approx(9 / 11)
    for _ in range(20):
        ema.update(layer)
    nn.init.constant_(layer.weight, 3.0)
    before = ema.module.weight.item()
    ema.update(layer)  # the ramp has reached 0.5
    assert ema.module.weight.item() == pytest.approx((before + 3) / 2)


def test_buffers_are_copied_and_nothing_trains():
    norm = nn.BatchNorm1d(2)
    ema = EMA(norm)
    norm(torch.randn(8, 2) + 5)
    ema.update(norm)
    assert torch.equal(ema.module.running_mean, norm.running_mean)
    assert ema.module.num_batches_tracked == 1
    assert not ema.module.training
    assert not any(p.requires_grad for p in ema.module.parameters())
