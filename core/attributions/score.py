"""What is attributed: the logit of one class, or the difference of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import UserError

KINDS = ("own", "contrast")
TITLES = {"own": "S of the class itself", "contrast": "S of the class minus S of the other"}


@dataclass(frozen=True)
class Score:
    """S(x) of one class, on logits.

    'own' is S_o, 'contrast' S_o - S_t: the stronger reading of "why o and not t". Logits and not probabilities,
    because a softmax is flat where the network is sure, and maps of it say little there.
    """

    network: nn.Module
    origin: int
    target: int
    kind: str = "contrast"

    def __post_init__(self) -> None:
        """Raises UserError for an unknown kind."""
        if self.kind not in KINDS:
            raise UserError(f"There is no score '{self.kind}'; choose one of {', '.join(KINDS)}.")

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N], differentiable in x."""
        return self.of(self.network(x))

    def of(self, logits: Tensor) -> Tensor:
        """[N, K] logits -> [N]."""
        own = logits[:, self.origin]
        return own if self.kind == "own" else own - logits[:, self.target]


def gradient_of(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """[N, C, H, W] gradient of the score at x."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(x).sum(), x)
    return slope
