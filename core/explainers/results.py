"""What explainers return. Frozen, with everything needed to show, export and repeat the result."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch


def versions() -> dict[str, str]:
    """The versions a result depends on."""
    found = {"python": platform.python_version(), "torch": torch.__version__.split("+")[0]}
    try:
        found["contralens"] = version("contralens")
    except PackageNotFoundError:  # run from a checkout that was not installed
        found["contralens"] = "checkout"
    return found


@dataclass(frozen=True)
class Provenance:
    """How a result came about. `stop` is a sentence: finished, or why nothing was found."""

    stop: str
    seed: int
    seconds: float
    device: str
    versions: dict[str, str] = field(default_factory=versions)

    def to_dict(self) -> dict[str, Any]:
        """The last part of every result's JSON."""
        return {
            "stop": self.stop,
            "seed": self.seed,
            "seconds": round(self.seconds, 4),
            "device": self.device,
            "versions": self.versions,
            "notice": "Research and teaching software, not a medical device.",
        }


@dataclass(frozen=True)
class Sweep:
    """One picture as K frames from "less" to "more" of a finding: Progressive Exaggeration, xGEM or Latent Shift.

    requested, achieved, witness, distance: [K]. `witness` is the answer of an independent network that took no
    part in training (None when the study has none). `distance` is mean |x - x_delta| on [0, 1] at network size.
    Frame `origin` is what comes of asking for nothing (delta 0): the query itself, or, if not `exact`, the method's
    reconstruction of it.
    """

    study: str
    target: str
    head: str
    mode: str  # "direct" or "calibrated"
    digest: str  # of the picture
    query: float  # f(x)
    requested: np.ndarray  # [K] probabilities asked for, increasing
    achieved: np.ndarray  # [K] f(x_delta), measured
    witness: np.ndarray | None  # [K]
    distance: np.ndarray  # [K]
    reached: np.ndarray  # [K] bool: |achieved - requested| within the stated tolerance
    origin: int  # index of the frame that is the query
    frames: np.ndarray = field(repr=False)  # [K, C, S, S] float32 in [0, 1], network size, canonical tone
    displacement: np.ndarray = field(repr=False)  # [K, 2, S, S] (dx, dy) in fractions of the side; zeros if none
    residual: np.ndarray = field(repr=False)  # [K, C, S, S] added after the displacement, canonical tone
    views: np.ndarray = field(repr=False)  # [K, H, W] or [K, H, W, 3] uint8, full resolution, upload's tone
    provenance: Provenance
    method: str = "exaggeration"

    @property
    def exact(self) -> bool:
        """Whether asking for nothing gives back the picture itself, and not a reconstruction."""
        return float(self.distance[self.origin]) == 0.0

    @property
    def delta(self) -> np.ndarray:
        """[K] requested change of the posterior."""
        return self.requested - self.query

    def evenly(self, count: int) -> list[int]:
        """Indices of about `count` frames spread evenly over the requests, the query among them."""
        wanted = np.linspace(self.requested[0], self.requested[-1], count)
        return sorted({int(np.abs(self.requested - w).argmin()) for w in wanted} | {self.origin})

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON; no pixels."""
        rounded = {
            name: [round(float(v), 6) for v in getattr(self, name)]
            for name in ("requested", "delta", "achieved", "distance")
        }
        return {
            "method": self.method,
            "study": self.study,
            "target": self.target,
            "head": self.head,
            "mode": self.mode,
            "picture": self.digest[:16],
            "query": round(self.query, 6),
            **rounded,
            "witness": None if self.witness is None else [round(float(v), 6) for v in self.witness],
            "reached": [bool(v) for v in self.reached],
            "origin": self.origin,
            "exact": self.exact,
            **self.provenance.to_dict(),
        }


@dataclass(frozen=True)
class MaskResult:
    """Which region decides: what, hidden, destroys the answer, or what alone suffices for it.

    `mask` is the evidence in [0, 1]: 1 where a pixel belongs to the region. For kind 'destroying' the region is
    hidden and filled; for 'sufficient' everything else is. `fills` are samples of the infill at `threshold`, and
    `after` what f says of each of them. `blank` (kind 'sufficient') is f's mean answer with everything filled: an
    infill that already paints the answer makes any region suffice.
    """

    study: str
    target: str
    method: str  # "fido", "bbmp", "extremal"
    kind: str  # "destroying" or "sufficient"
    infill: str
    digest: str  # of the picture
    query: float  # f(x)
    answer: bool  # which answer was explained: True for the target, False for its absence
    threshold: float
    area: float  # share of the picture in the region at the threshold
    after: np.ndarray  # [K] f of each filled sample
    succeeded: bool  # in at least half of the samples the answer is gone (destroying), or is still there (sufficient)
    settings: dict[str, Any]
    ladder: tuple[tuple[float, float], ...]  # (area, mean f) of further masks tried; empty for most methods
    mask: np.ndarray = field(repr=False)  # [S, S] float32
    fills: np.ndarray = field(repr=False)  # [K, C, S, S] float32 in [0, 1]
    trace: np.ndarray = field(repr=False)  # [steps] objective
    provenance: Provenance
    blank: float | None = None

    @property
    def region(self) -> np.ndarray:
        """[S, S] bool: the mask at its threshold."""
        return self.mask > self.threshold

    @property
    def hidden(self) -> np.ndarray:
        """[S, S] bool: the pixels that were filled."""
        return self.region if self.kind == "destroying" else ~self.region

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON; no pixels."""
        return {
            "method": self.method,
            "kind": self.kind,
            "infill": self.infill,
            "study": self.study,
            "target": self.target,
            "picture": self.digest[:16],
            "query": round(self.query, 6),
            "answer": self.answer,
            "threshold": self.threshold,
            "area": round(self.area, 6),
            "after": [round(float(v), 6) for v in self.after],
            "blank": None if self.blank is None else round(self.blank, 6),
            "succeeded": self.succeeded,
            "settings": self.settings,
            "ladder": [[round(a, 4), round(p, 6)] for a, p in self.ladder],
            "objective": [round(float(self.trace[0]), 4), round(float(self.trace[-1]), 4)],
            **self.provenance.to_dict(),
        }


