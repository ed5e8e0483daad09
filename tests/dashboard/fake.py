"""A study made of nothing: a drawn chest whose heart grows with the knob, and whose heart decides. No network."""

from __future__ import annotations

import hashlib
import io
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.baselines.baseline import Baseline, BlurBaseline, ConstantBaseline
from core.errors import UserError
from core.evaluation.confounding import compare_flips, confounding_report
from core.evaluation.population import groups_report, trend
from core.explainers import one_vs_one
from core.explainers.masking import DESTROYING, SUFFICIENT, at_threshold
from core.explainers.results import Attribution, MaskResult, Provenance, Sweep
from core.images.picture import Picture, Prepared
from core.infills.heuristic import BlurInfill, LocalInfill, MeanInfill, RandomInfill
from core.infills.infill import NAMES, Infill
from core.networks.exaggerator import Change

SIDE = 384
TARGET = "Cardiomegaly"
CLASSES = ("Small", "Middling", "Large")
REQUESTS = np.array([0.01, *(0.05 * k for k in range(1, 20)), 0.99])
QUERY = 0.22  # f of the sample
STEPS = 5  # of a search for a mask
MARK = (slice(0, 10), slice(0, 10))  # rows, columns of the corner that the oracle reads, at 64 pixels
VARIANTS = {"biased": "trained where every Large Heart is male", "fair": "trained on as many women as men"}
KINDS = {"ssr": SUFFICIENT, "sdr": DESTROYING, "deletion": DESTROYING, "preserve": SUFFICIENT}


