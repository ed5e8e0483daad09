"""An audit in words, as a CSV and as a chart."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from core.evaluation.confounding import ENDS
from core.evaluation.plot import interval_chart
from core.evaluation.tables import share
from core.studies.lines import counted

FEW = 20  # pictures: with fewer an interval spans most of what there is to find


def audit_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a classifier, end and group, with the controls as groups of their own."""
    rows = []
    for name, found in report["classifiers"].items():
        for end in ENDS:
            part = found[end]
            groups = {
                "all": (found["n"], part["flipped"]),
                **{g: (found["groups"][g], v) for g, v in part["groups"].items()},
                "control: unchanged pictures": (found["n"], found["unchanged"]),
                "control: shuffled labels": (found["n"], part["randomised"]),
            }
            rows += [
                {
                    "classifier": name, "asked for": end, "group": group, "n": n, "flipped": v["value"],
                    "low": v["low"], "high": v["high"],
                    "reached": part["reached"]["value"] if group == "all" else None,
                    "oracle says 1": part["oracle_positive"]["value"] if group == "all" else None,
                }
                for group, (n, v) in groups.items()
            ]  # fmt: skip
    return rows


def write_csv(report: dict[str, Any], path: Path) -> None:
    """`audit_rows` as a CSV."""
    rows = audit_rows(report)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_plot(report: dict[str, Any], path: Path) -> None:
    """Flip rates with intervals, controls beside them."""
    rows = [
        (f"{r['classifier']}, asked for {r['asked for']}: {r['group']}", r["flipped"], r["low"], r["high"])
        for r in audit_rows(report)
        if r["group"] == "all" or r["group"].startswith("control")
    ]
    title = f"{report['target']}: does the knob turn {report['attribute']}? (n = {report['n']})"
    interval_chart(title, rows, path, "share of explanations whose attribute is not the query's")


def verdict(report: dict[str, Any]) -> list[str]:
    """Plain sentences. None says that there is no bias: only what was tested, on whom, and what was seen."""
    target, attribute = report["target"].replace("_", " "), report["attribute"].replace("_", " ")
    first = next(iter(report["classifiers"].values()))
    positive = report.get("positive")
    sizes = ", ".join(f"{size} with {_group(name, attribute, positive)}" for name, size in first["groups"].items())
    lines = [f"{counted(report['n'], 'picture')} ({sizes}); knob '{target}', oracle '{attribute}'."]
    failed = report.get("failed", 0)
    failed = failed if isinstance(failed, int) else len(failed)  # a metrics.json keeps their number alone
    if failed:
        listed = "is" if failed == 1 else "are"
        lines.append(f"{counted(failed, 'picture')} could not be measured and {listed} listed in audit.json.")
    lines += [
        f"No picture with {_group(name, attribute, positive)} was there, so nothing is known of those."
        for name, size in first["groups"].items()
        if not size
    ]
    floors = {name: share(found["unchanged"]) for name, found in report["classifiers"].items()}
    if len(set(floors.values())) == 1:
        lines.append(f"The oracle is wrong about {next(iter(floors.values()))} of the unchanged pictures.")
    else:
        lines += [
            f"{name}: the oracle is wrong about {floor} of the unchanged pictures." for name, floor in floors.items()
        ]
    for name, found in report["classifiers"].items():
        lines += _lines(name, found, target, attribute)
    for pair, compared in report["compared"].items():
        times = [
            f"{ratio['value']:.1f} times as many flips ({ratio['low']:.1f} to {ratio['high']:.1f}) when asked for {end}"
            for end in ENDS
            if (ratio := compared[end]["ratio"])["value"] is not None
        ]
        if times:
            lines.append(f"{pair}: {', '.join(times)}.")
    lines.append(
        "This covers one attribute as one network reads it, on these pictures, turned by this knob. What was not "
        "tested may still be there."
    )
    return lines


def _group(name: str, attribute: str, positive: str | None) -> str:
    """A group's name for people: 'Male=0', 'Male=1 (male)', 'Young=1'."""
    if not name.startswith("attribute="):
        return name
    value = name.removeprefix("attribute=")
    return f"{attribute}={value}" + (f" ({positive})" if positive and value == "1" else "")


def _lines(name: str, found: dict[str, Any], target: str, attribute: str) -> list[str]:
    """One sentence where the same may be said of both ends, else one an end."""
    kinds = [_kind(found, end) for end in ENDS]
    same = len(set(kinds)) == 1
    reached = [share(found[end]["reached"]) for end in ENDS]
    if same:
        reached = [" and ".join(reached)]
    ends = [
        {
            "beyond": f", {'both ' * same}more than the oracle's errors explain: this classifier's answer goes with "
            f"{attribute}",
            "short": f"; but the knob got there in only {got} of them, so this says little",
            "few": "; so few pictures cannot tell that from the oracle's errors",
            "within": f", {'neither' if same else 'not'} more than the oracle's errors explain",
        }[kind]
        for kind, got in zip(kinds, reached, strict=False)
    ]
    said = [f"asked for {end} {target}, {attribute} changed in {share(found[end]['flipped'])}" for end in ENDS]
    said[0] += " of the explanations"
    if same:
        return [f"{name}: {', '.join(said)}{ends[0]}."]
    said[1] += " of the explanations"
    return [f"{name}: {text}{end}." for text, end in zip(said, ends, strict=True)]


def _kind(found: dict[str, Any], end: str) -> str:
    """What may be said of one end; flips beyond the oracle's errors count even where the knob did not get there."""
    if found[end]["flipped"]["low"] > found["unchanged"]["high"]:
        return "beyond"
    if found[end]["reached"]["value"] < 0.5:
        return "short"
    return "few" if found["n"] < FEW else "within"