@dataclass(frozen=True)
class Attribution:
    """Why class `origin` and not class `target`: a signed map against a baseline.

    `map` is positive where a pixel, against the baseline, speaks for the origin (score 'own') or for it over the
    target ('contrast'), in logits. `change` is S(x) minus the baseline's S; `residual` is the map's sum minus that,
    which is 0 for methods that are complete. `steps` is what was asked for; None is the method's own number.
    """

    study: str
    choice: str
    classes: tuple[str, ...]
    method: str
    baseline: str
    score: str  # "contrast" or "own"
    digest: str
    origin: str
    target: str
    posterior: np.ndarray  # [K] of the picture
    baseline_posterior: np.ndarray  # [K] of the baseline, the mean where there are several
    change: float
    residual: float
    baselines: int
    map: np.ndarray = field(repr=False)  # [C, S, S] signed
    picture: np.ndarray = field(repr=False)  # [C, S, S] the baseline, the mean where there are several
    provenance: Provenance
    steps: int | None = None

    @property
    def flat(self) -> np.ndarray:
        """[S, S] the map summed over channels."""
        return self.map.sum(0)

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON; no pixels."""
        return {
            "method": self.method,
            "baseline": self.baseline,
            "baselines": self.baselines,
            "score": self.score,
            "steps": self.steps,
            "study": self.study,
            "choice": self.choice,
            "origin": self.origin,
            "target": self.target,
            "picture": self.digest[:16],
            "posterior": _by_class(self.classes, self.posterior),
            "baseline_posterior": _by_class(self.classes, self.baseline_posterior),
            "change": round(self.change, 6),
            "residual": round(self.residual, 6),
            **self.provenance.to_dict(),
        }


def _by_class(classes: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {name: round(float(v), 6) for name, v in zip(classes, values, strict=True)}
