"""Long work in the background of one session: named pieces one after the other, with progress, time left and cancel.

A finished piece stays. The page asks for pieces, looks at the state every second, and never waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import Cancelled, UserError

# Work of all sessions takes turns: two searches at once would take more than twice as long each.
_TURN = threading.Lock()

# A page that is open looks every second. Nobody tells us of a closed tab, and work for nobody holds up everybody.
PATIENCE = 300.0  # seconds

Work = Callable[[str, Callable[[int, int], None]], Any]


@dataclass(frozen=True)
class State:
    """What a page shows. share: of everything asked for, in [0, 1]; left: seconds, None while unknown."""

    busy: bool
    running: str | None
    waiting: tuple[str, ...]
    share: float
    left: float | None
    queued_behind: bool


class Job:
    """Pieces of work by name. Thread-safe; all methods return at once."""

    def __init__(self, work: Work, cost: Callable[[str], float] = lambda name: 1.0) -> None:
        """work(name, progress) -> result; it calls progress(done, of) now and then. cost: relative size of a piece."""
        self._work, self._cost = work, cost
        self._lock = threading.Lock()
        self._queue: deque[str] = deque()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._running: str | None = None
        self._part = 0.0
        self._asked: set[str] = set()
        self._pace: tuple[float, float] = (0.0, 0.0)  # (seconds, cost) of what is done
        self._began = 0.0
        self._in_turn = False
        self._seen = time.monotonic()
        self.results: dict[str, Any] = {}
        self.faults: dict[str, str] = {}

    def ask(self, names: list[str], *, first: bool = False) -> None:
        """Put pieces in the queue, unless they are done or in it; first: before the others."""
        with self._lock:
            self._seen = time.monotonic()
            fresh = [n for n in dict.fromkeys(names) if n not in self.results and n != self._running]
            if first:
                for name in fresh:
                    if name in self._queue:
                        self._queue.remove(name)
                self._queue.extendleft(reversed(fresh))
            else:
                self._queue.extend(n for n in fresh if n not in self._queue)
            for name in fresh:
                self.faults.pop(name, None)
            self._asked |= set(fresh)
            if self._queue and (self._thread is None or not self._thread.is_alive()):
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._stop,), daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Stop after the present step; what is finished stays."""
        with self._lock:
            self._queue.clear()
            self._asked.clear()
            self._stop.set()
            self._running = self._thread = None

    def pace(self) -> float | None:
        """Seconds a unit of cost took so far; None before anything finished."""
        with self._lock:
            seconds, cost = self._pace
            return seconds / cost if cost else None

    def state(self) -> State:
        """Where things stand. Looking keeps the work going."""
        with self._lock:
            self._seen = time.monotonic()
            busy = bool(self._queue) or self._running is not None
            total = sum(map(self._cost, self._asked)) or 1.0
            going = self._running is not None and self._running not in self.results
            now = self._part * self._cost(self._running or "") if going else 0.0
            done = sum(self._cost(n) for n in self._asked if n in self.results or n in self.faults) + now
            seconds, cost = self._pace
            if going and self._in_turn:
                seconds, cost = seconds + time.monotonic() - self._began, cost + now
            left = (total - done) * seconds / cost if busy and cost > 0.05 else None
            return State(
                busy, self._running, tuple(self._queue), min(1.0, done / total), left,
                self._running is not None and not self._in_turn,
            )  # fmt: skip

    def _run(self, stop: threading.Event) -> None:
        def progress(done: int, of: int) -> None:
            if time.monotonic() - self._seen > PATIENCE:
                self.cancel()
            if stop.is_set():
                raise Cancelled
            self._part = done / of

        while True:
            with self._lock:
                if stop.is_set():
                    return
                if not self._queue:
                    self._asked.clear()
                    self._thread = None  # under the lock: who asks from now on starts another
                    return
                name = self._running = self._queue.popleft()
                self._part, self._in_turn = 0.0, False
            fault = None
            try:
                with _TURN:
                    self._one(name, stop, progress)
            except Cancelled:
                pass
            except UserError as mistake:
                fault = str(mistake)
            except Exception as error:  # a fault of ours must not leave the page waiting for ever
                fault = f"This could not be computed ({type(error).__name__}: {error})."
            with self._lock:
                if stop.is_set():  # perhaps another thread is at work by now
                    return
                self._running = None
                if fault is not None:
                    self.faults[name] = fault

    def _one(self, name: str, stop: threading.Event, progress: Callable[[int, int], None]) -> None:
        began = time.monotonic()
        with self._lock:
            if stop.is_set() or name in self.results:  # it finished after it was cancelled and asked for again
                return
            self._began, self._in_turn = began, True
        result = self._work(name, progress)
        with self._lock:
            self.results[name] = result
            seconds, cost = self._pace
            self._pace = seconds + time.monotonic() - began, cost + self._cost(name)
