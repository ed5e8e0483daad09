"""The knob beside xGEM and Latent Shift, on the same pictures: Tables 1 and 2 of Singla et al., ICLR 2020."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.evaluation.changers import knobs_of, rivals_of
from core.evaluation.cohort import Cohort
from core.evaluation.knob import knob_report
from core.evaluation.measures import Metrics, Write, identity_report

MOST = 100  # pictures: xGEM descends anew for every one of them


def measure_rivals(cohort: Cohort, metrics: Metrics, out: Path, write: Write) -> None:
    """Every target's first knob, xGEM and Latent Shift: Fréchet distances, closeness, compatibility, the witness, and
    for faces whether the person is the same. A Fréchet distance depends on how many pictures it is taken over, so
    all methods see the same ones; with `heads` given, the others keep what was measured on the very same pictures.
    """
    study, options = cohort.study, cohort.options
    pictures = min(options.pictures, MOST)
    for target in options.targets or study.knobs:
        chosen = cohort.choose(target, pictures)
        if not len(chosen):
            continue
        first = [knob for of, knob in knobs_of(study) if of == target][:1]
        about = cohort.about | {"n": len(chosen)}
        methods: dict[str, Any] = _kept(metrics, target, about) if options.heads else {}
        for changer in (*first, *rivals_of(study)):
            if options.heads and changer.head not in options.heads:
                continue
            name = f"{target} {changer.head}"
            found = knob_report(
                changer, study.blackbox(target), study.witness(target), study.features(), cohort.images[chosen],
                seed=options.seed, device=study.device, progress=cohort.progress(name),
            )  # fmt: skip
            if study.modality == "face":
                found["identity"] = identity_report(
                    cohort, changer, target, cohort.progress(f"identity {name}"), pictures=pictures
                )
            methods[changer.head] = found
            metrics.setdefault("rivals", {})[target] = about | {"methods": methods}
            write()


def _kept(metrics: Metrics, target: str, about: dict[str, Any]) -> dict[str, Any]:
    """What is known of methods on the same number of pictures of the same table, split and seed; else nothing."""
    old = metrics.get("rivals", {}).get(target, {})
    same = all(old.get(k) == about[k] for k in ("data", "split", "seed", "n"))
    return dict(old["methods"]) if same else {}
