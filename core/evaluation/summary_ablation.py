"""An ablation's rows, and its table as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from typing import Any

from core.evaluation.tables import plain, table

WEIGHTS = ("gan", "f", "rec")  # lambda_cGAN, lambda_f and lambda_rec of Singla et al., ICLR 2020, Eq. 9
_DISTANCES = ("present", "absent", "overall")
_MEASURED = ("closeness", "same_person", "error", "top", "bottom", "witness_ratio")
COLUMNS = (
    "cell", "head", *WEIGHTS, "other", "steps", "minutes", "stop", "pictures", "fd_features",
    *(f"fd_{d}" for d in _DISTANCES), "fd_real_halves",
    *(f"{name}{end}" for name in _MEASURED for end in ("", "_low", "_high")), "commit", "failed",
)  # fmt: skip


def row_of(report: dict[str, Any]) -> dict[str, Any]:
    """What the table says of one cell, out of the cell's whole report: numbers with their intervals, or why not."""
    row = {k: report[k] for k in ("cell", "head", "weights", "other")}
    if "failed" in report:
        return row | {"failed": report["failed"]}
    knob, identity = report["knob"], report["identity"]
    direct = knob["direct"]
    row |= {k: report[k] for k in ("steps", "seconds", "stop", "commit")}
    row |= {"pictures": direct["n"], "frechet": knob.get("frechet"), "closeness": knob["closeness"]}
    row |= {"same_person": identity and identity["accuracy"]}
    return row | {k: direct.get(k) for k in ("error", "top", "bottom", "witness_ratio")}


def csv_text(ablation: dict[str, Any]) -> str:
    """One line a cell, every number with the ends of its interval; empty where there is none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in ablation["rows"]:
        flat = {k: row.get(k, "") for k in ("cell", "head", "steps", "stop", "pictures", "commit", "failed")}
        flat |= {w: f"{row['weights'][w]:g}" for w in WEIGHTS} | {"other": _other(row)}
        if "failed" not in row:
            distances = row["frechet"] or {}
            flat |= {"minutes": round(row["seconds"] / 60, 2), "fd_features": distances.get("features", "")}
            flat |= {f"fd_{d}": _number(distances.get(d)) for d in (*_DISTANCES, "real_halves")}
            for name in _MEASURED:
                part = row[name] or {}
                flat |= {name: part.get("value"), f"{name}_low": part.get("low"), f"{name}_high": part.get("high")}
        writer.writerow(flat)
    return text.getvalue()


def markdown(ablation: dict[str, Any], target: str) -> str:
    """A line that says what was trained and measured, and the table."""
    rows = ablation["rows"]
    features = next((r["frechet"]["features"] for r in rows if r.get("frechet")), None)
    faces = any(r.get("same_person") for r in rows)
    others = any(_other(r) for r in rows)
    heads = {r["head"] for r in rows} != {ablation["head"]}
    header = ["cell", *["head"] * heads, "gan, f, rec", *["other"] * others, "steps", *_DISTANCES, "closeness"]
    header += [*["same person"] * faces, "mean abs. error", "f > .9 at .95", "f < .1 at .05", "independent span / f's"]
    lines = []
    for row in rows:
        line = [row["cell"], *[row["head"]] * heads, ", ".join(f"{row['weights'][w]:g}" for w in WEIGHTS)]
        line += [_other(row)] * others
        if "failed" in row:
            reason = "failed: " + row["failed"].replace("|", "/")
            lines.append(line + [reason] + ["-"] * (len(header) - len(line) - 1))
            continue
        distances = row["frechet"] or {}
        line += [str(row["steps"]), *(plain(_number(distances.get(d)), ".2f") for d in _DISTANCES)]
        line += [_value(row, "closeness", ".1%"), *[_value(row, "same_person", ".1%")] * faces]
        line += [_value(row, "error", ".3f"), _value(row, "top", ".1%"), _value(row, "bottom", ".1%")]
        lines.append([*line, _value(row, "witness_ratio", ".2f")])
    said = f"{ablation['grid']}: knob {target}, head {ablation['head']}, {_budget(ablation)} a cell, "
    said += f"{ablation['pictures']} held-out pictures"
    if features:
        halves = next((_number(r["frechet"].get("real_halves")) for r in rows if r.get("frechet")), None)
        said += f"; present, absent and overall are FD ({features})"
        said += "" if halves is None else f", which is {halves:.2f} between two halves of the real pictures"
    note = f" {ablation['note']}" if ablation["note"] else ""
    return f"{said}.{note}\n\n{table(header, lines)}"


def ablation(metrics: dict[str, Any]) -> str:
    """The tables of a metrics.json, one a target."""
    return "\n\n".join(markdown(found, target) for target, found in metrics.get("ablation", {}).items())


def _other(row: dict[str, Any]) -> str:
    """Changed settings that are no weights: 'batch 16, base 12'."""
    return ", ".join(f"{name} {value}" for name, value in row["other"].items() if name != "head")


def _budget(ablation: dict[str, Any]) -> str:
    budget = ablation["budget"]
    parts = [f"{budget[unit]:g} {unit}" for unit in ("steps", "minutes") if budget[unit] is not None]
    return " or ".join(parts)


def _number(part: Any) -> float | None:
    """A plain number, or the value of one with an interval."""
    return part["value"] if isinstance(part, dict) else part


def _value(row: dict[str, Any], name: str, style: str) -> str:
    return plain(_number(row[name]), style)
