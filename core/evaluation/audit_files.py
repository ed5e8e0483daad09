"""An audit in words, as a CSV and as a chart."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from core.evaluation.confounding import ENDS
from core.evaluation.plot import interval_chart
from core.evaluation.tables import share
from core.studies.lines import counted, label

FEW = 20  # pictures: with fewer an interval spans most of what there is to find


def audit_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a classifier, end and group, with the controls as groups of their own."""
    rows = []
    for name, found in report["classifiers"].items():
        for end in ENDS:
            part = found[end]
            before = {"all": found["unchanged"]["value"], **found["unchanged_groups"]}
            groups = {
                "all": (found["n"], part["flipped"]),
                **{g: (found["groups"][g], v) for g, v in part["groups"].items()},
                "control: unchanged pictures": (found["n"], found["unchanged"]),
                "control: shuffled labels": (found["n"], part["randomised"]),
            }
            rows += [
                {
                    "classifier": name, "asked for": end, "group": group, "n": n, "flipped": v["value"],
                    "low": v["low"], "high": v["high"], "before": before.get(group),
                    "reached": part["reached"]["value"] if group == "all" else None,
                    "oracle says 1": part["oracle_positive"]["value"] if group == "all" else None,
                    "oracle said 1": found["query"]["oracle_positive"] if group == "all" else None,
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
    target, attribute = label(report["target"]), label(report["attribute"])
    first = next(iter(report["classifiers"].values()))
    positive = report.get("positive")
    sizes = ", ".join(f"{size} {group_words(name, attribute, positive)}" for name, size in first["groups"].items())
    lines = [f"{counted(report['n'], 'picture')}: {sizes}. The knob turns {target}, the oracle reads {attribute}."]
    failed = report.get("failed", 0)
    failed = failed if isinstance(failed, int) else len(failed)  # a metrics.json keeps their number alone
    if failed:
        listed = "is" if failed == 1 else "are"
        lines.append(f"{counted(failed, 'picture')} could not be measured and {listed} listed in audit.json.")
    lines += [
        f"No picture was {group_words(name, attribute, positive)}, so nothing is known of those."
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
        lines += _lines(name, found, report)
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


def group_words(name: str, attribute: str, positive: str | None) -> str:
    """A group's name for people: 'male', 'not male', 'young', 'not young', 'view PA', 'cardiomegaly not given'."""
    column, _, value = name.partition("=")
    if column != "attribute":
        yes_no = {"1": label(column), "0": f"not {label(column)}"}
        return yes_no.get(value, f"{label(column)} {value or 'not given'}")
    return {"1": positive, "0": f"not {positive}"}[value] if positive else f"{attribute}={value}"


def _lines(name: str, found: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """One sentence where the same may be said of both ends, else one an end."""
    target, attribute = label(report["target"]), label(report["attribute"])
    kinds = [_kind(found, end) for end in ENDS]
    same = len(set(kinds)) == 1
    reached = [share(found[end]["reached"]) for end in ENDS]
    moves = [_movement(found, end, attribute, report.get("positive")) for end in ENDS]
    if same:
        reached, moves = [" and ".join(reached)], [" and ".join(m for m in moves if m)]
    goes = f"this classifier's answer goes with {attribute}"
    ends = [
        {
            "flips": f", {'both ' * same}more than the oracle's errors explain: {goes}",
            "moves": f", no more often than the oracle errs, but its answer moves {move}: this knob does not leave "
            f"{attribute} alone",
            "short": f"; but the knob got there in only {got} of them, so this says little",
            "few": "; so few pictures cannot tell that from the oracle's errors",
            "within": f", {'neither' if same else 'not'} more than the oracle's errors explain",
        }[kind]
        for kind, got, move in zip(kinds, reached, moves, strict=False)
    ]
    said = [f"asked for {end} {target}, {attribute} changed in {share(found[end]['flipped'])}" for end in ENDS]
    said[0] += " of the explanations"
    if same:
        return [f"{name}: {', '.join(said)}{ends[0]}."]
    said[1] += " of the explanations"
    return [f"{name}: {text}{end}." for text, end in zip(said, ends, strict=True)]


def _kind(found: dict[str, Any], end: str) -> str:
    """What may be said of one end; what moves the oracle counts even where the knob did not get there."""
    # The bootstrap of a handful of pictures is as narrow as they are alike, so it speaks for enough of them alone.
    if found["n"] >= FEW and found[end]["excess"]["low"] > 0:
        return "flips"
    if found["n"] >= FEW and _moved(found, end):
        return "moves"
    if found[end]["reached"]["value"] < 0.5:
        return "short"
    return "few" if found["n"] < FEW else "within"


def _moved(found: dict[str, Any], end: str) -> str | None:
    """Whose oracle's answer moves by more than chance: of all, else of those with or without the attribute."""
    moved = found[end]["moved"]
    groups = (g for g in ("all", "attribute=0", "attribute=1") if g in moved)
    return next((g for g in groups if not moved[g]["low"] <= 0 <= moved[g]["high"]), None)


def _movement(found: dict[str, Any], end: str, attribute: str, positive: str | None) -> str:
    """'9.9 points (4.7 to 15.2) towards male when asked for more', or '' where nothing moved."""
    group = _moved(found, end)
    if group is None:
        return ""
    part = found[end]["moved"][group]
    way = "towards" if part["value"] > 0 else "away from"
    low, high = sorted(abs(100 * part[k]) for k in ("low", "high"))
    among = "" if group == "all" else f" among those {group_words(group, attribute, positive)}"
    name = positive or attribute
    return f"{abs(100 * part['value']):.1f} points ({low:.1f} to {high:.1f}) {way} {name} when asked for {end}{among}"
