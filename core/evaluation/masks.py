"""Every mask explainer with every infill on the same held-out pictures, by the same measures."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.evaluation.curves import run_curves
from core.evaluation.interval import bootstrap
from core.evaluation.pixels import to_unit
from core.evaluation.saliency import saliency_metric
from core.explainers import bbmp, extremal, fido
from core.explainers.masking import SUFFICIENT, hidden_of, measure, says, sign_of
from core.explainers.presets import preset
from core.infills.infill import Infill

ROWS = ("fido-ssr", "fido-sdr", "bbmp", "extremal")
KINDS = {"fido-ssr": "sufficient", "fido-sdr": "destroying", "bbmp": "destroying", "extremal": "sufficient"}
SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
BATCH, GPU_BATCH = 16, 128  # pictures whose masks are fitted together
CHECKED = 8  # pictures for the costly comparisons, with another seed and with the published number of steps


@dataclass(frozen=True)
class Maps:
    """One method with one infill on N pictures. maps: [N, S, S] float32, greater is more important; regions:
    [N, S, S] bool, what the method calls its region.
    """

    maps: np.ndarray
    regions: np.ndarray


def find_maps(f: BlackBox, infill: Infill, x: Tensor, sign: Tensor, row: str, speed: str, seed: int = 0) -> Maps:
    """x: [N, C, S, S] in [0, 1]; sign: [N]; row: one of ROWS; speed: a preset."""
    options: dict[str, Any] = {"infill": infill.name, "seed": seed}
    if row == "extremal":
        config = extremal.ExtremalConfig(**options, **preset(speed, "extremal"))
        masks = extremal.optimise(f, infill, x, sign, config).mask
        many = x.repeat_interleave(len(config.areas), 0)
        fills, after = measure(f, infill, many, hidden_of(masks > 0.5, SUFFICIENT), 4, seed)
        stands = _stands(f, fills, sign.repeat_interleave(len(config.areas))).view(len(x), -1)
        after = after.mean(1).view(len(x), -1)
        masks = masks.view(len(x), -1, *x.shape[2:])
        best = [
            extremal.smallest_that_does(after[i], stands[i], config.areas, SUFFICIENT, bool(sign[i] > 0))
            for i in range(len(x))
        ]
        return Maps(masks.mean(1).cpu().numpy(), (masks[torch.arange(len(x)), best] > 0.5).cpu().numpy())
    if row == "bbmp":
        found = bbmp.optimise(f, infill, x, sign, bbmp.BbmpConfig(**options, **preset(speed, "bbmp")))
    else:
        search = fido.FidoConfig(kind=row.removeprefix("fido-"), **options, **preset(speed, "fido"))
        found = fido.optimise(f, infill, x, sign, search)
    mask = found.mask[:, 0].cpu().numpy()
    return Maps(mask, mask > 0.5)


def _stands(f: BlackBox, fills: Tensor, sign: Tensor) -> Tensor:
    """[N] share of the samples fills [N, K, C, S, S] in which the explained answer stands."""
    same = says(f, fills.flatten(0, 1)).view(fills.shape[:2]) == (sign > 0)[:, None]
    return same.float().mean(1)


def random_regions(areas: np.ndarray, size: int, grid: int, seed: int) -> np.ndarray:
    """[N, size, size] bool: random blobs as coarse as a mask of `grid` cells, each of the area asked for."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(areas), 1, grid, grid, generator=generator)
    smooth = F.interpolate(noise, (size, size), mode="bicubic", align_corners=False).flatten(1).numpy()
    ranks = np.argsort(np.argsort(-smooth, axis=1), axis=1)
    return (ranks < np.rint(areas * size * size)[:, None]).reshape(-1, size, size)


