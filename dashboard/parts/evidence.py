"""Figures and rows of the evidence page, as pure functions of a metrics.json."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from core.evaluation.published import PAPER
from core.studies.lines import label
from dashboard.parts.mask_table import interval

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7D8A96")
HEADS = {
    "paper": "Progressive Exaggeration, paper head", "residual": "Progressive Exaggeration, residual head",
    "morph": "Progressive Exaggeration, morph head", "xgem": "xGEM", "latent-shift": "Latent Shift",
}  # fmt: skip
SIZES = {"ctr": "cardiothoracic ratio", "area": "heart area by the square of the chest's width"}
AXES = {"ctr": "cardiothoracic ratio", "area": "heart area / chest width²"}
GROUPS = {
    "healthy": "without, by the label", "made_condition": "without, asked for more",
    "condition": "with, by the label", "made_healthy": "with, asked for less",
}  # fmt: skip


def knob_rows(metrics: dict[str, Any], target: str) -> list[dict[str, str]]:
    """One row a method for one target: what Tables 1 and 2 of the paper have, and what they lack. Columns that say
    nothing are left out.
    """
    rows = []
    for head, found in metrics["knobs"][target].items():
        direct, frechet = found["direct"], found.get("frechet", {})
        # That of the first knob stands under the target's name alone.
        first = head == next(iter(metrics["knobs"][target]))
        same = metrics.get("identity", {}).get(target if first else f"{target}, {head}")
        rows.append(
            {
                "method": HEADS.get(head, head),
                "independent network follows ↑": interval(direct.get("witness_ratio"), "number"),
                "f misses the request by ↓": interval(direct["error"], "number"),
                "calibrated ↓": interval(found.get("calibrated", {}).get("error"), "fine"),
                "FD present ↓": _plain(frechet.get("present")),
                "FD absent ↓": _plain(frechet.get("absent")),
                "FD overall ↓": _plain(frechet.get("overall")),
                "closeness ↑": interval(found.get("closeness"), "share"),
                "same person ↑": interval((same or {}).get("accuracy"), "share"),
            }
        )
    return _speaking(rows)


def rival_rows(metrics: dict[str, Any], target: str) -> list[dict[str, str]]:
    """The same for the knob and what it is compared with, all on the same pictures."""
    methods = metrics["rivals"][target]["methods"]
    first = next(iter(methods))
    identity = {
        target if head == first else f"{target}, {head}": found["identity"]
        for head, found in methods.items()
        if "identity" in found
    }
    return knob_rows({"knobs": {target: methods}, "identity": identity}, target)


def paper_rows(target: str) -> list[dict[str, str]]:
    """The published figures for the same target; empty where there are none."""
    return [
        {
            "method": {"knob": "Progressive Exaggeration", "xgem": "xGEM"}[method],
            "FID present": f"{row['present']:g}", "FID absent": f"{row['absent']:g}",
            "FID overall": f"{row['overall']:g}", "closeness": f"{row['closeness']:.1%}",
            "same person": f"{row['verification']:.1%}" if "verification" in row else "-",
        }
        for method, row in PAPER.get(target, {}).items()
    ]  # fmt: skip


def trend_figure(report: dict[str, Any], size: str) -> go.Figure:
    """Mean size of the heart against the probability asked for, with its 95 % interval (Figure 4 a)."""
    found = report[size]
    x, means = found["requested"], found["mean"]
    figure = go.Figure()
    band = [m["high"] for m in means] + [m["low"] for m in means][::-1]
    figure.add_scatter(
        x=x + x[::-1], y=band, fill="toself", fillcolor="rgba(0,114,178,.18)", line={"width": 0}, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[m["value"] for m in means], mode="lines+markers", line={"color": COLOURS[0], "width": 2.5},
        hovertemplate="asked %{x:.0%}: %{y:.3f}<extra></extra>", showlegend=False,
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "probability asked for", "tickformat": ".0%"}, yaxis={"title": f"mean {AXES[size]}"}, **_FRAME
    )
    return figure


def groups_figure(report: dict[str, Any], size: str) -> go.Figure:
    """Four groups as boxes of their 5, 25, 50, 75 and 95 % (Figure 4 b)."""
    figure = go.Figure()
    for i, (name, title) in enumerate(GROUPS.items()):
        found = report[size]["groups"].get(name, {})
        if "percentiles" not in found:
            continue
        low, q1, median, q3, high = found["percentiles"]
        figure.add_box(
            x=[f"{title}<br>n = {found['n']}"], lowerfence=[low], q1=[q1], median=[median], q3=[q3], upperfence=[high],
            mean=[found["mean"]["value"]], name=title, showlegend=False,
            marker_color=COLOURS[0 if name in ("healthy", "made_healthy") else 1], line={"width": 1.5},
            fillcolor="rgba(0,0,0,0)" if i % 2 else None,
        )  # fmt: skip
    figure.update_layout(yaxis={"title": AXES[size]}, **_FRAME)
    return figure


def test_rows(report: dict[str, Any], size: str) -> list[dict[str, str]]:
    """t-tests with effect sizes."""
    rows = []
    for kind, measure in (("paired", "d_z"), ("independent", "d")):
        for pair, found in report[size][kind].items():
            if "p" not in found:
                continue
            rows.append(
                {
                    "comparison": _of_groups(pair), "test": f"{kind} t",
                    "n": f"{found['n']}" + (f" and {found['n_other']}" if "n_other" in found else ""),
                    "mean difference": f"{found['difference']:+.4f}", "effect": f"{measure} = {found['effect']:+.2f}",
                    "t": f"{found['t']:.2f}", "p": "< 1e-10" if found["p"] < 1e-10 else f"{found['p']:.2g}",
                }
            )  # fmt: skip
    return rows


def _of_groups(pair: str) -> str:
    """'healthy to made_condition' in the words of the chart of the groups."""
    for word, between in ((" to ", " → "), (" against ", " / ")):
        if word in pair:
            return between.join(GROUPS.get(name, name) for name in pair.split(word))
    return pair


def deletion_figure(report: dict[str, Any], titles: dict[str, str]) -> go.Figure:
    """Probability of the first answer while pixels are replaced by noise, most important first (Figure 4 c)."""
    figure = go.Figure()
    for colour, (name, found) in zip(COLOURS * 2, report["methods"].items(), strict=False):
        dash = "dot" if name == "random" else "solid"
        figure.add_scatter(
            x=report["shares"], y=found["curve"], mode="lines", name=titles.get(name, name),
            line={"color": colour, "width": 3 if name == "knob" else 1.8, "dash": dash},
            hovertemplate="%{x:.0%} replaced: %{y:.2f}<extra>" + titles.get(name, name) + "</extra>",
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "share of the picture replaced by noise", "tickformat": ".0%"},
        yaxis={"title": "probability of the first answer", "range": [0, 1.02]}, **_FRAME,
    )  # fmt: skip
    return figure


def saliency_rows(report: dict[str, Any], titles: dict[str, str]) -> list[dict[str, Any]]:
    """One row a map; slow ones are made of fewer pictures."""
    return [
        {
            "map": titles.get(name, name), "n": found.get("n", report["n"]),
            "area under the curve ↓": interval(found["area"], "number"),
        }
        for name, found in report["methods"].items()
    ]  # fmt: skip


def saliency_sentence(report: dict[str, Any], titles: dict[str, str]) -> str:
    """Whether the knob's map beats chance, and which map does best, by the areas under the deletion curves."""
    areas = {name: found["area"] for name, found in report["methods"].items()}
    knob, chance = areas["knob"], areas["random"]
    numbers = f"{knob['value']:.2f} against {chance['value']:.2f} of random order; lower is better"
    if knob["high"] < chance["low"]:
        said = f"Yes, more than chance does ({numbers})."
    elif knob["low"] > chance["high"]:
        said = f"No: replacing pixels at random takes the answer sooner ({numbers})."
    else:
        said = f"Not shown: it cannot be told from random order here ({numbers})."
    best = min((n for n in areas if n != "random"), key=lambda n: areas[n]["value"])
    if best != "knob":
        said += f" {titles.get(best, best)} does best ({areas[best]['value']:.2f})."
    return said


