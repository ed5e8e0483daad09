"""The black box f: posterior, logit and gradient of a frozen classifier, one binary target at a time.

Everything a caller could get wrong is inside: the normalisation, eval mode, frozen weights, calibration.
Pictures go in as [N, C, H, W] in [0, 1].
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from core.errors import UserError
from core.networks.classifier import fitted, make_classifier

# The greatest float32 below 1. Log-odds over 16.6 would round to certainty, which no classifier has.
BELOW_ONE = 1 - 2**-24


class BlackBox(Protocol):
    """A binary classifier: what every explainer of one finding asks for."""

    def logit(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N] calibrated log-odds, differentiable in x."""
        ...

    def posterior(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N] probabilities in [0, 1), differentiable in x."""
        ...


class Classifier(nn.Module):
    """A network with its own size and normalisation, several binary targets and one temperature and bias a target.

    Pictures of another size are resampled to the network's first, so that a study may have larger pictures than some of
    its networks see.
    The temperature and bias are fitted on validation data (Platt scaling; Guo et al., ICML 2017), so that a
    probability of .8 is right four times in five.
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor
    bias: Tensor

    def __init__(self, architecture: str, channels: int, targets: tuple[str, ...], width: int, size: int) -> None:
        super().__init__()
        self.config = {
            "architecture": architecture, "channels": channels, "targets": list(targets),
            "width": width, "size": size,
        }  # fmt: skip
        self.targets = tuple(targets)
        self.size, self.channels = size, channels
        self.net = make_classifier(architecture, channels, len(targets), width)
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.5))
        self.register_buffer("std", torch.full((channels, 1, 1), 0.25))
        self.register_buffer("temperature", torch.ones(len(targets)))
        self.register_buffer("bias", torch.zeros(len(targets)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, K] uncalibrated logits."""
        return self.net((fitted(x, self.size) - self.mean) / self.std)

    def logit(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, K] calibrated log-odds."""
        return self(x) / self.temperature + self.bias

    def posterior(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, K] calibrated probabilities, one for each binary target."""
        return torch.sigmoid(self.logit(x)).clamp(max=BELOW_ONE)

    def keep(self, targets: tuple[str, ...]) -> Classifier:
        """A copy that answers only these of its targets; the other outputs are cut off the last layer."""
        config = self.config | {"targets": targets}
        small = Classifier(**config)  # type: ignore[arg-type]
        rows = [self.targets.index(t) for t in targets]
        per_target = {
            "temperature",
            "bias",
            "net.fc.weight",
            "net.fc.bias",
            "net.classifier.weight",
            "net.classifier.bias",
        }
        small.load_state_dict({n: t[rows] if n in per_target else t for n, t in self.state_dict().items()})
        return small.to(self.mean.device)

    def features(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N, D], what goes into the last layer. For distances between image sets."""
        last = self.net.get_submodule("fc" if hasattr(self.net, "fc") else "classifier")
        kept: list[Tensor] = []
        hook = last.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            self(x)
        finally:
            hook.remove()
        return kept[0]

    def freeze(self) -> Classifier:
        """Eval mode and no gradients for the weights. A gradient in x still flows."""
        return self.eval().requires_grad_(False)

    def target(self, name: str) -> BinaryTarget:
        """The black box for one target. Raises UserError when the classifier does not have it."""
        if name not in self.targets:
            raise UserError(f"This classifier has no target '{name}'; it has: {', '.join(self.targets)}.")
        return BinaryTarget(self, self.targets.index(name))


class BinaryTarget:
    """One output of a multi-target classifier, seen as a binary black box."""

    def __init__(self, classifier: Classifier, index: int) -> None:
        self.classifier, self.index = classifier, index

    def logit(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N] calibrated log-odds."""
        return self.classifier.logit(x)[:, self.index]

    def posterior(self, x: Tensor) -> Tensor:
        """[N, C, H, W] in [0, 1] -> [N] calibrated probabilities."""
        return torch.sigmoid(self.logit(x)).clamp(max=BELOW_ONE)
