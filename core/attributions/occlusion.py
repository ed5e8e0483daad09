"""Occlusion: replace a window by the baseline's and see what the score loses."""

from __future__ import annotations

import torch
from torch import Tensor

from core.attributions.score import Score

CHUNK = 256


@torch.no_grad()
def occlusion(
    score: Score, x: Tensor, baselines: Tensor, window: int | None = None, stride: int | None = None
) -> Tensor:
    """The score's loss for each window, spread evenly over the window's pixels and averaged where windows overlap.

    x: [N, C, H, W]; baselines: [N, B, C, H, W], averaged over B; window: side in pixels, by default about a ninth of
    the picture's and at least 3; stride: by default half of it. With window = stride = 1 and a linear score this is
    w_i (x_i - x0_i). Zeiler and Fergus, ECCV 2014, with the baseline in place of grey. All channels go together: the
    loss of a pixel is shared evenly among them.
    """
    n, b = baselines.shape[:2]
    _, channels, height, width = x.shape
    window = window or max(3, round(height / 9))
    stride = stride or max(1, window // 2)
    masks = _windows(height, width, window, stride, x)  # [M, 1, H, W]
    size = masks.sum((2, 3), keepdim=True)
    cover = masks.sum(0)[0].clamp_min(1)
    result = torch.zeros_like(x)
    before = score(x)
    for i in range(n):
        for start in baselines[i]:
            for part, area in zip(masks.split(CHUNK), size.split(CHUNK), strict=True):
                lost = before[i] - score(torch.where(part > 0, start[None], x[i][None]))
                result[i] += (lost[:, None, None, None] * part / area).sum(0) / b / channels
    return result / cover


def _windows(height: int, width: int, window: int, stride: int, like: Tensor) -> Tensor:
    """[M, 1, H, W] of 0 and 1: every place of the window, the last ones flush with the border."""
    tops = sorted({*range(0, max(1, height - window + 1), stride), max(0, height - window)})
    lefts = sorted({*range(0, max(1, width - window + 1), stride), max(0, width - window)})
    masks = torch.zeros(len(tops) * len(lefts), 1, height, width, device=like.device, dtype=like.dtype)
    for k, (top, left) in enumerate((t, s) for t in tops for s in lefts):
        masks[k, 0, top : top + window, left : left + window] = 1
    return masks
