"""What a knob's training asks of the generator, beside the critic (core.networks.critic) and plain L1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def compatibility(logit: Tensor, target: Tensor) -> Tensor:
    """KL(target || sigmoid(logit)) between Bernoulli laws, mean over the batch (the paper's L_f, target first).

    Soft-target cross-entropy minus the target's entropy: never negative, 0 where f answers what was asked.
    """
    cross = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    entropy = -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target))
    return (cross - entropy).mean()


def moved_as_far(logit: Tensor, p: Tensor, target: Tensor, margin: float) -> Tensor:
    """[N] probabilities a second classifier should give when it follows f from p to target.

    logit: its log-odds for the query. It is asked for the same step in log-odds from where it stands, because two
    classifiers that disagree about a picture can still agree about what changes it.
    """
    low, high = margin, 1 - margin
    step = torch.logit(target.clamp(low, high)) - torch.logit(p.clamp(low, high))
    return torch.sigmoid(logit + step).clamp(low, high)


def likeness_loss(known: Tensor, features: Tensor) -> Tensor:
    """Mean of 1 - cosine between two pictures' features, [N, D] each: 0 where a recogniser sees the same person."""
    return (1 - F.cosine_similarity(known, features)).mean()


def total_variation(field: Tensor) -> Tensor:
    """Mean squared slope of [N, C, H, W]."""
    return (field[..., 1:, :] - field[..., :-1, :]).square().mean() + (
        field[..., :, 1:] - field[..., :, :-1]
    ).square().mean()