def ablation_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """One row a cell of the grid; of one that failed, why. Columns that say nothing are left out."""
    rows = []
    for row in report["rows"]:
        distances = row.get("frechet") or {}
        other = "".join(f", {name} {value}" for name, value in row["other"].items() if name != "head")
        rows.append(
            {
                "cell": row["cell"], "head": row["head"],
                "weights": ", ".join(f"{name} {value:g}" for name, value in row["weights"].items()) + other,
                "failed": row.get("failed", ""), "steps": str(row.get("steps", "-")),
                "FD present ↓": _plain(distances.get("present")), "FD absent ↓": _plain(distances.get("absent")),
                "FD overall ↓": _plain(distances.get("overall")),
                "closeness ↑": interval(row.get("closeness"), "share"),
                "same person ↑": interval(row.get("same_person"), "share"),
                "f misses the request by ↓": interval(row.get("error"), "number"),
                "independent network follows ↑": interval(row.get("witness_ratio"), "number"),
            }
        )  # fmt: skip
    if {row["head"] for row in rows} == {report["head"]}:
        rows = [{name: text for name, text in row.items() if name != "head"} for row in rows]
    return _speaking(rows)


def about(part: dict[str, Any]) -> str:
    """What a measurement was made on, in a line."""
    data = part.get("data", {})
    pieces = [f"n = {part['n']}" if "n" in part else "", f"split {part['split']}" if "split" in part else ""]
    if data:
        pieces.append(f"of a table of {data['rows']} pictures (digest {data['digest']})")
    pieces += [f"seed {part['seed']}" if "seed" in part else "", f"code {part['commit']}" if "commit" in part else ""]
    return ", ".join(p for p in pieces if p)


def heading(target: str) -> str:
    """A target as a heading."""
    return label(target).capitalize()


def _speaking(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without columns that are empty in all of them."""
    said = {name for row in rows for name, text in row.items() if text not in ("", "-")}
    return [{name: text for name, text in row.items() if name in said} for row in rows]


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


_FRAME: dict[str, Any] = {"margin": {"l": 10, "r": 10, "t": 20, "b": 10}, "height": 330}
