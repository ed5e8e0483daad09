"""A study made of nothing: a drawn chest whose heart grows with the knob. No network, no weights."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from core.explainers.results import Provenance, Sweep
from core.images.picture import Picture, Prepared

SIDE = 384
TARGET = "Cardiomegaly"
REQUESTS = np.array([0.01, *(0.05 * k for k in range(1, 20)), 0.99])


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
        small = np.asarray(Image.fromarray(picture.grey).resize((64, 64)), np.float32)[None]
        return Prepared(small, picture.pixels, picture.digest, np.eye(2, 3))

    def gate(self, prepared: Prepared, picture: Picture | None = None) -> FakeGate:
        """Colour is refused."""
        ok = picture is None or picture.pixels.ndim == 2
        return FakeGate(ok, float(ok), "" if ok else "This does not look like a drawn chest.")

    def predict(self, prepared: Prepared) -> dict[str, float]:
        """Always the same."""
        return {TARGET: 0.22, "Effusion": 0.07}

    def explain(self, method: str, prepared: Prepared, *, target: str, mode: str, head: str) -> Sweep:
        """The drawn sweep, whatever the picture."""
        return sweep_of(mode=mode)


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
