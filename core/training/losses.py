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


def nearness_loss(queries: Tensor, explanations: Tensor, margin: float = 2.5) -> Tensor:
    """How far latent space closeness (Singla et al., Eq. 10) is from holding in a batch: 0 where it holds with room.

    queries, explanations: [N, D], E(x) and E(x_d) of N pictures, N > 1. Mean hinge on log ||E(x) - E(x_d)||^2 less the
    log of the least squared distance from E(x_d) to another picture's explanation; a batch has fewer others than a
    data set, hence the margin.
    """
    own = (queries - explanations).square().sum(1)
    others = torch.cdist(explanations, explanations).square()
    nearest = others.masked_fill(torch.eye(len(others), dtype=torch.bool, device=others.device), torch.inf).amin(1)
    return F.relu(margin + torch.log(own + 1e-6) - torch.log(nearest + 1e-6)).mean()


def departure_loss(u: Tensor, r: Tensor, u_before: Tensor, r_before: Tensor) -> Tensor:
    """How far a change is from another one of the same pictures: mean |u - u'| in pixels plus 100 times mean |r - r'|.

    u: displacements [N, 2, S, S] as fractions of the side; r: residuals [N, C, S, S] on [0, 1].
    """
    return u.shape[-1] * (u - u_before).abs().mean() + 100 * (r - r_before).abs().mean()


def total_variation(field: Tensor) -> Tensor:
    """Mean squared slope of [N, C, H, W]."""
    return (field[..., 1:, :] - field[..., :-1, :]).square().mean() + (
        field[..., :, 1:] - field[..., :, :-1]
    ).square().mean()
