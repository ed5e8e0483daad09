"""Work in the background: order, progress, cancel, faults, and two of them taking turns."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import UserError
from dashboard.parts.jobs import Job

WAIT = 10


class Bench:
    """Work that stands still wherever the test wants it to."""

    def __init__(self, steps: int = 4) -> None:
        self.steps = steps
        self.calls: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.begun: dict[str, threading.Event] = {}
        self.open = threading.Event()
        self.open.set()

    def __call__(self, name, progress):
        self.calls.append(name)
        self.begun.setdefault(name, threading.Event()).set()
        for step in range(self.steps):
            progress(step, self.steps)
            assert self.open.wait(WAIT)
        progress(self.steps, self.steps)
        if name in self.errors:
            raise self.errors.pop(name)
        return name.upper()

    def wait_for(self, name: str) -> None:
        assert self.begun.setdefault(name, threading.Event()).wait(WAIT), f"{name} did not begin"


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.open.set()


def until(condition) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def rest(job: Job) -> None:
    until(lambda: not job.state().busy)


def test_pieces_come_in_the_order_they_were_asked_for(bench):
    job = Job(bench)
    job.ask(["a", "b"])
    job.ask(["c", "a", "c"])
    rest(job)
    assert bench.calls == ["a", "b", "c"]
    assert job.results == {"a": "A", "b": "B", "c": "C"}
    job.ask(["b"])
    rest(job)
    assert bench.calls == ["a", "b", "c"], "what is done is not done again"


def test_first_goes_before_what_waits_and_not_before_what_runs(bench):
    job = Job(bench)
    bench.open.clear()
    job.ask(["a", "b", "c"])
    bench.wait_for("a")
    job.ask(["d", "c", "a"], first=True)
    assert job.state().waiting == ("d", "c", "b")
    bench.open.set()
    rest(job)
    assert bench.calls == ["a", "d", "c", "b"]


def test_cancel_keeps_what_is_finished_and_stops_the_rest(bench):
    job = Job(bench)
    job.ask(["a"])
    rest(job)
    bench.open.clear()
    job.ask(["b", "c"])
    bench.wait_for("b")
    job.cancel()
    assert not job.state().busy, "at once, not after the step"
    bench.open.set()
    job.ask(["d"])
    rest(job)
    assert job.results == {"a": "A", "d": "D"}
    assert bench.calls == ["a", "b", "d"]
    assert job.faults == {}


def test_a_cancelled_piece_can_be_asked_for_again(bench):
    job = Job(bench)
    bench.open.clear()
    job.ask(["a"])
    bench.wait_for("a")
    job.cancel()
    job.ask(["a"])
    state = job.state()
    assert state.busy
    assert (state.running or state.waiting[0]) == "a"
    bench.open.set()
    rest(job)
    assert bench.calls == ["a", "a"], "the first was given up, the second ran to its end"
    assert job.results == {"a": "A"}


def test_a_fault_of_a_cancelled_piece_is_not_shown():
    begun, go = threading.Event(), threading.Event()

    def work(name, progress):
        begun.set()
        go.wait(WAIT)
        raise UserError("too late")

    job = Job(work)
    job.ask(["a"])
    assert begun.wait(WAIT)
    thread = job._thread
    job.cancel()
    go.set()
    thread.join(WAIT)
    assert job.faults == {}
    assert not job.state().busy


def test_what_finishes_after_the_cancel_is_kept_and_not_made_twice():
    begun, go, calls = threading.Event(), threading.Event(), []

    def work(name, progress):
        calls.append(name)
        begun.set()
        go.wait(WAIT)  # and never asks whether it is still wanted
        return name

    job = Job(work)
    job.ask(["a"])
    assert begun.wait(WAIT)
    job.cancel()
    job.ask(["a"])
    go.set()
    rest(job)
    assert calls == ["a"]
    assert job.results == {"a": "a"}
    assert job.state().share == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("There is no such infill."), "There is no such infill."),
        (ZeroDivisionError("by zero"), "This could not be computed (ZeroDivisionError: by zero)."),
    ],
)
def test_an_error_is_a_sentence_and_the_next_piece_goes_on(bench, error, sentence):
    job = Job(bench)
    bench.errors["a"] = error
    job.ask(["a", "b"])
    rest(job)
    assert job.faults == {"a": sentence}
    assert job.results == {"b": "B"}
    job.ask(["a"])
    assert job.faults == {}, "asked for again, the fault is forgotten"
    rest(job)
    assert job.results == {"a": "A", "b": "B"}


def test_a_result_of_none_is_a_result():
    job = Job(lambda name, progress: None)
    job.ask(["a"])
    rest(job)
    assert job.results == {"a": None}


def test_the_share_grows_and_the_time_left_shrinks():
    gates = {(name, step): (threading.Event(), threading.Event()) for name in "ab" for step in range(4)}

    def work(name, progress):
        for step in range(4):
            progress(step, 4)
            arrived, go = gates[name, step]
            arrived.set()
            assert go.wait(WAIT)
        return name

    job = Job(work, {"a": 1.0, "b": 3.0}.__getitem__)
    assert job.pace() is None
    assert (job.state().share, job.state().left) == (0, None)
    job.ask(["a", "b"])
    seen = []
    for name in "ab":
        for step in range(4):
            arrived, go = gates[name, step]
            assert arrived.wait(WAIT)
            seen.append(job.state())
            time.sleep(0.01)
            go.set()
    rest(job)
    shares = [s.share for s in seen]
    assert shares == pytest.approx([0, 1 / 16, 2 / 16, 3 / 16, 4 / 16, 7 / 16, 10 / 16, 13 / 16])
    assert [s.running for s in seen] == ["a"] * 4 + ["b"] * 4
    assert [s.waiting for s in seen] == [("b",)] * 4 + [()] * 4
    assert seen[0].left is None
    assert all(s.left > 0 for s in seen[1:])
    assert seen[-1].left < seen[1].left
    assert job.pace() > 0
    end = job.state()
    assert (end.busy, end.running, end.waiting, end.left) == (False, None, (), None)


def test_two_jobs_take_turns():
    running, most, lock = [], [], threading.Lock()
    first = Bench()

    def work(name, progress):
        with lock:
            running.append(name)
            most.append(len(running))
        try:
            return first(name, progress)
        finally:
            with lock:
                running.remove(name)

    one, two = Job(work), Job(work)
    first.open.clear()
    one.ask(["a", "b"])
    first.wait_for("a")
    two.ask(["x", "y"])
    until(lambda: two.state().running == "x")
    assert two.state().queued_behind
    assert two.state().left is None
    assert not one.state().queued_behind
    first.open.set()
    rest(one)
    rest(two)
    assert set(one.results) == {"a", "b"}
    assert set(two.results) == {"x", "y"}
    assert max(most) == 1


def test_who_waits_for_a_turn_can_be_cancelled(bench):
    one, two = Job(bench), Job(bench)
    bench.open.clear()
    one.ask(["a"])
    bench.wait_for("a")
    two.ask(["x"])
    until(lambda: two.state().queued_behind)
    two.cancel()
    assert not two.state().busy
    bench.open.set()
    rest(one)
    two.ask(["y"])
    rest(two)
    assert bench.calls == ["a", "y"]


def test_a_job_at_rest_starts_again_however_late_it_is_asked():
    """No moment in which the old thread is about to end and a new one is not started."""
    job = Job(lambda name, progress: name)
    for i in range(400):
        job.ask([str(i)])
        until(lambda i=i: str(i) in job.results)
    rest(job)
    assert len(job.results) == 400


def test_work_nobody_looks_at_stops_and_what_is_finished_stays(bench, monkeypatch):
    from dashboard.parts import jobs

    job = Job(bench)
    job.ask(["a"])
    rest(job)
    bench.open.clear()
    job.ask(["b", "c"])
    bench.wait_for("b")
    monkeypatch.setattr(jobs, "PATIENCE", -1.0)
    bench.open.set()
    until(lambda: job._running is None and not job._queue)  # to ask for the state would be to look
    assert job.results == {"a": "A"}
    monkeypatch.setattr(jobs, "PATIENCE", 300.0)
    job.ask(["b"])
    rest(job)
    assert job.results == {"a": "A", "b": "B"}
