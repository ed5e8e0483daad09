"""Weights in and out of safetensors files: tensors, and one JSON string of settings beside them.

Never pickle: a checkpoint is data, and loading one must not run code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import NotFinite, UserError


def save_weights(module: nn.Module, path: Path, config: dict[str, Any], *, half: bool = True) -> None:
    """Write a module's state; floating tensors of more than a few numbers in half precision if `half`.

    Raises NotFinite, and leaves a file that is there as it is, when a weight is not a number.
    """
    state = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NotFinite(f"The weights are no longer numbers, so {path} was not written; train at a smaller rate.")
        state[name] = tensor.half() if half and tensor.is_floating_point() and tensor.numel() > 64 else tensor
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(state, part, metadata={"config": json.dumps(config)})
    part.chmod(0o644)  # safetensors writes files only their owner may read
    part.replace(path)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(state in single precision, settings). Raises UserError when the file is missing or not safetensors."""
    if not path.is_file():
        raise UserError(f"There is no checkpoint at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as fault:
        raise UserError(f"{path} is not a readable safetensors checkpoint ({fault}).") from None
    return {n: t.float() if t.dtype == torch.float16 else t for n, t in state.items()}, config
