"""What a knob's change answers to beside f, the critic and the way back.

Siblings of f should be persuaded too, a recogniser should see the same person, E should not lose the query among
others, the knob may have to stay what it was, and what the fields move, shade and tint has a price. The paper has
none of these.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox, Classifier
from core.networks.exaggerator import Change, Exaggerator, ExaggeratorConfig, condition_of
from core.training.knob_settings import ExaggeratorTraining
from core.training.losses import (
    compatibility,
    departure_loss,
    likeness_loss,
    moved_as_far,
    nearness_loss,
    total_variation,
)


class Restraints:
    """The weighted losses of one knob's training. siblings, recogniser and first, the knob it began from: frozen."""

    def __init__(
        self,
        training: ExaggeratorTraining,
        config: ExaggeratorConfig,
        siblings: Sequence[BlackBox] = (),
        recogniser: Classifier | None = None,
        first: Exaggerator | None = None,
    ) -> None:
        self.training, self.config = training, config
        self.siblings, self.recogniser, self.first = siblings, recogniser, first

    def __call__(
        self, model: Exaggerator, x: Tensor, seen: Tensor, p: Tensor, target: Tensor, change: Change
    ) -> dict[str, Tensor]:
        """The losses that look at pictures, by name. x [N, C, S, S]: the queries, to which f says p [N]; change: what
        `model` makes of them for target [N]; seen [N, C, S, S]: that as f sees it, through random views.
        """
        training = self.training
        losses: dict[str, Tensor] = {}
        if self.siblings:
            followed = [self._followed(sibling, x, seen, p, target) for sibling in self.siblings]
            losses["sibling"] = training.sibling_f * torch.stack(followed).mean()
        if self.recogniser is not None:
            half = len(x) // 2
            # Without the view, which moves features more than the knob does.
            with torch.no_grad():
                known = self.recogniser.features(x[:half]).float()
            losses["identity"] = training.identity * likeness_loss(
                known, self.recogniser.features(change.x[:half]).float()
            )
        if training.latent:
            near = nearness_loss(model.embed(x).float(), model.embed(change.x).float())
            losses["latent"] = training.latent * near
        if training.keep and self.first is not None:
            losses["keep"] = training.keep * self._departed(self.first, x, p, target, change)
        return losses

    def prices(self, change: Change) -> dict[str, Tensor]:
        """What the fields of the heads `residual` and `morph` cost, by name."""
        training, r = self.training, change.residual
        return {
            "residual": training.residual * r.abs().mean(),
            "chroma": training.chroma * (r - r.mean(1, keepdim=True)).abs().mean(),
            "smooth": training.smooth * (100 * total_variation(change.displacement) + total_variation(r)),
            "magnitude": training.magnitude * change.displacement.abs().mean(),
        }

    def _followed(self, sibling: BlackBox, x: Tensor, seen: Tensor, p: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = moved_as_far(sibling.logit(x).float(), p, target, self.training.margin)
        return compatibility(sibling.logit(seen).float(), wanted)

    def _departed(self, first: Exaggerator, x: Tensor, p: Tensor, target: Tensor, change: Change) -> Tensor:
        before, wanted = (condition_of(v, self.config.bins, self.config.continuous) for v in (p, target))
        with torch.no_grad():
            was = first.change(x, first.encode(x), before, wanted)
        return departure_loss(change.displacement, change.residual, was.displacement, was.residual)
