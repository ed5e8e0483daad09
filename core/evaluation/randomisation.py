"""Cascading randomisation: a map that does not change when the network's weights are redrawn says nothing of them.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. From the logits downwards, one layer after the other is
given new random weights; the map is made anew each time and compared with the original. Baselines are not made anew:
GANMEX's picture was made against the trained network and stays what it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor, nn


def layers_downwards(network: nn.Module) -> list[str]:
    """Names of the layers with weights of their own, from the logits to the input."""
    names = [n for n, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    return names[::-1]


@torch.no_grad()
def redraw(module: nn.Module, generator: torch.Generator) -> None:
    """New weights with the old ones' mean and spread, so that activations stay in range; biases likewise."""
    for parameter in module.parameters(recurse=False):
        spread = float(parameter.std()) if parameter.numel() > 1 else 1.0
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * spread + float(parameter.mean()))


def cascade_maps(
    network: nn.Module, make: Callable[[nn.Module], Tensor], *, stages: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """([S + 1] share of the layers redrawn, from 0 to 1; [S + 1, N, H, W] the maps).

    make(network) -> [N, H, W] maps; network: frozen, left as it was. Stages are spread evenly over the
    layers, the logits alone first.
    """
    names = layers_downwards(network)
    stops = sorted({1, *(max(1, round(len(names) * k / stages)) for k in range(1, stages + 1))})
    generator = torch.Generator().manual_seed(seed)
    copied, done = copy.deepcopy(network), 0
    shares, maps = [0.0], [make(network).cpu().numpy()]
    for stop in stops:
        for name in names[done:stop]:
            redraw(copied.get_submodule(name), generator)
        done = stop
        shares.append(stop / len(names))
        maps.append(make(copied).cpu().numpy())
    return np.array(shares), np.stack(maps)


def cascade(
    network: nn.Module, make: Callable[[nn.Module], Tensor], *, stages: int = 5, seed: int = 0
) -> dict[str, np.ndarray]:
    """'randomised': [S] share of the layers redrawn; 'spearman', 'ssim': [S, N] likeness of |map| to the original's."""
    shares, maps = cascade_maps(network, make, stages=stages, seed=seed)
    maps = np.abs(maps)
    ranks = [[spearman(a, b) for a, b in zip(maps[0], later, strict=True)] for later in maps[1:]]
    structure = [[ssim(a, b) for a, b in zip(maps[0], later, strict=True)] for later in maps[1:]]
    return {"randomised": shares[1:], "spearman": np.array(ranks), "ssim": np.array(structure)}


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation over the pixels that are not zero in both maps; 0 where one of the maps is flat.

    Where picture and baseline are equal (the black around a digit), every complete map is zero whatever the network:
    counted in, those ties would make any two maps alike.
    """
    used = (a != 0) | (b != 0)
    a, b = a[used], b[used]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two maps, each scaled to its own maximum."""
    a, b = (m / m.max() if m.max() > 0 else m for m in (a, b))
    return float(structural_similarity(a, b, data_range=1.0))
