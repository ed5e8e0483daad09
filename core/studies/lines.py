"""Lines for people out of what was measured, and names and numbers for people."""

from __future__ import annotations

from typing import Any


def label(target: str) -> str:
    """A target's name for people: 'No_Beard' -> 'no beard'."""
    return target.replace("_", " ").lower()


def counted(n: int, noun: str) -> str:
    """'1 picture', '2 pictures'."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def classifier_line(metrics: dict[str, Any], target: str) -> str:
    """One line of measured quality for a target, or that there is none. metrics: of metrics.json."""
    found = metrics.get("classifier", {}).get("targets", {}).get(target)
    if not found or not found["n"] or None in found["auc"].values():
        return f"The quality of this classifier for {label(target)} has not been measured."
    auc, accuracy = found["auc"], found["accuracy"]
    line = (
        f"On {found['n']} held-out test images: AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}), "
        f"accuracy {accuracy['value']:.3f}"
    )
    if "ece" in found:
        line += f", calibration error {found['ece']['value']:.3f}"
    return line + "."


def exaggerator_line(metrics: dict[str, Any], target: str, heads: tuple[str, ...]) -> str:
    """One line of what was measured about a knob's first head, or that nothing was."""
    found = metrics.get("knobs", {}).get(target, {}).get(heads[0]) if heads else None
    if not found:
        return "The quality of this knob has not been measured."
    direct = found.get("calibrated", found["direct"])
    line = (
        f"On {direct['n']} held-out pictures f misses the request by {direct['error']['value']:.3f} on average "
        f"({found['direct']['error']['value']:.3f} as trained), "
        f"reaches > .9 for {direct['top']['value']:.0%} and < .1 for {direct['bottom']['value']:.0%}"
    )
    if "witness_ratio" in direct:
        line += f"; an independent network follows with {direct['witness_ratio']['value']:.0%} of f's span"
    return line + "."
