"""What was measured for a study, as Markdown: no table of README.md or measured.md is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.evaluation import summary_ablation, summary_bias, summary_maps
from core.evaluation.tables import interval, plain, share, table


def summary(metrics: dict[str, Any], level: int = 2) -> str:
    """Every table of a metrics.json under a heading of that level, variants at the end; empty parts are left out."""
    mark = "#" * level
    parts = [f"{mark} {title}\n\n{text}" for title, make in SECTIONS.items() if (text := make(metrics))]
    for name, variant in metrics.get("variants", {}).items():
        if text := summary(variant, level + 1):
            parts.append(f"{mark} The variant {name}\n\n{text}")
    return "\n\n".join(parts)


def brief(metrics: dict[str, Any]) -> str:
    """The tables that a README has room for: classifiers, knobs as the dashboard shows them, and the ablation."""
    parts = (
        _classifiers(metrics),
        summary_maps.choices(metrics),
        _knobs(metrics, ("calibrated",)),
        summary_ablation.ablation(metrics),
    )
    return "\n\n".join(text for text in parts if text)


def page(metrics: dict[str, Any]) -> str:
    """The text of measured.md, which stands beside a metrics.json."""
    return (
        f"# {metrics.get('study', 'A study')}: what was measured\n\n"
        "Written by `contralens evaluate`, `audit` and `ablate` from metrics.json, which says on what data, by which "
        "commit and from which seed.\nIntervals are 95 % bootstrap intervals over pictures.\n\n"
        f"{summary(metrics)}\n"
    )


def _classifiers(metrics: dict[str, Any]) -> str:
    named = [("classifier", t, r) for t, r in metrics.get("classifier", {}).get("targets", {}).items()]
    named += [("independent network", t, r) for t, r in metrics.get("witness", {}).get("targets", {}).items()]
    named += [("oracle", t, r) for t, r in metrics.get("oracles", {}).items()]
    rows = [
        [who, target, str(r["n"]), interval(r["auc"]), interval(r["accuracy"]), interval(r["ece"])]
        for who, target, r in named
        if r["n"]
    ]
    return table(["network", "target", "n", "AUC", "accuracy", "calibration error"], rows) if rows else ""


def _sources(metrics: dict[str, Any]) -> str:
    rows = [
        [source, str(r["negatives"]), share(r["specificity"])]
        for source, r in metrics.get("sources", {}).items()
        if isinstance(r, dict) and "specificity" in r
    ]
    return table(["source", "negatives", "specificity"], rows) if rows else ""


def _gate(metrics: dict[str, Any]) -> str:
    gate = metrics.get("gate")
    if not gate:
        return ""
    rows = [["its own (false alarms)", str(gate["false_alarms"]["n"]), f"{gate['false_alarms']['share']:.1%}"]]
    for name, r in gate["caught"].items():
        kind = "caught" if r.get("met", True) else "caught; a kind it never met"
        rows.append([f"{name} ({kind})", str(r["n"]), f"{r['share']:.1%}"])
    return table(["gate: pictures", "n", "turned away"], rows)


def _knobs(metrics: dict[str, Any], modes: tuple[str, ...] = ("direct", "calibrated")) -> str:
    rows = []
    for target, heads in metrics.get("knobs", {}).items():
        for head, report in heads.items():
            for mode in (m for m in modes if m in report):
                r = report[mode]
                within = f"{r['within_0.02']['value']:.1%}" if "within_0.02" in r else ""
                rows.append(
                    [
                        target, head, mode, str(r["n"]), interval(r["error"]), f"{r['monotone']['value']:.1%}",
                        f"{r['top']['value']:.1%}", f"{r['bottom']['value']:.1%}",
                        interval(r["witness_ratio"], 2) if "witness_ratio" in r else "",
                        f"{r['witness_sign']['value']:.1%}" if "witness_sign" in r else "",
                        f"{r['distance']['value']:.4f}", f"{r['cycle']['value']:.4f}", f"{r['still_max']:g}",
                        plain(report["closeness"]["value"], ".1%") if mode == "direct" else "", within,
                    ]
                )  # fmt: skip
    header = [
        "knob", "head", "mode", "n", "mean abs. error", "Spearman >= .98", "f > .9 at .95", "f < .1 at .05",
        "independent span / f's", "same sign", "mean change", "cycle L1", "change at 0", "closeness", "within .02",
    ]  # fmt: skip
    return table(header, rows) if rows else ""


def _frechet(metrics: dict[str, Any]) -> str:
    rows, name = [], ""
    for target, heads in metrics.get("knobs", {}).items():
        for head, report in heads.items():
            if "frechet" in report:
                r = report["frechet"]
                name = r["features"]
                rows.append(
                    [target, head, *(plain(r.get(g), "g") for g in ("present", "absent", "overall", "real_halves"))]
                )
    if not rows:
        return ""
    return table([f"FD ({name})", "head", "present", "absent", "overall", "two halves of the real"], rows)


def _identity(metrics: dict[str, Any]) -> str:
    rows = [
        [target, str(r["n"]), share(r["accuracy"]), f"{r['mean_distance']:.3f}", share(r["false_matches"])]
        for target, r in metrics.get("identity", {}).items()
    ]
    return table(["same person (dlib)", "n", "accuracy", "mean distance", "strangers matched"], rows) if rows else ""


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "Classifiers": _classifiers,
    "One of several classes": summary_maps.choices,
    "Specificity by source": _sources,
    "Gate": _gate,
    "Knobs": _knobs,
    "Distance to real pictures": _frechet,
    "Same person": _identity,
    "Ablation of the losses": summary_ablation.ablation,
    "Infills": summary_maps.infills,
    "Masks": summary_maps.masks,
    "One against one": summary_maps.one_vs_one,
    "Deletion": summary_maps.saliency,
    "Beside xGEM and Latent Shift": summary_bias.rivals,
    "Audits": summary_bias.audits,
    "What else a knob flips": summary_bias.discrimination,
    "Organs": summary_bias.organs,
}
