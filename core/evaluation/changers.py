"""Which changers a study has to be measured: its knobs, and on its autoencoder what the knob is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from core.explainers.changer import Changer, Knob
from core.explainers.latent_shift import LatentShift
from core.explainers.xgem import Xgem
from core.studies.study import Study

RIVALS = {Xgem.head: Xgem, LatentShift.head: LatentShift}


def knobs_of(study: Study, heads: tuple[str, ...] = ()) -> Iterator[tuple[str, Changer]]:
    """(target, knob) for every checkpoint, or for those whose head is in `heads`."""
    for entry in study.settings.get("knob", []):
        if not heads or entry["head"] in heads:
            yield entry["target"], Knob(study.exaggerator(entry["target"], entry["head"]))


def rivals_of(
    study: Study, heads: tuple[str, ...] = (), targets: tuple[str, ...] = ()
) -> Iterator[tuple[str, Changer]]:
    """(target, xGEM or Latent Shift) for `targets`, by default those that have a knob; with heads, only those named.

    Nothing for a study without an autoencoder, unless they are named: then UserError.
    """
    if "autoencoder" not in study.settings and not set(heads) & set(RIVALS):
        return
    for name, rival in RIVALS.items():
        if not heads or name in heads:
            for target in targets or study.knobs:
                yield target, rival(study.autoencoder())
