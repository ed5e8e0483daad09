"""One face for everything that can be asked for a changed picture, so that all of them are measured alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.explainers.exaggeration import MODES, sweep_batch
from core.networks.exaggerator import Change, Exaggerator, condition_of


class Changer(Protocol):
    """Turns a picture into ones to which f gives other answers. Pictures are [N, C, S, S] in [0, 1].

    head: its name in results and metrics; modes: how it may be asked, the published way first.
    """

    head: str
    modes: tuple[str, ...]

    def embed(self, x: Tensor) -> Tensor:
        """[N, D], the encoder whose space says whether an explanation is near its query."""
        ...

    def sweep(self, f: BlackBox, x: Tensor, goal: Tensor, mode: str) -> tuple[Change, np.ndarray]:
        """All frames of one picture x [1, C, S, S] for probabilities goal [K], and f's answers [K] float64."""
        ...

    def back(self, f: BlackBox, x: Tensor, achieved: Tensor, query: Tensor) -> Tensor:
        """Changed pictures x [K, C, S, S], to which f says achieved [K], asked for query [1] again: [K, C, S, S]."""
        ...

    def still(self, f: BlackBox, x: Tensor) -> Tensor:
        """x [1, C, S, S] with nothing asked of it."""
        ...


class Knob:
    """The network of Progressive Exaggeration as a changer."""

    modes: tuple[str, ...] = MODES

    def __init__(self, network: Exaggerator) -> None:
        self.network = network
        self.head = network.config.head

    def embed(self, x: Tensor) -> Tensor:
        """E(x), flattened."""
        return self.network.embed(x)

    def sweep(self, f: BlackBox, x: Tensor, goal: Tensor, mode: str) -> tuple[Change, np.ndarray]:
        """See `Changer.sweep`; mode is 'direct' or 'calibrated'."""
        return sweep_batch(self.network, f, x, goal, mode)

    @torch.no_grad()
    def back(self, f: BlackBox, x: Tensor, achieved: Tensor, query: Tensor) -> Tensor:
        """From the condition of what f says of x to that of what it said of the query."""
        now, before = self._condition(achieved), self._condition(query).expand(len(x))
        return self.network.change(x, self.network.encode(x), now, before).x

    @torch.no_grad()
    def still(self, f: BlackBox, x: Tensor) -> Tensor:
        """From the condition of f(x) to itself."""
        here = self._condition(f.posterior(x))
        return self.network.change(x, self.network.encode(x), here, here).x

    def _condition(self, p: Tensor) -> Tensor:
        return condition_of(p, self.network.config.bins, self.network.config.continuous)
