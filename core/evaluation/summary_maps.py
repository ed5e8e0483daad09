"""What was measured of infills, masks and one-against-one maps, as Markdown."""

from __future__ import annotations

from typing import Any

from core.evaluation.knob_saliency import METHODS
from core.evaluation.tables import interval, plain, share, table

MASK_COLUMNS = {
    "succeeds": ("does it", share),
    "random_succeeds": ("random region does", share),
    "area": ("area", share),
    "saliency_metric": ("saliency metric", interval),
    "deletion": ("deletion", interval),
    "insertion": ("insertion", interval),
    "area_at_flip": ("area at flip", share),
}
MAP_COLUMNS = {
    "fall_most_mean": "S_o falls",
    "rise_most_mean": "S_t rises",
    "fall_random_mean": "random falls",
    "attraction": "drawn to an object",
    "repeatability": "repeatability",
}


def infills(metrics: dict[str, Any]) -> str:
    """One row an infill."""
    report = metrics.get("infills")
    if not report:
        return ""
    rows = [
        [
            name, interval(r["hole_l1"], 4), plain(r.get("frechet"), ""), f"{r['between_samples']:.3f}",
            f"{r['visible_change']:g}",
        ]
        for name, r in report["infills"].items()
    ]  # fmt: skip
    low, high = report["missing"]
    header = [
        f"infill, {low:.0%} to {high:.0%} hidden, n = {report['n']}", "L1 in the hole",
        f"FD ({report.get('features', 'none')})", "two samples differ by", "visible pixels changed",
    ]  # fmt: skip
    return table(header, rows)


def masks(metrics: dict[str, Any]) -> str:
    """One table a target, one row a method and infill; agreement and repeatability in a line below."""
    parts = []
    for target, report in metrics.get("masks", {}).items():
        anatomy = report.get("anatomy")
        header = [f"{target}, n = {report['n']}, {report['preset']}", "infill", *(t for t, _ in MASK_COLUMNS.values())]
        if anatomy:
            header.append(f"inside the {anatomy['name']} ({anatomy['area']:.1%} of the picture, n = {anatomy['n']})")
        rows = []
        for method, cells in report["cells"].items():
            for infill, cell in cells.items():
                row = [method, infill]
                row += [form(cell[key]) if key in cell else "-" for key, (_, form) in MASK_COLUMNS.items()]
                if anatomy:
                    row.append(share(cell["inside"]) if "inside" in cell else "-")
                rows.append(row)
        lines = [
            f"{title}: " + ", ".join(f"{m} {v['value']:.2f}" for m, v in report[key].items() if isinstance(v, dict))
            for title, key in (
                ("Agreement between infills", "agreement"),
                ("Seed against seed", "repeatability"),
                ("Quick against published steps", "against_paper"),
            )
            if any(isinstance(v, dict) for v in report.get(key, {}).values())
        ]
        parts.append(table(header, rows) + "\n\nSpearman correlations. " + ". ".join(lines) + ".")
    return "\n\n".join(parts)


def choices(metrics: dict[str, Any]) -> str:
    """One row a question with several classes; the share among the first five only where it was measured."""
    found = metrics.get("choices", {})
    five = any("top5" in r for r in found.values())
    rows = [
        [name, str(r["n"]), share(r["accuracy"])]
        + ([share(r["top5"]) if "top5" in r else "-"] if five else [])
        + [interval(r["confidence_gap"])]
        for name, r in found.items()
    ]
    header = ["one of several classes", "n", "likeliest is right"] + ["among the first five"] * five
    return table([*header, "confidence minus accuracy"], rows) if rows else ""


def one_vs_one(metrics: dict[str, Any]) -> str:
    """Two tables a choice: the baselines, and the maps."""
    parts = []
    for choice, report in metrics.get("one_vs_one", {}).items():
        rows = [
            [name, share(r["called_target"]), interval(r["distance"], 4), plain(r["frechet"], "")]
            for name, r in report["baselines"].items()
        ]
        n = next(iter(report["baselines"].values()))["n"]
        header = [f"baseline, {choice}, n = {n}", "called the target class", "mean change", "FD"]
        parts.append(table(header, rows))
        if "maps" not in report:  # measured last
            continue
        maps, rows = report["maps"], []
        for method, cells in maps["cells"].items():
            for baseline, cell in cells.items():
                row = [method, baseline]
                row += [interval(cell[key], 2) for key in MAP_COLUMNS]
                row.append(f"{cell['randomised']['spearman'][0]:.2f} / {cell['randomised']['spearman'][-1]:.2f}")
                rows.append(row)
        header = [
            f"map, n = {maps['n']}", "baseline", *MAP_COLUMNS.values(), "likeness, logits / all layers redrawn",
        ]  # fmt: skip
        parts.append(table(header, rows))
    return "\n\n".join(parts)


def saliency(metrics: dict[str, Any]) -> str:
    """One table a knob: its map and the others under deletion with noise, low is good."""
    parts = []
    for target, report in metrics.get("saliency", {}).items():
        few, rows = report["few"], []
        at = min(range(len(report["shares"])), key=lambda k: abs(report["shares"][k] - 0.2))
        for method, found in report["methods"].items():
            rows.append(
                [
                    METHODS.get(method, method), str(found["n"]), interval(found["area"]),
                    interval(found["accuracy_area"]), f"{found['decision'][at]:.1%}", interval(found["under_random"]),
                    interval(few["area"][method]), f"{found['seconds']:.2f}",
                ]
            )  # fmt: skip
        header = [
            f"{target}, deletion with noise up to {report['shares'][-1]:.0%}", "n", "mean probability of f's answer",
            "mean accuracy", f"answer kept at {report['shares'][at]:.0%}", "under random pixels",
            f"mean probability, the same {few['n']}", "core seconds",
        ]  # fmt: skip
        parts.append(table(header, rows))
    return "\n\n".join(parts)