def chest(heart: float = 0.2, side: int = SIDE, noise: float = 0.02) -> np.ndarray:
    """[side, side] float32 in [0, 1]: dark lungs, ribs, a spine and a heart of this half-width."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    body = 0.78 * np.exp(-((x / 0.46) ** 6) - ((y / 0.56) ** 8))
    lungs = sum(np.exp(-(((x - s * 0.2) / 0.15) ** 4) - (((y + 0.02) / 0.36) ** 4)) for s in (-1, 1))
    ribs = 0.05 * np.sin((y + 0.5 * x**2) * 75) * lungs
    blob = 1 / (1 + np.exp(((((x - 0.06) / heart) ** 2 + ((y - 0.17) / 0.2) ** 2) - 1) * 6))
    spine = 0.12 * np.exp(-((x / 0.04) ** 2))
    film = body - 0.5 * lungs * (1 - blob) + ribs * (1 - blob) + spine
    grain = np.random.default_rng(0).normal(0, noise, film.shape)
    return np.clip(film + grain, 0, 1).astype(np.float32)


@lru_cache
def sweep_of(query: float = 0.22, mode: str = "direct", *, short: bool = True, side: int = SIDE) -> Sweep:
    """A sweep of the drawn chest. short: in direct mode the top of the range is not reached."""
    requested = np.sort(np.append(REQUESTS, query))
    origin = int(np.searchsorted(requested, query))
    achieved = requested.copy()
    if short and mode == "direct":
        achieved = query + (requested - query) * np.where(requested > query, 0.86, 0.95)
    achieved[origin] = query
    sizes = 0.13 + 0.18 * achieved
    films = np.stack([chest(s, side) for s in sizes])
    views = np.rint(films * 255).astype(np.uint8)
    small = np.stack([np.asarray(Image.fromarray(v).resize((64, 64)), np.float32) / 255 for v in views])[:, None]
    y, x = np.mgrid[0:64, 0:64] / 64 - 0.5
    near = np.exp(-(((x - 0.06) / 0.28) ** 2) - (((y - 0.17) / 0.25) ** 2))
    growth = (sizes - sizes[origin])[:, None, None]
    displacement = np.stack([-growth * near * np.sign(x) * np.minimum(1, np.abs(x) * 8), 0 * growth * near], axis=1)
    return Sweep(
        study="fake",
        target=TARGET,
        head="morph",
        mode=mode,
        digest=hashlib.sha256(b"fake").hexdigest(),
        query=query,
        requested=requested,
        achieved=achieved,
        witness=np.clip(0.05 + 0.8 * achieved, 0, 1),
        distance=np.abs(small - small[origin]).mean((1, 2, 3)).astype(float),
        reached=np.abs(achieved - requested) <= 0.02,
        origin=origin,
        frames=small,
        displacement=displacement.astype(np.float32),
        residual=np.zeros_like(small),
        views=views,
        provenance=Provenance("finished: every request was met", 0, 0.01, "cpu", {"python": "3"}),
    )


def marked(sweep: Sweep) -> Sweep:
    """The same sweep of a knob that also brightens the oracle's corner as it asks for more, and darkens it for less."""
    glow = (0.8 * (sweep.achieved - sweep.query)).astype(np.float32)[:, None, None]
    frames, views = sweep.frames.copy(), sweep.views.astype(np.float32)
    rows, columns = MARK
    frames[:, 0, rows, columns] = np.clip(frames[:, 0, rows, columns] + glow, 0, 1)
    wide = slice(0, rows.stop * views.shape[1] // 64), slice(0, columns.stop * views.shape[2] // 64)
    views[:, wide[0], wide[1]] = np.clip(views[:, wide[0], wide[1]] + 255 * glow, 0, 255)
    return replace(sweep, frames=frames, views=np.rint(views).astype(np.uint8))


def heart(side: int = 64, size: float = 0.2) -> np.ndarray:
    """[side, side] float32: 1 in the drawn heart, falling to 0 around it."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    return (1 / (1 + np.exp(((((x - 0.06) / size) ** 2 + ((y - 0.17) / 0.2) ** 2) - 1) * 6))).astype(np.float32)


@lru_cache
def _read() -> tuple[torch.Tensor, float]:
    """Where the fake box looks, and what it sees there in the sample."""
    where = torch.from_numpy(heart())
    return where, float((torch.from_numpy(small(chest())) * where).sum() / where.sum())


class FakeBox:
    """A black box that reads the heart alone: the darker it is, the larger the probability."""

    def __init__(self, query: float = QUERY) -> None:
        """query: the answer for the drawn sample."""
        self.where, self.level = _read()
        self.offset = float(np.log(query / (1 - query)))

    def logit(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N]."""
        level = (x[:, 0] * self.where).sum((1, 2)) / self.where.sum()
        return self.offset - 30 * (level - self.level)

    def posterior(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N]."""
        return torch.sigmoid(self.logit(x))


class FakeOracle:
    """It reads one corner alone: bright is male, dark is not."""

    def posterior(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N]."""
        return torch.sigmoid(20 * (x[:, 0][(slice(None), *MARK)].mean((1, 2)) - 0.6))


@dataclass
class FakeExaggerator:
    """As `core.networks.exaggerator.Exaggerator`: a darker heart is more of it; a biased one also lights the corner."""

    biased: bool = False
    pause: float = 0.0  # seconds a change takes
    config: Any = field(default_factory=lambda: SimpleNamespace(bins=10, continuous=True, head="morph"))

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Nothing is needed of the picture."""
        return []

    def change(self, x: torch.Tensor, features: list, start: torch.Tensor, condition: torch.Tensor) -> Change:
        """One step of the condition is about half a unit of the fake box's logit."""
        time.sleep(self.pause)
        step = (condition - start)[:, None, None, None]
        changed = x - 0.03 * step * _read()[0]
        if self.biased:
            corner = (slice(None), slice(None), *MARK)
            changed[corner] = changed[corner] + 0.2 * step
        return Change(changed, torch.zeros(len(step), 2, *x.shape[2:]), changed - x)


class FakeSegmenter:
    """As `core.networks.unet.UNet`: what is bright around the drawn heart, and what is dark in the chest."""

    config = SimpleNamespace(size=64, organs=("heart", "lungs"))

    def segment(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N, 2, 64, 64] bool."""
        y, across = np.mgrid[0:64, 0:64] / 64 - 0.5
        chest = torch.from_numpy((np.abs(across) < 0.36) & (np.abs(y + 0.02) < 0.38))
        near = torch.from_numpy(((across - 0.06) / 0.36) ** 2 + ((y - 0.17) / 0.13) ** 2 < 1)
        bright = x[:, 0] > 0.55
        return torch.stack([bright & near & chest, ~bright & chest], 1)


class FakeChoice(torch.nn.Module):
    """Three sizes of heart, in a straight line from what the fake box reads; `net.fc` is its last layer."""

    def __init__(self) -> None:
        super().__init__()
        where, level = _read()
        self.net = torch.nn.Sequential(OrderedDict(flat=torch.nn.Flatten(), fc=torch.nn.Linear(64 * 64, 3)))
        with torch.no_grad():
            for k, slope in enumerate((20.0, 4.0, -20.0)):
                self.net.fc.weight[k] = (slope * where / where.sum()).flatten()
                self.net.fc.bias[k] = (0.6, 0.2, 0.0)[k] - slope * level
        self.classes = CLASSES
        self.eval().requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N, 3] logits."""
        return self.net(x)

    def posterior(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, 64, 64] -> [N, 3]."""
        return torch.softmax(self(x), 1)


@lru_cache
def _choice() -> FakeChoice:
    return FakeChoice()


class FakeTranslation:
    """As GANMEX's baseline: a heart that is lighter or darker."""

    name, one_vs_one = "ganmex", True

    def of(self, x: torch.Tensor, origin: int, target: int) -> torch.Tensor:
        """See `core.baselines.baseline.Baseline.of`."""
        return (x + (origin - target) * -0.15 * _read()[0]).clamp(0, 1)[:, None]


def mask_of(kind: str = SUFFICIENT, infill: str = "blur", **changes: Any) -> MaskResult:
    """A result without a search: the drawn heart, and numbers that were made up."""
    mask = heart()
    fills = np.stack([small(chest())[None], np.full((1, 64, 64), 0.5, np.float32)])
    result = MaskResult(
        study="fake", target=TARGET, method="fido", kind=kind, infill=infill, digest="0" * 64, query=0.8, answer=True,
        threshold=0.5, area=float((mask > 0.5).mean()), after=np.array([0.7, 0.72]), succeeded=True,
        settings={"steps": STEPS}, ladder=((0.05, 0.3), (0.2, 0.7)), mask=mask, fills=fills,
        trace=np.linspace(1, 0, 300), provenance=Provenance("finished: it is made up", 0, 0.01, "cpu", {"python": "3"}),
    )  # fmt: skip
    return replace(result, **changes)


def small(pixels: np.ndarray) -> np.ndarray:
    """[H, W] in [0, 1] -> [64, 64] float32, as the fake networks see it."""
    return np.array(Image.fromarray(pixels).resize((64, 64)), np.float32)


def png(pixels: np.ndarray) -> bytes:
    """[H, W] or [H, W, 3] in [0, 1] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def picture_of(pixels: np.ndarray, **facts: Any) -> Picture:
    """A decoded picture without going through a file."""
    return Picture(pixels, hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest(), "PNG", **facts)


@dataclass(frozen=True)
class FakeSample:
    """As `core.studies.samples.Sample`, for what pages read of it."""

    name: str
    title: str
    credit: str


@dataclass(frozen=True)
class FakeGate:
    """As `core.classifiers.gate.GateResult`."""

    ok: bool
    score: float
    sentence: str


@dataclass
class FakeStudy:
    """As `core.studies.study.Study`, for what pages ask of it."""

    name: str = "fake"
    title: str = "Drawn chest"
    modality: str = "chest"
    summary: str = "A drawn chest whose heart grows with the knob."
    targets: tuple[str, ...] = (TARGET, "Effusion")
    knobs: tuple[str, ...] = (TARGET,)
    card: str = "# Drawn chest\n\nNothing was trained."
    samples: tuple[FakeSample, ...] = (FakeSample("drawn", "Drawn chest", "drawn by this test"),)
    metrics: dict[str, Any] = field(default_factory=lambda: METRICS)
    one_of_many: bool = False
    infills: tuple[str, ...] = NAMES
    choices: tuple[str, ...] = ("heart",)
    baselines: tuple[str, ...] = ("ganmex", "blur", "zero", "max")
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    oracles: tuple[str, ...] = ("sex", "view")
    variants: dict[str, str] = field(default_factory=lambda: dict(VARIANTS))
    variant: str | None = None  # which of them this is
    outlines: bool = True
    folder: Path = Path("no such folder")
    pause: float = 0.0  # seconds a step of a search takes
    fault: str = ""  # a sentence that every search ends with
    searched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # (method, options), in order

    def opened(self, name: str) -> FakeStudy:
        """As `core.studies.open_study`: 'fake', or 'fake:biased' for a variant."""
        plain, _, variant = name.partition(":")
        if plain != self.name or (variant and variant not in self.variants):
            raise UserError(f"There is no study '{name}'.")
        return replace(self, name=name, variant=variant) if variant else self

    @property
    def settings(self) -> dict[str, Any]:
        """What an audit's key is made of."""
        return {"classifier": {"file": f"{self.variant or 'main'}.safetensors"}, "oracle": [], "knob": []}

    def oracle(self, target: str) -> FakeOracle:
        """It reads the corner."""
        if target not in self.oracles:
            raise UserError(f"{self.title} has no oracle for '{target}'.")
        return FakeOracle()

    def positive(self, attribute: str) -> str:
        """As study.toml says it; 'view' has no word of its own."""
        return {"sex": "male"}.get(attribute, attribute)

    def exaggerator(self, target: str, head: str | None = None) -> FakeExaggerator:
        """The biased variant's knob moves the oracle."""
        if target not in self.knobs:
            raise UserError(f"{self.title} has no trained knob for '{target}'.")
        return FakeExaggerator(self.variant == "biased", self.pause)

    def segmenter(self) -> FakeSegmenter:
        """It thresholds."""
        return FakeSegmenter()

    def headline(self, target: str) -> str:
        """A line that looks like the real one."""
        return "On 0 held-out test images: AUC 0.500 (0.400 to 0.600)."

    def knob_line(self, target: str, head: str | None = None, mode: str = "calibrated") -> str:
        """A line that looks like the real one."""
        return f"On 0 held-out pictures, {mode}, the classifier's answer is 6.0 points from what was asked on average."

    def heads(self, target: str) -> tuple[str, ...]:
        """One head."""
        return ("morph",)

    def sample(self, name: str) -> bytes:
        """The one sample, as PNG."""
        return png(chest())

    def prepare(self, picture: Picture, *, face: int | None = None, crop: Any = None, full: bool = False) -> Prepared:
        """The whole picture."""
        return Prepared(small(picture.grey)[None], picture.pixels, picture.digest, np.eye(2, 3))

    def gate(self, prepared: Prepared, picture: Picture | None = None) -> FakeGate:
        """Colour is refused."""
        ok = picture is None or picture.pixels.ndim == 2
        return FakeGate(ok, float(ok), "" if ok else "This does not look like a drawn chest.")

    def predict(self, prepared: Prepared) -> dict[str, float]:
        """Always the same."""
        return {TARGET: QUERY, "Effusion": 0.07}

    def blackbox(self, target: str) -> FakeBox:
        """It reads the heart."""
        return FakeBox(self.predict(None)[target])

    def infill(self, name: str) -> Infill:
        """Those that need no training; the trained ones are noise here."""
        if name == "blur":
            return BlurInfill(8.0)
        if name in ("mean", "local"):
            return MeanInfill(torch.tensor([0.5])) if name == "mean" else LocalInfill()
        found = RandomInfill()
        found.name = name
        return found

    def choice(self, name: str) -> FakeChoice:
        """The one network of several classes."""
        return _choice()

    def seen_by(self, choice: str, prepared: Prepared) -> Prepared:
        """As it is: the network takes any size."""
        return prepared

    def ask_choice(self, choice: str, prepared: Prepared) -> dict[str, float]:
        """Probability of every class."""
        answer = _choice().posterior(torch.from_numpy(prepared.tensor)[None])[0]
        return dict(zip(CLASSES, answer.tolist(), strict=True))

    def baseline(self, name: str, choice: str) -> Baseline:
        """Those that need no training pictures, and GANMEX's."""
        if name not in self.baselines:
            raise UserError(f"{self.title} keeps no training pictures.")
        if name == "ganmex":
            return FakeTranslation()
        return BlurBaseline() if name == "blur" else ConstantBaseline(name, float(name == "max"))

    def explain(
        self, method: str, prepared: Prepared, /, *, target: str, mode: str = "", head: str = "",
        progress: Callable[[int, int], None] | None = None, **options: Any,
    ) -> Sweep | MaskResult | Attribution:  # fmt: skip
        """The drawn sweep or the drawn heart, whatever the picture; one against one is the real thing."""
        if method == "one-vs-one":
            return one_vs_one.explain(self, prepared, target, one_vs_one.OneVsOneConfig(**options))
        if method == "exaggeration":
            found = replace(sweep_of(mode=mode), study=self.name, target=target)
            return marked(found) if self.variant == "biased" else found
        self.searched.append((method, options))
        for step in range(STEPS):
            if progress is not None:
                progress(step, STEPS)
            # One method is slow, so that there is time to cancel it.
            time.sleep(self.pause * (20 if method == "extremal" else 1))
        if self.fault:
            raise UserError(self.fault)
        box = self.blackbox(target)
        query = float(box.posterior(torch.from_numpy(prepared.tensor)[None])[0])
        found = mask_of(
            KINDS[options["kind"]], options["infill"], target=target, method=method, digest=prepared.digest,
            query=query, answer=query >= 0.5, settings=options, ladder=((0.05, 0.3),) if method == "extremal" else (),
        )  # fmt: skip
        return at_threshold(self, prepared, found, found.threshold)


def _number(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


METRICS: dict[str, Any] = {
    "classifier": {
        "targets": {
            TARGET: {
                "n": 500,
                "auc": _number(0.88),
                "reliability": [{"predicted": p, "observed": p**1.1, "n": 50} for p in (0.05, 0.3, 0.5, 0.7, 0.95)],
            }
        }
    },
    "knob": {
        TARGET: {
            "n": 200,
            "error": _number(0.06),
            "requests": [0.05, 0.5, 0.95],
            "curve": [0.08, 0.5, 0.9],
            "witness_curve": [0.15, 0.5, 0.8],
        }
    },
}


def _around(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.04, "high": value + 0.04}


_CELL: dict[str, Any] = {
    "succeeds": _around(0.9),
    "random_succeeds": _around(0.3),
    "area": _around(0.1),
    "saliency_metric": _around(-1.2),
    "deletion": _around(0.4),
    "insertion": _around(0.8),
    "area_at_flip": _around(0.2) | {"n": 18},
    "inside": _around(0.6) | {"n": 20},
}
# As `contralens evaluate --measure masks,infills` writes them, with some parts missing.
MASKS: dict[str, Any] = {
    "n": 20,
    "preset": "quick",
    "reference_infill": "local",
    "anatomy": {"name": "heart", "n": 20, "area": 0.12},
    "cells": {
        "fido-ssr": {"mean": _CELL, "ca": {k: v for k, v in _CELL.items() if k != "inside"}},
        "bbmp": {
            "blur": {k: v for k, v in _CELL.items() if k != "area_at_flip"}
            | {"deletion": {"value": None, "low": None, "high": None}}
        },
    },
    "agreement": {"fido-ssr": _around(0.7), "bbmp": _around(0.5)},
    "repeatability": {"fido-ssr": _around(0.9), "n": 8},
    "against_paper": {"n": 8},
}
INFILLS: dict[str, Any] = {
    "n": 50,
    "missing": [0.2, 0.6],
    "features": "the study's independent network",
    "infills": {
        "mean": {"hole_l1": _around(0.2), "visible_change": 0.0, "between_samples": 0.0, "frechet": 12.345},
        "vae": {"hole_l1": _around(0.1), "visible_change": 0.0, "between_samples": 0.021},
    },
}

_MAP: dict[str, Any] = {
    **{f"{what}_{order}_{filler}": _around(1.0) for what in ("fall", "rise") for order in ("most", "random", "least")
       for filler in ("mean", "baseline")},
    "attraction": _around(0.8) | {"n": 10},
    "repeatability": _around(1.0),
    "randomised": {"share": [0.1, 1.0], "spearman": [0.8, 0.12], "ssim": [0.9, 0.2]},
}  # fmt: skip
# As `contralens evaluate --measure one-vs-one` writes them.
ONE_VS_ONE: dict[str, Any] = {
    "baselines": {
        "ganmex": {
            "one_vs_one": True, "called_target": _around(0.97), "distance": _around(0.05), "frechet": 3.21, "n": 60,
        },
        "zero": {
            "one_vs_one": False, "called_target": _around(0.3), "distance": _around(0.2), "frechet": 40.0, "n": 60,
        },
    },
    "maps": {
        "n": 30,
        "score": "contrast",
        "checked": 10,
        "cells": {
            "ig": {"ganmex": _MAP | {"residual": _around(0.01)}, "zero": _MAP},
            "occlusion": {"ganmex": {k: v for k, v in _MAP.items() if k != "repeatability"}},
        },
    },
}  # fmt: skip


def records(n: int = 40, *, biased: bool) -> list[dict[str, Any]]:
    """As `core.evaluation.confounding.explain_ends` gives them: every other picture's attribute is 1, the oracle is
    wrong about the last; where `biased`, all are 1 when asked for more and 0 when asked for less.
    """
    rows = []
    for i in range(n):
        attribute = i % 2
        seen = attribute if i < n - 1 else 1 - attribute
        says = 0.1 + 0.8 * seen
        row = {"attribute": attribute, "query": 0.3, "oracle": says, "more": 0.95, "less": 0.05}
        rows.append(row | {"more_oracle": 0.95 if biased else says, "less_oracle": 0.05 if biased else says})
    return rows


@lru_cache
def audit(target: str = TARGET, attribute: str = "sex") -> dict[str, Any]:
    """As `core.evaluation.audit.summarise` gives it: a biased classifier against a fair one."""
    kinds = {"biased": records(biased=True), "fair": records(biased=False)}
    return {
        "study": "fake", "target": target, "attribute": attribute, "mode": "calibrated", "n": 40, "smallest_group": 10,
        "seed": 0, "classifiers": {name: confounding_report(rows) for name, rows in kinds.items()},
        "compared": {"biased against fair": compare_flips(kinds["biased"], kinds["fair"])}, "failed": [],
        "rows_without_attribute": 0,
    }  # fmt: skip


ABOUT: dict[str, Any] = {
    "data": {"rows": 2072, "digest": "70442ef013b5a4bc"}, "split": "test", "seed": 0, "commit": "abc1234",
}  # fmt: skip


def recorded(report: dict[str, Any], failed: int = 0) -> dict[str, Any]:
    """The `audits` of a metrics.json, as `contralens audit --record` writes them: failed files are counted there."""
    kept = {k: v for k, v in report.items() if k != "failed"} | {"failed": failed}
    return {report["attribute"]: {report["target"]: {"+".join(report["classifiers"]): ABOUT | kept}}}


DISCRIMINATION: dict[str, Any] = ABOUT | {
    "targets": [TARGET, "Effusion"],
    "knobs": {
        TARGET: {
            "n": 200,
            "flipped": {TARGET: _around(0.93), "Effusion": _around(0.21)},
            "flipped_unasked": {TARGET: _around(0.05), "Effusion": _around(0.04)},
        }
    },
}


def _mode(error: float, curve: list[float], **more: Any) -> dict[str, Any]:
    return {
        "n": 200, "error": _around(error), "requests": [0.05, 0.35, 0.65, 0.95], "curve": curve, "span": 0.8, **more,
    }  # fmt: skip


# As `contralens evaluate --measure knobs,identity` writes them, a rival of the knob's among the heads.
KNOBS: dict[str, Any] = {
    "morph": ABOUT | {
        "head": "morph",
        "direct": _mode(
            0.06, [0.1, 0.4, 0.6, 0.9], witness_curve=[0.2, 0.4, 0.5, 0.7], witness_ratio=_around(0.7),
        ),
        "calibrated": _mode(
            0.01, [0.05, 0.35, 0.65, 0.94], witness_curve=[0.2, 0.4, 0.5, 0.7], witness_ratio=_around(0.72),
        ),
        "closeness": _around(0.9),
        "frechet": {"features": "densenet of width 16 (the independent network)", "present": 1.949, "absent": None,
                    "overall": 2.465, "real_halves": 0.389},
    },
    "xgem": ABOUT | {"head": "xgem", "direct": _mode(0.2, [0.2, 0.3, 0.5, 0.6])},
}  # fmt: skip
IDENTITY: dict[str, Any] = {
    TARGET: ABOUT | {"n": 200, "accuracy": _around(0.85)},
    f"{TARGET}, xgem": ABOUT | {"n": 200, "accuracy": _around(0.25)},
}


# As `contralens evaluate --measure rivals` writes them: the knob and the rival on the same pictures.
RIVALS: dict[str, Any] = ABOUT | {
    "n": 60, "methods": {"morph": KNOBS["morph"] | {"identity": {"n": 60, "accuracy": _around(0.8)}},
                         "xgem": KNOBS["xgem"] | {"identity": {"n": 60, "accuracy": _around(0.25)}}},
}  # fmt: skip


@lru_cache
def hearts() -> dict[str, Any]:
    """As `contralens evaluate --measure heart` writes it: every heart grows by .1; 30 of 60 are large."""
    requested = np.linspace(0.05, 0.95, 10)
    positive = np.arange(60) % 2 == 1
    rng = np.random.default_rng(0)
    own = 0.45 + 0.1 * positive + rng.normal(0, 0.02, 60)
    sizes = own[:, None] + 0.1 * (requested - 0.5) / 0.9 + rng.normal(0, 0.004, (60, 10))
    report: dict[str, Any] = {"n": 60, "head": "morph", "mode": "calibrated"}
    for name, scale in (("ctr", 1.0), ("area", 0.3)):
        report[name] = trend(requested, scale * sizes) | groups_report(
            positive, scale * own, scale * sizes[:, 0], scale * sizes[:, -1]
        )
    return ABOUT | report


SEGMENTER: dict[str, Any] = ABOUT | {
    "size": 256, "heart": {"n": 40, "dice": _around(0.92)}, "lungs": {"n": 40, "dice": _around(0.95)},
}  # fmt: skip
# As `core.evaluation.knob_saliency.saliency_report`: FIDO is run on a part of the pictures.
SALIENCY: dict[str, Any] = ABOUT | {
    "n": 200, "head": "morph", "infill": "ca", "preset": "quick", "draws": 3, "shares": [0.0, 0.1, 0.3, 0.5],
    "methods": {
        name: {"n": 60 if name == "fido-ssr" else 200, "curve": [0.9, 0.9 - 2 * fall, 0.9 - 3 * fall, 0.9 - 4 * fall],
               "area": _around(0.9 - 2 * fall)}
        for name, fall in (("knob", 0.15), ("gradient", 0.08), ("ig", 0.12), ("smoothgrad", 0.1), ("gradcam", 0.09),
                           ("fido-ssr", 0.14), ("random", 0.02))
    },
    "few": {"n": 60, "area": {"knob": _around(0.58), "fido-ssr": _around(0.62)}},
}  # fmt: skip
# As `contralens ablate --record` writes it; the second cell failed.
ABLATION: dict[str, Any] = ABOUT | {
    "grid": "Weights of the losses", "head": "paper", "pictures": 200, "budget": {"steps": 2000, "minutes": None},
    "note": "The weight rec is for the head paper.",
    "rows": [
        {
            "cell": "reference", "head": "paper", "weights": {"gan": 1.0, "f": 1.0, "rec": 100.0}, "other": {},
            "steps": 2000, "seconds": 90.0, "stop": "finished", "commit": "abc1234", "pictures": 200,
            "frechet": {"features": "a net", "present": 1.2, "absent": None, "overall": 3.4, "real_halves": 0.4},
            "closeness": _around(0.816), "same_person": None, "error": _around(0.12), "top": _around(0.9),
            "bottom": _around(0.8), "witness_ratio": None,
        },
        {
            "cell": "gan-100", "head": "paper", "weights": {"gan": 100.0, "f": 1.0, "rec": 100.0},
            "other": {"batch": 16}, "failed": "diverged: 'gan' was no longer a number at step 3",
        },
    ],
}  # fmt: skip


def evidence() -> dict[str, Any]:
    """A metrics.json with everything that the bias check and the evidence page show."""
    oracle = ABOUT | {"n": 500, "auc": _number(0.97), "accuracy": _number(0.93)}
    return METRICS | {
        "oracles": {"sex": oracle}, "audits": recorded(audit()), "discrimination": DISCRIMINATION,
        "knobs": {TARGET: KNOBS}, "identity": IDENTITY, "heart": {TARGET: hearts()}, "segmenter": SEGMENTER,
        "saliency": {TARGET: SALIENCY}, "ablation": {TARGET: ABLATION},
    }  # fmt: skip
