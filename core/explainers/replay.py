"""A search's step, recorded once on a GPU and replayed: small networks wait for Python there, not for arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM = 3  # steps before recording, in which libraries choose their kernels and optimisers make their state


class Replay:
    """Calls a step again and again; on a GPU as one CUDA graph, once it has run a few times.

    The step takes nothing and returns a tensor. It reads and writes the same tensors every time (what changes from
    step to step is filled into them), decides nothing by their values, and draws random numbers from `generator` alone.
    """

    def __init__(self, step: Callable[[], Tensor], device: torch.device, generator: torch.Generator) -> None:
        self._step, self._generator = step, generator
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0
        self._result: Tensor | None = None

    def __call__(self) -> Tensor:
        """One step more, and what it returned; the tensor is the caller's."""
        if self._stream is None:
            return self._step()
        self._calls += 1
        if self._calls <= WARM:
            # Not on the stream that all else uses: only work on a stream of its own can be recorded.
            self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
            with torch.cuda.stream(self._stream):
                self._result = self._step()
            torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
            return self._result.clone()
        if self._graph is None:
            self._graph = self._record()
        self._graph.replay()
        assert self._result is not None
        return self._result.clone()

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        # thread_local: another session of the dashboard may use the GPU meanwhile.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._result = self._step()
        return graph


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """An optimiser's learning rate, in place where it is a tensor that a recorded step reads."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def adam(parameters: list[Tensor], rate: float) -> torch.optim.Adam:
    """Adam whose steps can be recorded on a GPU."""
    device = parameters[0].device
    if device.type != "cuda":
        return torch.optim.Adam(parameters, rate)
    return torch.optim.Adam(parameters, torch.tensor(rate, device=device), capturable=True)
