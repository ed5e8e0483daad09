"""A network that chooses among many classes, and one of its classes as a binary black box.

Explainers ask binary questions. "Is it class c?" has the log-odds log p_c - log(1 - p_c), and these are
z_c - logsumexp of the other logits: computed so, they stay finite and keep a gradient where p_c rounds to 0 or 1.
Pictures go in as [N, C, H, W] in [0, 1].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from core.classifiers.blackbox import BELOW_ONE
from core.errors import UserError
from core.networks.classifier import fitted

NEAR = 5  # names suggested for one that is not there


class MultiClass(nn.Module):
    """A network with its own normalisation and the names of its classes; frozen, in eval mode."""

    mean: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        *,
        mean: Sequence[float],
        centre: Sequence[float],
        scale: Sequence[float],
        size: int | None = None,
    ) -> None:
        """network: [N, C, H, W] -> [N, K] logits, gets (x - centre) / scale; classes: K names, two or more, each
        once; mean: colour of the average training picture. mean, centre, scale: C numbers, on pictures in [0, 1].
        size: side of the pictures the network was trained on, to which others are resampled; None takes any.
        Raises ValueError for fewer than two classes and for a name that is there twice.
        """
        super().__init__()
        self.classes = tuple(classes)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError("a multi-class network has two or more classes, each with a name of its own")
        self.net, self.size = network, size
        for name, values in (("mean", mean), ("centre", centre), ("scale", scale)):
            self.register_buffer(name, torch.tensor(list(values), dtype=torch.float32)[:, None, None])
        self._index = {name: i for i, name in enumerate(self.classes)}
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, K] logits, differentiable in x."""
        return self.net((fitted(x, self.size) - self.centre) / self.scale)

    def posterior(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, K] probabilities below 1; each row sums to 1."""
        return torch.softmax(self(x), 1).clamp(max=BELOW_ONE)

    def target(self, name: str) -> OneClass:
        """The black box for one class. Raises UserError, with names like it, when there is no such class."""
        if name not in self._index:
            near = self._near(name)
            raise UserError(
                f"This classifier has no class '{name}'"
                + (f"; names like it: {', '.join(near)}." if near else f" among its {len(self.classes)}.")
            )
        return OneClass(self, self._index[name])

    def _near(self, name: str) -> list[str]:
        """At most NEAR names that hold the one asked for as a word or resemble it."""
        asked = name.strip().lower()
        by_lower = {c.lower(): c for c in self.classes}
        holding = [c for lower, c in by_lower.items() if asked == lower or asked in lower.split()]
        alike = [by_lower[m] for m in get_close_matches(asked, by_lower, NEAR, 0.7)]
        return list(dict.fromkeys(holding + alike))[:NEAR]


class OneClass:
    """One class against all others, as a binary black box."""

    def __init__(self, classifier: MultiClass, index: int) -> None:
        self.classifier, self.index = classifier, index

    def logit(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N] log-odds, differentiable in x."""
        z = self.classifier(x)
        others = torch.cat([z[:, : self.index], z[:, self.index + 1 :]], 1)
        return z[:, self.index] - others.logsumexp(1)

    def posterior(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N], the softmax probability of the class."""
        return torch.sigmoid(self.logit(x)).clamp(max=BELOW_ONE)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names in their order; those that repeat, whatever their capitals, get their number: 'crane (134)'."""
    count = Counter(n.lower() for n in names)
    return tuple(f"{n} ({i})" if count[n.lower()] > 1 else n for i, n in enumerate(names))
