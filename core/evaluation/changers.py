"""Which changers a study has to be measured: its knobs, and on its autoencoder what the knob is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from core.explainers.changer import Changer, Knob
from core.explainers.latent_shift import LatentShift
from core.explainers.xgem import Xgem
from core.studies.study import Study


def knobs_of(study: Study, heads: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> Iterator[tuple[str, Changer]]:
    """(target, knob) for every checkpoint, or for those whose head is in `heads` and whose target in `targets`."""
    for entry in study.settings.get("knob", []):
        if (not heads or entry["head"] in heads) and (not targets or entry["target"] in targets):
            yield entry["target"], Knob(study.exaggerator(entry["target"], entry["head"]))


def rivals_of(study: Study) -> tuple[Changer, ...]:
    """xGEM and Latent Shift on the study's autoencoder; nothing for a study without one."""
    if "autoencoder" not in study.settings:
        return ()
    return Xgem(study.autoencoder()), LatentShift(study.autoencoder())
