"""Kept pictures as networks see them, on the device that measures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_unit(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 of any shape -> float32 in [0, 1] on `device`."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).float() / 255
