"""DeepLIFT with the rescale rule, and its mean over many baselines, DeepSHAP.

Shrikumar, Greenside, Kundaje, ICML 2017; Lundberg and Lee, NeurIPS 2017. Written over the network's traced graph:
every call of a nonlinearity is rewritten for itself, so a reused ReLU, a functional relu and residual additions are
handled, where hooks on modules go wrong. Operations that are neither linear nor known raise an error instead of a
wrong map, and the sum of every map is checked against the difference of the scores.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

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


_NONLINEAR_MODULES = (nn.ReLU, nn.ELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.LeakyReLU, nn.Softplus, nn.ReLU6)
_NONLINEAR_CALLS = {
    F.relu, torch.relu, F.relu6, F.elu, F.silu, F.leaky_relu, F.softplus, torch.sigmoid, torch.tanh, F.sigmoid,
    F.tanh,
}  # fmt: skip
_NONLINEAR_METHODS = {"relu", "relu_", "sigmoid", "tanh"}
_LINEAR = (
    nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.BatchNorm1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity,
    nn.Dropout, nn.Dropout2d,
)  # fmt: skip
_LINEAR_CALLS = {
    operator.add, operator.iadd, operator.sub, operator.getitem, torch.add, torch.cat, torch.flatten, torch.sub,
    F.adaptive_avg_pool2d, F.avg_pool2d, F.dropout, torch.mean, F.linear, F.conv2d, getattr, operator.neg,
}  # fmt: skip
_LINEAR_METHODS = {"add", "add_", "view", "reshape", "flatten", "mean", "size", "contiguous", "squeeze", "unsqueeze"}
_BY_CONSTANT = {operator.mul, operator.truediv, torch.mul, torch.div}


class _Interpreter(fx.Interpreter):
    """Runs a traced network on stacked pictures and baselines with the rules above."""

    extra_traceback = False  # a refusal is one sentence

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(str(target))
        if isinstance(module, nn.MaxPool2d):
            options = {name: getattr(module, name) for name in ("kernel_size", "stride", "padding", "dilation")}
            return _MaxPool.apply(args[0], options | {"ceil_mode": module.ceil_mode})
        if isinstance(module, _NONLINEAR_MODULES):
            # Out of place, or the values before it would be gone; its own parameters stay.
            quiet = copy.copy(module)
            if hasattr(quiet, "inplace"):
                quiet.inplace = False
            return _Rescale.apply(args[0], quiet)
        if not isinstance(module, _LINEAR):
            raise UserError(f"DeepLIFT has no rule for the layer {type(module).__name__} ({target}).")
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target in _NONLINEAR_CALLS:
            rest = {name: value for name, value in kwargs.items() if name != "inplace"}
            others = args[1:] if target not in (F.relu, F.relu6, F.silu) else ()  # their only other one is `inplace`
            return _Rescale.apply(args[0], lambda v: target(v, *others, **rest))
        divides = target in (operator.truediv, torch.div)
        constant = target in _BY_CONSTANT and not any(_moves(a) for a in (args[1:] if divides else args[:0]))
        constant = constant and sum(_moves(a) for a in args) <= 1
        if target not in _LINEAR_CALLS and not constant:
            raise UserError(f"DeepLIFT has no rule for the operation {getattr(target, '__name__', target)}.")
        return super().call_function(target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target in _NONLINEAR_METHODS:
            plain = str(target).removesuffix("_")
            return _Rescale.apply(args[0], lambda v: getattr(v, plain)())
        if target not in _LINEAR_METHODS:
            raise UserError(f"DeepLIFT has no rule for the operation {target}.")
        return super().call_method(target, args, kwargs)


def _moves(value: Any) -> bool:
    """Whether a value depends on the picture: weights and constants do not."""
    return isinstance(value, Tensor) and value.requires_grad


def deeplift(score: Score, x: Tensor, baselines: Tensor, chunk: int = CHUNK) -> Tensor:
    """[N, C, H, W] contributions that sum to S(x) - S(x0), averaged over baselines [N, B, C, H, W]; B > 1 is DeepSHAP.
    Memory is that of `chunk` baselines, however many there are.

    The network must be frozen and in eval mode. Raises UserError where it holds an operation without a rule, and
    RuntimeError where the sum does not come out.
    """
    graph = _Interpreter(fx.symbolic_trace(score.network))
    result = torch.zeros_like(x)
    for i in range(len(x)):
        for part in baselines[i].split(chunk):
            pictures = x[i].expand(len(part), -1, -1, -1)
            stacked = torch.cat([pictures, part]).detach().requires_grad_()
            values = score.of(graph.run(stacked))
            s1, s0 = values.chunk(2)
            (multiplier,) = torch.autograd.grad(s1.sum(), stacked)
            given = multiplier[: len(part)] * (pictures - part)
            gap = (given.flatten(1).sum(1) - (s1 - s0)).abs()
            if (gap > TOLERANCE * (1 + (s1 - s0).abs())).any():
                raise RuntimeError(
                    f"DeepLIFT's contributions miss the difference of the scores by {float(gap.max()):.2g}"
                )
            result[i] += given.detach().sum(0) / len(baselines[i])
    return result
