"""DeepLIFT with the rescale rule, and its mean over many baselines, DeepSHAP.

Shrikumar, Greenside, Kundaje, ICML 2017; Lundberg and Lee, NeurIPS 2017. Written over the operations the network calls:
every call of a nonlinearity is replaced for itself, so a reused ReLU, a functional relu and residual additions are
handled, where hooks on modules go wrong. Operations that are neither linear nor known raise an error instead of a
wrong map, and the sum of every map is checked against the difference of the scores. Calls are met where torch
dispatches them, in this thread alone: tracing with torch.fx patches every network of the process while it lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from core.attributions.score import Score
from core.errors import UserError

SMALL = 1e-6  # a change of a unit's input below which its slope is taken instead of the quotient
CHUNK = 16  # baselines a pass; each takes twice a picture's activations
TOLERANCE = 1e-3  # of the sum against the difference of scores, relative


class _Rescale(torch.autograd.Function):
    """An elementwise nonlinearity on stacked [pictures, baselines] whose backward uses the quotient of the changes."""

    @staticmethod
    def forward(context: Any, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        y = function(x)
        context.save_for_backward(x, y)
        context.function = function
        return y

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[Tensor, None]:
        x, y = context.saved_tensors
        (x1, x0), (y1, y0) = x.chunk(2), y.chunk(2)
        change = x1 - x0
        with torch.enable_grad():
            middle = ((x1 + x0) / 2).detach().requires_grad_()
            (local,) = torch.autograd.grad(context.function(middle).sum(), middle)
        flat = change.abs() < SMALL
        quotient = torch.where(flat, local, (y1 - y0) / torch.where(flat, torch.ones_like(change), change))
        return slope * quotient.repeat(2, *[1] * (x.dim() - 1)), None


class _MaxPool(torch.autograd.Function):
    """Max pooling: the change of a window's maximum goes to the two places that were maximal, so that it adds up.

    The change y1 - y0 is split at the greater of the two maxima (Lundberg's rule for DeepSHAP).
    """

    @staticmethod
    def forward(context: Any, x: Tensor, options: dict[str, Any]) -> Tensor:
        y, where = F.max_pool2d(x, **options, return_indices=True)
        context.save_for_backward(x, y, where)
        return y

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[Tensor, None]:
        x, y, where = context.saved_tensors
        (x1, x0), (y1, y0), (w1, w0) = x.chunk(2), y.chunk(2), where.chunk(2)
        s = slope.chunk(2)[0]
        top = torch.maximum(y1, y0)
        given = torch.zeros_like(x1).flatten(2)
        given.scatter_add_(2, w1.flatten(2), (s * (top - y0)).flatten(2))
        given.scatter_add_(2, w0.flatten(2), (s * (y1 - top)).flatten(2))
        change = (x1 - x0).flatten(2)
        flat = change.abs() < SMALL
        multiplier = torch.where(
            flat, torch.zeros_like(change), given / torch.where(flat, torch.ones_like(change), change)
        )
        return multiplier.view_as(x1).repeat(2, 1, 1, 1), None


# By the name torch calls an operation, without the underscores of operators and of those that work in place.
_NONLINEAR = {"relu", "relu6", "hardtanh", "elu", "silu", "leaky_relu", "softplus", "sigmoid", "tanh"}
_LINEAR = {
    "add", "sub", "rsub", "neg", "getitem", "cat", "flatten", "view", "reshape", "contiguous", "squeeze", "unsqueeze",
    "expand", "mean", "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "conv2d", "dropout", "linear",
}  # fmt: skip
_BY_CONSTANT = {"mul", "div"}
_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")


class _Rules(TorchFunctionMode):
    """While it is entered, this thread's operations on stacked pictures and baselines follow the rules above."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(function, "__name__", "")).strip("_")
        inputs = [*args, *kwargs.values()]
        if name in _NONLINEAR and _moves(args[0]):
            # Out of place, or the values before it would be gone; other settings stay.
            plain = getattr(F, name, None) or getattr(torch, name)
            rest = [value for value in args[1:] if not isinstance(value, bool)]
            named = {key: value for key, value in kwargs.items() if key != "inplace"}
            return _Rescale.apply(args[0], lambda v: plain(v, *rest, **named))
        if name == "max_pool2d" and _moves(args[0]):
            return _MaxPool.apply(
                args[0], dict(zip(_POOL, args[1:], strict=False)) | {k: kwargs[k] for k in _POOL if k in kwargs}
            )
        result = function(*args, **kwargs)
        if not _moves(result) or name in _LINEAR:
            return result
        divisor = name == "div" and _moves(args[1])
        if name in _BY_CONSTANT and not divisor and sum(map(_moves, inputs)) == 1:
            return result
        raise UserError(f"DeepLIFT has no rule for the operation {name}.")


def _moves(value: Any) -> bool:
    """Whether a value, or one of several, depends on the picture: weights and constants do not."""
    if isinstance(value, (list, tuple)):
        return any(map(_moves, value))
    return isinstance(value, Tensor) and value.requires_grad


def deeplift(score: Score, x: Tensor, baselines: Tensor, chunk: int = CHUNK) -> Tensor:
    """[N, C, H, W] contributions that sum to S(x) - S(x0), averaged over baselines [N, B, C, H, W]; B > 1 is DeepSHAP.
    Memory is that of `chunk` baselines, however many there are.

    The network must be frozen and in eval mode. Raises UserError where it holds an operation without a rule, and
    RuntimeError where the sum does not come out, or where under the rules the network answers something else (one that
    changes a value in place and reads it under another name).
    """
    result, checked = torch.zeros_like(x), False
    for i in range(len(x)):
        for part in baselines[i].split(chunk):
            pictures = x[i].expand(len(part), -1, -1, -1)
            stacked = torch.cat([pictures, part]).detach().requires_grad_()
            with _Rules():
                answers = score.network(stacked)
            values = score.of(answers)
            s1, s0 = values.chunk(2)
            if not checked:
                with torch.no_grad():
                    plain = score.of(score.network(stacked[:1]))
                if abs(float(plain[0] - values[0].detach())) > TOLERANCE * (1 + abs(float(plain[0]))):
                    raise RuntimeError("DeepLIFT's rules do not fit this network: under them it answers something else")
                checked = True
            (multiplier,) = torch.autograd.grad(s1.sum(), stacked)
            given = multiplier[: len(part)] * (pictures - part)
            gap = (given.flatten(1).sum(1) - (s1 - s0)).abs()
            if (gap > TOLERANCE * (1 + (s1 - s0).abs())).any():
                raise RuntimeError(
                    f"DeepLIFT's contributions miss the difference of the scores by {float(gap.max()):.2g}"
                )
            result[i] += given.detach().sum(0) / len(baselines[i])
    return result
