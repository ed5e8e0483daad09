"""A study made of nothing: a drawn chest whose heart grows with the knob, and whose heart decides. No network."""

from __future__ import annotations

import hashlib
import io
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.baselines.baseline import Baseline, BlurBaseline, ConstantBaseline
from core.errors import UserError
from core.explainers import one_vs_one
from core.explainers.masking import DESTROYING, SUFFICIENT, at_threshold
from core.explainers.results import Attribution, MaskResult, Provenance, Sweep
from core.images.picture import Picture, Prepared
from core.infills.heuristic import BlurInfill, LocalInfill, MeanInfill, RandomInfill
from core.infills.infill import NAMES, Infill

SIDE = 384
TARGET = "Cardiomegaly"
CLASSES = ("Small", "Middling", "Large")
REQUESTS = np.array([0.01, *(0.05 * k for k in range(1, 20)), 0.99])
QUERY = 0.22  # f of the sample
STEPS = 5  # of a search for a mask
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
    pause: float = 0.0  # seconds a step of a search takes
    fault: str = ""  # a sentence that every search ends with
    searched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # (method, options), in order

    def headline(self, target: str) -> str:
        """A line that looks like the real one."""
        return "On 0 held-out test images: AUC 0.500 (0.400 to 0.600)."

    def knob_line(self, target: str) -> str:
        """A line that looks like the real one."""
        return "On 0 held-out pictures f misses the request by 0.060 on average."

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
            return sweep_of(mode=mode)
        self.searched.append((method, options))
        for step in range(STEPS):
            if progress is not None:
                progress(step, STEPS)
            time.sleep(self.pause)
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
