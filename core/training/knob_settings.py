"""How a knob is trained: the weights of its losses and the settings of its optimisers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExaggeratorTraining:
    """Weights of the losses and settings of the optimisers.

    gan, f and rec are the paper's three (1, 1, 100 there; L1 on [-1, 1], which is twice that on [0, 1]). The rest is
    ours: `residual`, `chroma`, `smooth` and `magnitude` price the fields of the residual and morph heads.
    """

    batch: int = 32
    gan: float = 1.0
    f: float = 1.0
    rec: float = 100.0
    residual: float = 3.0
    chroma: float = 6.0
    smooth: float = 10.0
    magnitude: float = 0.5
    cycle_every: int = 2
    rate: float = 2e-4
    critic_rate: float = 4e-4
    critic_base: int = 16
    critic_steps: int = 1
    ema: float = 0.999
    flip: bool = False
    natural: float = 0.0  # share of a batch that is drawn as the data comes, not balanced over bins; the paper: 0
    margin: float = 0.01  # targets stay this far from 0 and 1
    compile: bool = False
    init: str | None = None  # an exaggerator to take weights over from where the shapes agree
    blend: float = 1.0  # how far the result lies on the line from init's weights to the trained ones
    keep: float = 0.0  # how much the changes should stay those that init makes
    latent: float = 0.0  # how much E(x_d) should stay nearer to E(x) than to another picture's; the paper: 0
    siblings: tuple[str, ...] = ()  # robust classifiers that f's changes should persuade as well
    sibling_f: float = 2.0  # the weight of their mean compatibility
    recogniser: str | None = None  # a classifier of persons whose features the change should leave where they are
    identity: float = 1.0  # the weight of that
    seed: int = 0
