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
    auc, n = found["auc"], found["n"]
    share = f", {found['positives'] / n:.0%} of them positive" if "positives" in found else ""
    parts = [f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"]
    parts += [f"{k} {found[k]['value']:.2f}" for k in ("sensitivity", "specificity") if k in found] or [
        f"accuracy {found['accuracy']['value']:.3f}"
    ]
    if "ece" in found:
        parts.append(f"calibration error {found['ece']['value']:.3f}")
    rarer = " Where fewer are positive, the probability is too high." if share else ""
    return f"On {n} held-out test images{share}: {', '.join(parts)}.{rarer}"


def exaggerator_line(metrics: dict[str, Any], target: str, head: str | None, mode: str = "calibrated") -> str:
    """One line of what was measured about a knob's head in a mode, or that nothing was.

    Where it was measured as trained only (`direct`), that is what is said.
    """
    found = metrics.get("knobs", {}).get(target, {}).get(head)
    if not found:
        return "The quality of this knob has not been measured."
    mode = mode if mode in found else "direct"
    part = found[mode]
    line = (
        f"On {part['n']} held-out pictures, {'as trained' if mode == 'direct' else mode}, the classifier's answer is "
        f"{100 * part['error']['value']:.1f} points from what was asked on average; "
        f"{part['top']['value']:.0%} of them pass 90% when asked for 95%, "
        f"{part['bottom']['value']:.0%} fall below 10% when asked for 5%"
    )
    if "witness_ratio" in part:
        line += f"; an independent network moves {part['witness_ratio']['value']:.0%} as far as the classifier"
    return line + "."
