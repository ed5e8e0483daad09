"""What was measured for a study, as Markdown: the README's tables are printed by this, not typed."""

from __future__ import annotations

from typing import Any

from core.evaluation import summary_ablation, summary_bias, summary_maps
from core.evaluation.tables import interval, share, table


def summary(metrics: dict[str, Any]) -> str:
    """Tables of a metrics.json, one after the other; empty parts are left out."""
    parts = [
        _classifiers(metrics),
        summary_maps.choices(metrics),
        _sources(metrics),
        _gate(metrics),
        _knobs(metrics),
        _frechet(metrics),
        _identity(metrics),
        summary_ablation.ablation(metrics),
        summary_maps.infills(metrics),
        summary_maps.masks(metrics),
        summary_maps.one_vs_one(metrics),
        summary_maps.saliency(metrics),
        summary_bias.rivals(metrics),
        summary_bias.audits(metrics),
        summary_bias.discrimination(metrics),
        summary_bias.organs(metrics),
    ]
    return "\n\n".join(p for p in parts if p)


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
    rows += [[f"{name} (caught)", str(r["n"]), f"{r['share']:.1%}"] for name, r in gate["caught"].items()]
    return table(["gate: pictures", "n", "turned away"], rows)


def _knobs(metrics: dict[str, Any]) -> str:
    rows = []
    for target, heads in metrics.get("knobs", {}).items():
        for head, report in heads.items():
            for mode in (m for m in ("direct", "calibrated") if m in report):
                r = report[mode]
                within = f"{r['within_0.02']['value']:.1%}" if "within_0.02" in r else ""
                rows.append(
                    [
                        target, head, mode, str(r["n"]), interval(r["error"]), f"{r['monotone']['value']:.1%}",
                        f"{r['top']['value']:.1%}", f"{r['bottom']['value']:.1%}",
                        interval(r["witness_ratio"], 2) if "witness_ratio" in r else "",
                        f"{r['witness_sign']['value']:.1%}" if "witness_sign" in r else "",
                        f"{r['distance']['value']:.4f}", f"{r['cycle']['value']:.4f}", f"{r['still_max']:g}",
                        f"{report['closeness']['value']:.1%}" if mode == "direct" else "", within,
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
                rows.append([target, head, *(str(r[g]) for g in ("present", "absent", "overall", "real_halves"))])
    if not rows:
        return ""
    return table([f"FD ({name})", "head", "present", "absent", "overall", "two halves of the real"], rows)


def _identity(metrics: dict[str, Any]) -> str:
    rows = [
        [target, str(r["n"]), share(r["accuracy"]), f"{r['mean_distance']:.3f}", share(r["false_matches"])]
        for target, r in metrics.get("identity", {}).items()
    ]
    return table(["same person (dlib)", "n", "accuracy", "mean distance", "strangers matched"], rows) if rows else ""
