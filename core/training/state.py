"""Saving and restoring a trainer: the same for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.training.loop import EMA, world

_PARTS = ("model", "critic", "optimiser", "critic_optimiser")  # those a trainer has


class Resumable:
    """state() and restore() over a trainer's model, average, critic, optimisers and random generators.

    Everything random in a trainer comes from `rng` or from torch's own generator, so a restored run of one process goes
    on exactly as the interrupted one would have, on the CPU; on a GPU with the same draws, up to the order of sums.
    Several processes go on with new draws, each its own.
    """

    ema: EMA
    rng: np.random.Generator

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS if hasattr(self, name)}
        return parts | {
            "ema": self.ema.module.state_dict(), "updates": self.ema.updates, "rng": self.rng.bit_generator.state,
            "torch": torch.get_rng_state(),
        } | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {})  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        for name in _PARTS:
            if hasattr(self, name):
                getattr(self, name).load_state_dict(state[name])
        self.ema.module.load_state_dict(state["ema"])
        self.ema.updates = state["updates"]
        rank, processes = world()
        if processes == 1:
            self.rng.bit_generator.state = state["rng"]
            torch.set_rng_state(state["torch"])
            if "cuda" in state and torch.cuda.is_initialized():
                torch.cuda.set_rng_state(state["cuda"])
        else:  # one process saved the state, and the others must not draw what it draws
            self.rng = np.random.default_rng([state["updates"], rank])
            torch.manual_seed(state["updates"] * 1000 + rank)
