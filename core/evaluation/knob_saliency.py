"""The knob as a saliency map beside others, judged by deletion with noise: Singla et al., ICLR 2020, section 4.3."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.attributions.gradcam import gradcam
from core.attributions.integrated import integrated_gradients
from core.attributions.score import gradient_of
from core.attributions.smoothgrad import smoothgrad
from core.classifiers.blackbox import BlackBox
from core.evaluation.deletion import SHARES, Deletion, delete, uniform_noise
from core.evaluation.interval import bootstrap
from core.evaluation.pixels import to_unit
from core.explainers import fido
from core.explainers.exaggeration import sweep_batch
from core.explainers.masking import sign_of
from core.explainers.presets import preset
from core.infills.infill import Infill
from core.networks.exaggerator import Exaggerator

ENDS = (0.01, 0.99)
METHODS = {
    "knob": "knob, most minus least",
    "gradient": "gradient",
    "ig": "Integrated Gradients",
    "smoothgrad": "SmoothGrad",
    "gradcam": "Grad-CAM",
    "fido-ssr": "FIDO-SSR",
    "random": "random pixels",
}
COSTLY = "fido-ssr"
FEW = 60  # pictures for the costly one
DRAWS = 3  # of the noise
BATCH = 16


@dataclass(frozen=True)
class SaliencyTable:
    """What deletion did to N pictures, by method.

    shares: [K]; labels: [N] of 0 and 1; rows: method -> the pictures it was run on, all or a random part; deletions:
    method -> curves of these; seconds: method -> processor time of one picture's map.
    """

    shares: np.ndarray
    labels: np.ndarray
    rows: dict[str, np.ndarray]
    deletions: dict[str, Deletion]
    seconds: dict[str, float]


def knob_map(network: Exaggerator, f: BlackBox, x: Tensor) -> Tensor:
    """[N, C, S, S] in [0, 1] -> [N, 1, S, S] in [0, 1]: how far each pixel moves between the least and the most.

    |I_f(x) at the highest condition - at the lowest|, summed over channels, by its greatest value; 0 where the knob
    changes nothing at all.
    """
    goal = torch.tensor(ENDS, device=x.device)
    maps = []
    for picture in x.split(1):
        least, most = sweep_batch(network, f, picture, goal, "direct")[0].x
        maps.append((most - least).abs().sum(0, keepdim=True))
    return normalised(torch.stack(maps))


def normalised(maps: Tensor) -> Tensor:
    """[N, 1, S, S] of 0 and more, each by its greatest value; a map of zeros stays one."""
    top = maps.amax((1, 2, 3), keepdim=True)
    return maps / torch.where(top > 0, top, torch.ones_like(top))


def importance(
    method: str, f: BlackBox, network: Exaggerator, infill: Infill, x: Tensor, sign: Tensor, mean: Tensor, *,
    speed: str = "quick", seed: int = 0,
) -> Tensor:  # fmt: skip
    """[N, 1, S, S] of 0 to 1, greater is more important for the answer f gave, by one of METHODS.

    x: [N, C, S, S] in [0, 1]; sign: [N], the answer; infill, speed: of FIDO; mean: [C] in [0, 1], the colour that
    Integrated Gradients start from. Signed maps count by their size, as both signs say that a pixel matters. Raises
    ValueError for an unknown method.
    """
    if method == "knob":
        return knob_map(network, f, x)
    if method == "gradcam":
        return normalised(gradcam(f, x, sign))
    if method == "fido-ssr":
        config = fido.FidoConfig(kind="ssr", infill=infill.name, seed=seed, **preset(speed, "fido"))
        return normalised(fido.optimise(f, infill, x, sign, config).mask)
    if method == "random":
        generator = torch.Generator(x.device).manual_seed(seed)
        return torch.rand(len(x), 1, *x.shape[2:], device=x.device, generator=generator)
    if method == "gradient":
        signed = gradient_of(f.logit, x)
    elif method == "smoothgrad":
        signed = smoothgrad(f.logit, x, seed=seed)
    elif method == "ig":
        signed = integrated_gradients(f.logit, x, mean.to(x)[:, None, None].expand_as(x)[:, None])
    else:
        raise ValueError(f"there is no map {method!r}")
    return normalised(signed.abs().sum(1, keepdim=True))


def run_saliency(
    f: BlackBox, network: Exaggerator, infill: Infill, mean: Tensor, images: np.ndarray, labels: np.ndarray, *,
    speed: str = "quick", few: int = FEW, draws: int = DRAWS, shares: tuple[float, ...] = SHARES, seed: int = 0,
    device: torch.device | str = "cpu", progress: Callable[[int, int], None] | None = None,
) -> SaliencyTable:  # fmt: skip
    """Every map of images [N, C, S, S] uint8, and deletion by it with the same noise. labels: [N]; few: pictures for
    the costly method, a random part; draws: of noise, averaged.
    """
    n = len(images)
    part = np.sort(np.random.default_rng(seed).permutation(n)[:few])
    rows = {name: part if name == COSTLY else np.arange(n) for name in METHODS}
    total, done = sum(map(len, rows.values())), 0
    seconds = dict.fromkeys(METHODS, 0.0)
    found: dict[str, list[Deletion]] = {name: [] for name in METHODS}
    for start in range(0, n, BATCH):
        x = to_unit(images[start : start + BATCH], device)
        # Apart, or random pixels would be ranked by the very noise that replaces them.
        own, fresh, ties = map(int, np.random.SeedSequence((seed, start)).generate_state(3))
        noise = uniform_noise(x, draws, fresh)
        for name in METHODS:
            mine = rows[name][(rows[name] >= start) & (rows[name] < start + BATCH)] - start
            if not len(mine):
                continue
            pictures = x[mine]
            clock = time.process_time()
            maps = importance(
                name, f, network, infill, pictures, sign_of(f, pictures, "predicted"), mean, speed=speed,
                seed=own,
            )  # fmt: skip
            seconds[name] += (time.process_time() - clock) / len(rows[name])
            found[name].append(delete(f, pictures, maps, noise[:, mine], shares=shares, seed=ties))
            done += len(mine)
            if progress is not None:
                progress(done, total)
    whole = {
        name: replace(
            parts[0],
            **{k: np.concatenate([getattr(p, k) for p in parts]) for k in ("probability", "decision", "present")},
        )
        for name, parts in found.items()
    }
    return SaliencyTable(np.asarray(shares), labels, rows, whole, seconds)


def saliency_report(table: SaliencyTable, *, seed: int = 0) -> dict[str, Any]:
    """What metrics.json holds: for every method the mean curves, the area under each, and how far that of the
    probability lies under random pixels' on the same pictures; `few`: all methods on the costly one's pictures.

    Areas are mean heights in [0, 1] with intervals over pictures; lower is a better map.
    """

    def mean(values: np.ndarray) -> dict[str, float | None]:
        return bootstrap(lambda v: float(v.mean()), values, seed=seed).to_dict()

    areas = {name: d.area(d.probability) for name, d in table.deletions.items()}
    methods: dict[str, Any] = {}
    few = table.rows[COSTLY]
    for name, d in table.deletions.items():
        rows = table.rows[name]
        accuracy = d.accuracy(table.labels[rows])
        methods[name] = {
            "n": len(rows), "curve": _means(d.probability), "decision": _means(d.decision),
            "accuracy": _means(accuracy), "area": mean(areas[name]), "decision_area": mean(d.area(d.decision)),
            "accuracy_area": mean(d.area(accuracy)), "under_random": mean(areas["random"][rows] - areas[name]),
            "seconds": round(table.seconds[name], 4),
        }  # fmt: skip
    return {
        "n": len(table.labels), "shares": table.shares.tolist(), "methods": methods,
        "few": {"n": len(few), "area": {k: mean(a if k == COSTLY else a[few]) for k, a in areas.items()}},
    }  # fmt: skip


def _means(values: np.ndarray) -> list[float]:
    return [round(float(v), 5) for v in values.mean(0)]
