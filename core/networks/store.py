"""Exaggerator networks on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from core.networks.exaggerator import Exaggerator, ExaggeratorConfig, config_dict
from core.weights import read_weights, save_weights


def save_exaggerator(model: Exaggerator, path: Path, **about: Any) -> None:
    """Write a network with its shape; `about` says what it was trained for."""
    save_weights(model, path, {"network": config_dict(model.config), **about})


def load_exaggerator(path: Path, device: torch.device | str = "cpu") -> Exaggerator:
    """A frozen network in eval mode. Raises UserError when the file is not one of ours."""
    state, config = read_weights(path)
    try:
        model = Exaggerator(ExaggeratorConfig.from_dict(config["network"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold an exaggerator of this version ({fault}).") from None
    return model.to(device).eval().requires_grad_(False)
