"""What was measured of audits, organs and of knobs beside their target, as Markdown."""

from __future__ import annotations

from typing import Any

from core.evaluation.audit_files import audit_rows
from core.evaluation.tables import interval, plain, share, table

SIZES = {"ctr": "cardiothoracic ratio", "area": "heart area / chest width²"}


def audits(metrics: dict[str, Any]) -> str:
    """One table an audit: classifiers and ends as rows, controls beside; then how two classifiers compare."""
    parts = []
    for attribute, of_target in metrics.get("audits", {}).items():
        for target, found in of_target.items():
            for report in found.values():
                rows = [
                    [
                        r["classifier"], f"{r['asked for']} {target}", r["group"].replace("attribute", attribute),
                        str(r["n"]), share({"value": r["flipped"], **r}),
                        "" if r["reached"] is None else f"{r['reached']:.1%}",
                        "" if r["oracle says 1"] is None else f"{r['oracle says 1']:.1%}",
                    ]
                    for r in audit_rows(report)
                ]  # fmt: skip
                header = [
                    "classifier", "asked for", "pictures", "n", f"{attribute} flipped", "f got there",
                    f"oracle says {attribute}",
                ]  # fmt: skip
                parts.append(table(header, rows))
                parts += [
                    f"{pair}, asked for {end}: {interval(part['ratio'], 1)} times as many flips."
                    for pair, compared in report["compared"].items()
                    for end, part in compared.items()
                    if isinstance(part, dict) and part["ratio"]["value"] is not None
                ]
    return "\n\n".join(parts)


def discrimination(metrics: dict[str, Any]) -> str:
    """Knobs as rows, targets as columns."""
    report = metrics.get("discrimination")
    if not report:
        return ""
    rows = [
        [knob, str(row["n"]), *(share(row["flipped"][t]) for t in report["targets"])]
        for knob, row in report["knobs"].items()
    ]
    return table(["knob turned to the opposite", "n", *(f"{t} flips" for t in report["targets"])], rows)


def organs(metrics: dict[str, Any]) -> str:
    """Dice of the segmenter; heart size against the condition, with the paper's tests."""
    parts = []
    found = metrics.get("segmenter", {})
    dice = [[o, str(v["n"]), interval(v["dice"])] for o, v in found.items() if isinstance(v, dict) and "dice" in v]
    if dice:
        parts.append(table([f"organ, at {found['size']} px", "n", "Dice"], dice))
    for target, report in metrics.get("heart", {}).items():
        rows, tests = [], []
        for size, title in SIZES.items():
            part = report[size]
            rows.append(
                [
                    title, str(part["n"]), interval(part["mean"][0]), interval(part["mean"][-1]),
                    interval(part["slope"], 4), share(part["rising"]), interval(part["spearman"]),
                ]
            )  # fmt: skip
            tests += [
                [
                    title,
                    f"{pair}, {kind}",
                    str(t["n"]),
                    f"{t['difference']:+.4f}",
                    f"{t['effect']:+.2f}",
                    f"{t['p']:.1g}",
                ]
                for kind in ("paired", "independent")
                for pair, t in part[kind].items()
                if "p" in t
            ]
        low, high = report["ctr"]["requested"][0], report["ctr"]["requested"][-1]
        header = [
            f"heart under the {target} knob", "n", f"asked for {low}", f"asked for {high}", "slope", "rising",
            "rank correlation",
        ]  # fmt: skip
        parts.append(table(header, rows))
        parts.append(table(["size", "comparison", "n", "mean difference", "effect (d_z or d)", "p"], tests))
    return "\n\n".join(parts)


def rivals(metrics: dict[str, Any]) -> str:
    """The knob beside what it is compared with, on the same pictures."""
    rows = []
    for target, report in metrics.get("rivals", {}).items():
        for head, r in report["methods"].items():
            frechet, direct = r.get("frechet", {}), r["direct"]
            distances = [plain(frechet.get(group), "g") for group in ("present", "absent", "overall")]
            same = share(r["identity"]["accuracy"]) if "identity" in r else "-"
            follows = interval(direct["witness_ratio"], 2) if "witness_ratio" in direct else "-"
            rows.append(
                [
                    target, head, str(report["n"]), *distances, share(r["closeness"]), same, interval(direct["error"]),
                    follows,
                ]
            )  # fmt: skip
    header = [
        "target", "method", "n", "FD present", "FD absent", "FD overall", "closeness", "same person",
        "mean abs. error", "independent span / f's",
    ]  # fmt: skip
    return table(header, rows) if rows else ""
