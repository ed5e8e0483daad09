"""The saliency metric: is the tightest box around a map small, and does f still see the class in it?"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from core.classifiers.blackbox import BlackBox


def tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) around the largest connected part of a map [H, W] above its own mean; the whole
    map where it is flat.
    """
    parts, count = ndimage.label(mask > mask.mean())
    if not count:
        return 0, 0, mask.shape[0], mask.shape[1]
    rows, columns = ndimage.find_objects(parts)[int(np.bincount(parts.ravel())[1:].argmax())]
    return rows.start, columns.start, rows.stop, columns.stop


@torch.no_grad()
def saliency_metric(f: BlackBox, x: Tensor, sign: Tensor, maps: Tensor) -> np.ndarray:
    """[N] log max(a, .05) - log p, lower is better: a is the box's share of the picture, p the probability of the
    explained answer in the box alone, enlarged to the full size.

    x: [N, C, S, S] in [0, 1]; sign: [N]; maps: [N, 1, S, S]. Source: Dabkowski and Gal, "Real Time Image Saliency
    for Black Box Classifiers", NeurIPS 2017, Eq. 4.
    """
    side = x.shape[-1]
    crops, areas = [], []
    for picture, mask in zip(x, maps[:, 0].cpu().numpy(), strict=True):
        top, left, bottom, right = tight_box(mask)
        areas.append((bottom - top) * (right - left) / side**2)
        crop = picture[None, :, top:bottom, left:right]
        crops.append(F.interpolate(crop, (side, side), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1))
    log_p = F.logsigmoid(sign * f.logit(torch.cat(crops)))
    return np.log(np.maximum(areas, 0.05)) - log_p.double().cpu().numpy()