def cell_measures(
    f: BlackBox, infill: Infill, reference: Infill, x: Tensor, sign: Tensor, found: Maps, kind: str, seed: int = 0
) -> dict[str, np.ndarray]:
    """Name -> [N] for one method with one infill. reference: the infill of the deletion and insertion curves, the
    same for all, because a method scored with its own infill would be marking its own work.
    """
    maps, regions = (torch.from_numpy(a)[:, None].to(x.device) for a in (found.maps, found.regions))
    areas = found.regions.mean((1, 2))
    chance = torch.from_numpy(random_regions(areas, x.shape[-1], x.shape[-1] // 4, seed))[:, None].to(x.device)

    def does(region: Tensor) -> np.ndarray:
        fills, _ = measure(f, infill, x, hidden_of(region, kind), 4, seed)
        same = _stands(f, fills, sign) >= 0.5
        return (same if kind == SUFFICIENT else ~same).double().cpu().numpy()

    curves = run_curves(f, reference, x, sign, maps, seed=seed, shares=SHARES)
    return {
        "saliency_metric": saliency_metric(f, x, sign, maps),
        "succeeds": does(regions),
        "random_succeeds": does(chance),
        "area": areas,
        "deletion": curves.deletion_area,
        "insertion": curves.insertion_area,
        "area_at_flip": curves.flip,
    }


def in_region(found: Maps, anatomy: np.ndarray) -> dict[str, np.ndarray]:
    """Share of the method's region inside an anatomical one, beside that one's share of the picture: [N] each; NaN
    where the method's region is empty.
    """
    inside = (found.regions & anatomy).sum((1, 2)).astype(np.float64)
    size = found.regions.sum((1, 2))
    share = np.divide(inside, size, out=np.full(len(inside), np.nan), where=size > 0)
    return {"inside": share, "region_area": anatomy.mean((1, 2))}


def agreement(maps: list[np.ndarray]) -> np.ndarray:
    """[N] mean Spearman correlation over all pairs of map sets, each [N, S, S]. A flat map agrees with nothing: 0."""
    ranks = []
    for one in maps:
        r = np.stack([rankdata(m) for m in one.reshape(len(one), -1)])
        r = r - r.mean(1, keepdims=True)
        norm = np.linalg.norm(r, axis=1, keepdims=True)
        ranks.append(np.divide(r, norm, out=np.zeros_like(r), where=norm > 0))
    return np.mean([(a * b).sum(1) for a, b in combinations(ranks, 2)], axis=0)


def masks_report(
    f: BlackBox,
    infills: dict[str, Infill],
    images: np.ndarray,
    *,
    cache: Path,
    key: str,
    rows: tuple[str, ...] = ROWS,
    speed: str = "quick",
    anatomy: tuple[str, np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measures with intervals for every method and infill.

    images: [N, C, S, S] uint8, held out; the answer f gives is the one explained. anatomy: (name, pictures
    [M, C, S, S] uint8, regions [M, S, S] bool), where regions are known. cache, key: finished maps are kept there, so
    that an interrupted run goes on; key names the study, the target and the weights.
    """
    x = to_unit(images, device)
    sign = sign_of(f, x, "predicted")
    reference = infills.get("ca") or infills.get("local") or next(iter(infills.values()))
    known = None
    if anatomy is not None:
        other = to_unit(anatomy[1], device)
        known = (other, sign_of(f, other, "predicted"))
    few = x[:CHECKED], sign[:CHECKED]
    extra = 2 if speed != "paper" else 1
    total, done = len(rows) * len(infills) * (len(x) + (0 if known is None else len(known[0]))), 0
    total += (len(rows) + extra - 1) * len(few[0])

    def find(pictures: Tensor, signs: Tensor, row: str, name: str, pace: str = speed, draw: int = seed) -> Maps:
        nonlocal done
        parts = []
        for chosen in torch.arange(len(pictures)).split(BATCH if x.device.type == "cpu" else GPU_BATCH):
            digest = hashlib.sha256(pictures[chosen].cpu().numpy().tobytes())
            digest.update(json.dumps([key, row, name, pace, draw, _settings(row, pace)]).encode())
            file = cache / f"mask-{digest.hexdigest()[:24]}.npz"
            if file.is_file():
                with np.load(file) as saved:
                    part = Maps(saved["maps"], saved["regions"])
            else:
                part = find_maps(f, infills[name], pictures[chosen], signs[chosen], row, pace, draw)
                cache.mkdir(parents=True, exist_ok=True)
                whole = file.with_suffix(".part.npz")  # a run may be stopped while it writes
                np.savez_compressed(whole, maps=part.maps.astype(np.float16), regions=part.regions)
                whole.replace(file)
                part = replace(part, maps=part.maps.astype(np.float16))
            parts.append(replace(part, maps=part.maps.astype(np.float32)))
            done += len(chosen)
            if progress is not None:
                progress(min(done, total), total)
        return Maps(np.concatenate([p.maps for p in parts]), np.concatenate([p.regions for p in parts]))

    cells: dict[str, Any] = {}
    agreeing: dict[str, Any] = {}
    again: dict[str, Any] = {}
    against: dict[str, Any] = {}
    start = time.perf_counter()
    for row in rows:
        found = {name: find(x, sign, row, name) for name in infills}
        cells[row] = {}
        for name, maps in found.items():
            values = cell_measures(f, infills[name], reference, x, sign, maps, KINDS[row], seed)
            flips = values.pop("area_at_flip")
            flipped = ~np.isnan(flips)
            cell = {measured: _mean(v, seed) for measured, v in values.items()}
            cell["flips"] = _mean(flipped.astype(float), seed)
            if flipped.any():
                cell["area_at_flip"] = _mean(flips[flipped], seed) | {"n": int(flipped.sum())}
            if known is not None and anatomy is not None:
                inside = in_region(find(*known, row, name), anatomy[2])
                has = ~np.isnan(inside["inside"])
                if has.any():
                    cell["inside"] = _mean(inside["inside"][has], seed) | {"n": int(has.sum())}
            cells[row][name] = cell
        if len(found) > 1:
            agreeing[row] = _mean(agreement([m.maps for m in found.values()]), seed)
        first = found[reference.name].maps[: len(few[0])]
        again[row] = _mean(agreement([first, find(*few, row, reference.name, draw=seed + 1).maps]), seed)
        if speed != "paper" and row == rows[0]:
            against[row] = _mean(agreement([first, find(*few, row, reference.name, "paper").maps]), seed)
    report = {
        "n": len(x), "preset": speed, "answers_present": int((sign > 0).sum()), "reference_infill": reference.name,
        "cells": cells, "agreement": agreeing, "repeatability": again | {"n": len(few[0])},
        "against_paper": against | {"n": len(few[0])}, "settings": {row: _settings(row, speed) for row in rows},
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    if known is not None and anatomy is not None:
        about = {"name": anatomy[0], "n": len(anatomy[2]), "area": round(float(anatomy[2].mean()), 4)}
        report["anatomy"] = about
    return report


def _settings(row: str, speed: str) -> dict[str, Any]:
    method = row.split("-")[0]
    config: Any = {"fido": fido.FidoConfig, "bbmp": bbmp.BbmpConfig, "extremal": extremal.ExtremalConfig}[method]
    settings = asdict(config(**preset(speed, method)))
    settings = {k: v for k, v in settings.items() if k not in ("infill", "kind", "seed", "answer")}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}


def _mean(values: np.ndarray, seed: int) -> dict[str, float | None]:
    return bootstrap(lambda v: float(v.mean()), values, seed=seed).to_dict()
