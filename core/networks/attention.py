"""Contextual attention: what a hole's features are rebuilt from (Yu et al., CVPR 2018, section 4).

Against the published layer: patches that touch the hole are excluded (there they keep a logit of 0 and with it a share
of the softmax), and any size goes.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SHARPNESS = 10.0
LARGE = 1024  # places from which on leaving pairs out saves more than looking them up costs


def contextual_attention(features: Tensor, hole: Tensor, *, sharpness: float = SHARPNESS) -> Tensor:
    """Hole features rebuilt from the visible patches they resemble most.

    features: [N, D, h, w]; hole: [N, 1, h, w], 1 where anything is hidden -> [N, D, h, w], equal to `features`
    where the hole is 0. Cosine similarity of 3x3 patches, summed along both raster diagonals (neighbours should
    copy from neighbours), softmax over patches that do not touch the hole. A picture without any such patch keeps
    its features.
    """
    height, width = features.shape[2:]
    clear = F.max_pool2d(hole, 3, 1, 1).flatten(1) < 0.5  # [N, L] patches that are visible as a whole
    patches = F.unfold(features, 3, padding=1)  # [N, 9D, L]
    unit = F.normalize(patches, dim=1, eps=1e-4)
    if features.device.type == "cpu" and clear.shape[1] >= LARGE and not torch.is_grad_enabled():
        rebuilt = _needed_pairs(patches, unit, clear, (height, width), sharpness)
    else:
        rebuilt = _all_pairs(patches, unit, clear, (height, width), sharpness)
    rebuilt = F.fold(rebuilt, (height, width), 3, padding=1)
    count = F.fold(patches.new_ones(1, 9, height * width), (height, width), 3, padding=1)
    inside = (hole > 0.5) & clear.any(1)[:, None, None, None]
    return torch.where(inside, rebuilt / count, features)


def _all_pairs(patches: Tensor, unit: Tensor, clear: Tensor, size: tuple[int, int], sharpness: float) -> Tensor:
    """[N, 9D, L] patches out of clear ones, for every place; differentiable, and all pictures at once."""
    height, width = size
    score = unit.transpose(1, 2) @ unit  # [N, L query, L key]
    score = _fuse(_fuse(score, height, width), width, height)
    blocked = (~clear & clear.any(1)[:, None])[:, None]
    weight = torch.softmax((sharpness * score).masked_fill(blocked, float("-inf")), 2)
    return patches @ weight.transpose(1, 2)


def _fuse(score: Tensor, height: int, width: int) -> Tensor:
    """Add to every (query, key) the scores of its two neighbours on the diagonal, then swap the raster order."""
    n, places, _ = score.shape
    padded = F.pad(score, (1, 1, 1, 1))
    score = (padded[:, :-2, :-2] + score + padded[:, 2:, 2:]) / 3
    score = score.view(n, height, width, height, width).permute(0, 2, 1, 4, 3)
    return score.reshape(n, places, places)


def _needed_pairs(patches: Tensor, unit: Tensor, clear: Tensor, size: tuple[int, int], sharpness: float) -> Tensor:
    """The same where it matters, at the patches that touch the hole, and 0 elsewhere: only their pairs with clear ones
    are scored. Where a mask leaves little clear or little hidden that is a fraction of all pairs.
    """
    shifts = _shifts(*size)
    unit = F.pad(unit, (0, 1))  # beyond the raster's ends there is nothing
    rebuilt = torch.zeros_like(patches)
    for i in range(len(patches)):
        key, query = clear[i].nonzero()[:, 0], (~clear[i]).nonzero()[:, 0]
        if not len(key) or not len(query):
            continue
        keys, key_at = shifts[:, key].unique(return_inverse=True)
        queries, query_at = shifts[:, query].unique(return_inverse=True)
        plain = unit[i][:, queries].T @ unit[i][:, keys]
        fused = torch.zeros(len(query), len(key))
        for rows, columns in zip(query_at, key_at, strict=True):
            fused += plain[rows][:, columns]
        weight = torch.softmax(fused * (sharpness / len(shifts)), 1)
        rebuilt[i][:, query] = patches[i][:, key] @ weight.T
    return rebuilt


@cache
def _shifts(height: int, width: int) -> Tensor:
    """[9, L]: for every place those whose scores `_fuse` adds to it, one step back or ahead in both raster orders; L
    beyond either raster's ends.
    """
    places = height * width
    place = torch.arange(places)
    found = []
    for down in (-1, 0, 1):
        column = place % width * height + place // width + down  # in the order of columns
        moved = column % height * width + column // height
        for along in (-1, 0, 1):
            ends = (column < 0) | (column >= places) | (moved + along < 0) | (moved + along >= places)
            found.append(torch.where(ends, places, moved + along))
    return torch.stack(found)
