"""One-against-one maps of every baseline and attribution on the same held-out pictures, by the same measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.attributions.methods import METHODS, attribute, residual
from core.attributions.score import Score
from core.baselines.baseline import Baseline
from core.classifiers.blackbox import Classifier
from core.classifiers.multiclass import MultiClass
from core.evaluation.composites import attraction, with_object
from core.evaluation.frechet import rounded_distance
from core.evaluation.interval import bootstrap
from core.evaluation.perturbation import ORDERS, aopc
from core.evaluation.pixels import to_unit
from core.evaluation.randomisation import cascade, spearman

Features = Callable[[Tensor], Tensor]


@torch.no_grad()
def baseline_report(
    network: MultiClass, baselines: dict[str, Baseline], features: Classifier | None, images: np.ndarray,
    labels: np.ndarray, *, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """For every baseline over all ordered pairs of classes: how often the classifier calls it the target class, its
    mean distance |x - baseline|, and the Fréchet distance of all of them to the real pictures.

    images: [N, C, S, S] uint8, held out; labels: [N] class numbers. Every picture is asked for every other class, and
    intervals are over pictures, `n` of them.
    """
    x = to_unit(images, network.mean.device)
    count = len(network.classes)
    embed: Features = _penultimate(network) if features is None else features.features
    real = torch.cat([embed(part) for part in x.split(256)]).double().cpu().numpy()
    report: dict[str, Any] = {}
    for name, kind in baselines.items():
        # A picture's other classes are asked of the same picture, so they are averaged before anything is resampled.
        called, moved, made = [], [], []
        for o in range(count):
            own = x[torch.from_numpy(labels == o)]
            if not len(own):
                continue
            right, far = [], []
            for t in range(count):
                if o == t:
                    continue
                pictures = kind.of(own, o, t)
                one = pictures[:, 0]
                right.append((network(one).argmax(1) == t).float())
                far.append((own[:, None] - pictures).abs().mean((1, 2, 3, 4)))
                made.append(embed(one[: max(1, 2000 // (count * (count - 1)))]))
            called.append(torch.stack(right).mean(0))
            moved.append(torch.stack(far).mean(0))
        report[name] = {
            "one_vs_one": kind.one_vs_one,
            "called_target": _mean(torch.cat(called), seed),
            "distance": _mean(torch.cat(moved), seed),
            "frechet": rounded_distance(real, torch.cat(made).double().cpu().numpy()),
            "n": len(torch.cat(called)),
        }
    return report


def maps_report(
    network: MultiClass,
    baselines: dict[str, Baseline],
    images: np.ndarray,
    labels: np.ndarray,
    mean: np.ndarray,
    *,
    methods: tuple[str, ...] = tuple(METHODS),
    kind: str = "contrast",
    checked: int = 40,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """For every method and baseline: completeness, AOPC in three orders and for both fillers, attraction to an
    unrelated object, likeness after cascading randomisation, and repeatability over seeds.

    images: [N, C, S, S] uint8, held out; labels: [N]; mean: [C, S, S] mean training picture in [0, 1]; checked: so many
    pictures for the costly checks. Each picture is asked against one random other class. DeepSHAP and Expected
    Gradients are measured against many pictures alone: against one they are DeepLIFT and a noisy Integrated Gradients.
    """
    rng = np.random.default_rng(seed)
    x, o = to_unit(images, network.mean.device), torch.from_numpy(labels.astype(np.int64))
    t = torch.from_numpy((labels + rng.integers(1, len(network.classes), len(labels))) % len(network.classes))
    neutral = torch.from_numpy(mean).float().to(x.device).expand_as(x)
    composites = with_object(x, seed)
    few = slice(0, checked)
    cells: dict[str, Any] = {}
    done, total = 0, len(methods) * len(baselines)
    for name, source in baselines.items():
        pictures = _by_pair(source, x, o, t)
        own = pictures.mean(1)
        for method in methods:
            done += 1
            if progress is not None:
                progress(done, total)
            if method == "gradient" and name != next(iter(baselines)):
                continue  # it looks at no baseline
            if METHODS[method].alone is not None and pictures.shape[1] == 1:
                continue  # against one picture it is another method, which is measured
            maps, gaps = _maps(network, method, x, pictures, o, t, kind, seed)
            cell: dict[str, Any] = {"n": len(x)}
            if METHODS[method].complete:
                cell["residual"] = _mean(gaps, seed)
            for order in ORDERS:
                for filler, filled in (("mean", neutral), ("baseline", own)):
                    found = aopc(network, x, filled, maps, o.to(x.device), t.to(x.device), order=order, seed=seed)
                    cell[f"fall_{order}_{filler}"] = _mean(found.fall, seed)
                    cell[f"rise_{order}_{filler}"] = _mean(found.rise, seed)
            seen = _by_pair(source, composites.pictures[few], o[few], t[few])
            with_ring, _ = _maps(network, method, composites.pictures[few], seen, o[few], t[few], kind, seed)
            cell["attraction"] = _mean(attraction(with_ring, composites.boxes[few]), seed) | {"n": len(with_ring)}

            def make(net: Any, method: str = method, pictures: Tensor = pictures) -> Tensor:
                return _maps(net, method, x[few], pictures[few], o[few], t[few], kind, seed)[0]

            likeness = cascade(network, make, seed=seed)
            cell["randomised"] = {
                "share": [round(float(v), 3) for v in likeness["randomised"]],
                "spearman": [round(float(v.mean()), 4) for v in likeness["spearman"]],
                "ssim": [round(float(v.mean()), 4) for v in likeness["ssim"]],
            }
            again, _ = _maps(network, method, x[few], pictures[few], o[few], t[few], kind, seed + 1)
            cell["repeatability"] = _mean(_correlation(maps[few], again), seed)
            cells.setdefault(method, {})[name] = cell
    return {"n": len(x), "score": kind, "checked": checked, "cells": cells}


def _maps(
    network: Any, method: str, x: Tensor, pictures: Tensor, o: Tensor, t: Tensor, kind: str, seed: int
) -> tuple[Tensor, Tensor]:
    """([N, H, W] maps summed over channels, [N] relative completeness residual), pair of classes by pair."""
    maps, gaps = x.new_zeros(len(x), *x.shape[2:]), x.new_zeros(len(x))
    for a, b in {(int(i), int(j)) for i, j in zip(o, t, strict=True)}:
        rows = torch.nonzero((o == a) & (t == b))[:, 0]
        score = Score(network, a, b, kind)
        found = attribute(method, score, x[rows], pictures[rows], seed)
        change, gap = residual(score, x[rows], pictures[rows], found)
        maps[rows] = found.detach().sum(1)
        gaps[rows] = gap.abs() / change.abs().clamp_min(1e-3)
    return maps, gaps


def _by_pair(source: Baseline, x: Tensor, o: Tensor, t: Tensor) -> Tensor:
    """[N, B, C, H, W] baselines, pair of classes by pair."""
    parts: list[Tensor] = [source.of(x[i : i + 1], int(o[i]), int(t[i])) for i in range(len(x))]
    return torch.cat(parts)


def _penultimate(network: MultiClass) -> Features:
    """What goes into the network's last layer."""
    last = network.net.get_submodule("fc" if hasattr(network.net, "fc") else "classifier")

    def features(x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        hook = last.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            network(x)
        finally:
            hook.remove()
        return kept[0]

    return features


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """[N] Spearman correlation of two sets of maps."""
    return torch.tensor([spearman(m, n) for m, n in zip(a.cpu().numpy(), b.cpu().numpy(), strict=True)])


def _mean(values: Tensor, seed: int) -> dict[str, float | None]:
    return bootstrap(lambda v: float(v.mean()), values.double().cpu().numpy(), rounds=500, seed=seed).to_dict()
