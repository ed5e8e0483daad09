"""Every explainer by name. Pages, the command line, the documentation and a test walk this list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from core.baselines.baseline import Baseline
from core.classifiers.blackbox import BlackBox
from core.classifiers.multiclass import MultiClass
from core.errors import UserError
from core.images.picture import Prepared
from core.infills.infill import Infill
from core.networks.autoencoder import Autoencoder
from core.networks.exaggerator import Exaggerator

Progress = Callable[[int, int], None]  # (done, of); may raise core.errors.Cancelled


class Subject(Protocol):
    """What an explainer may ask of a study."""

    name: str
    device: torch.device

    def blackbox(self, target: str) -> BlackBox:
        """The classifier's answer to one binary question."""
        ...

    def witness(self, target: str) -> BlackBox | None:
        """An independent network that answers the same question, or None."""
        ...

    def exaggerator(self, target: str, head: str | None = None) -> Exaggerator:
        """The trained network behind the knob; UserError when there is none."""
        ...

    def autoencoder(self) -> Autoencoder:
        """The trained manifold of pictures; UserError when there is none."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """Questions with several classes of which a picture has exactly one."""
        ...

    def choice(self, name: str) -> MultiClass:
        """The network of one choice; UserError when there is none."""
        ...

    def seen_by(self, choice: str, prepared: Prepared) -> Prepared:
        """A picture at the size of one choice's network."""
        ...

    def baseline(self, name: str, choice: str) -> Baseline:
        """What pictures are compared with; UserError when the study lacks it."""
        ...

    def infill(self, name: str) -> Infill:
        """One way to fill a hole; UserError when the study lacks it."""
        ...


@dataclass(frozen=True)
class Explainer:
    """One method: what it is for, where it is from, what a study must have for it, and what it costs."""

    name: str
    purpose: str
    paper: str
    needs: tuple[str, ...]
    cost: str
    config: type
    run: Callable[[Subject, Prepared, str, Any, Progress | None], Any]


_EXPLAINERS: dict[str, Explainer] = {}


def register(explainer: Explainer) -> Explainer:
    """Add a method to the list; names are unique."""
    if explainer.name in _EXPLAINERS:
        raise ValueError(f"explainer {explainer.name!r} is registered twice")
    _EXPLAINERS[explainer.name] = explainer
    return explainer


def explainers() -> tuple[Explainer, ...]:
    """All methods, in order of registration."""
    # Each registers itself.
    import core.explainers.bbmp
    import core.explainers.exaggeration
    import core.explainers.extremal
    import core.explainers.fido
    import core.explainers.latent_shift
    import core.explainers.one_vs_one
    import core.explainers.xgem  # noqa: F401

    return tuple(_EXPLAINERS.values())


def find_explainer(name: str) -> Explainer:
    """The method of that name. Raises UserError with the names there are."""
    found = {e.name: e for e in explainers()}
    if name not in found:
        raise UserError(f"There is no explainer '{name}'; there is: {', '.join(found)}.")
    return found[name]
