"""Figures and rows of the bias check, as pure functions of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.evaluation.audit import MAIN
from core.evaluation.audit_files import audit_rows, group_words
from core.explainers.results import Sweep
from core.studies.lines import label
from dashboard.parts.mask_table import interval

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
FRAMES = 7  # of a sweep that fit side by side


def picked(sweep: Sweep) -> list[int]:
    """About seven frames spread over the requests, the picture itself among them."""
    frames = sweep.evenly(FRAMES)
    while len(frames) > FRAMES:  # the query is an extra one: drop its nearest neighbour
        near = min((i for i in frames if i != sweep.origin), key=lambda i: abs(i - sweep.origin))
        frames.remove(near)
    return frames


def oracle_figure(sweeps: dict[str, Sweep], answers: list[np.ndarray], attribute: str) -> go.Figure:
    """What the oracle says of every frame, against what f says, one line a classifier.

    sweeps: by the classifier's name; answers: [K] of the oracle for each sweep's frames, in the same order. A
    classifier that leans on the attribute moves it.
    """
    figure = go.Figure()
    for colour, (name, sweep), seen in zip(COLOURS, sweeps.items(), answers, strict=False):
        figure.add_scatter(
            x=sweep.achieved, y=seen, mode="lines+markers", name=name, line={"color": colour, "width": 2.5},
            hovertemplate="classifier %{x:.0%}, oracle %{y:.0%}<extra>" + name + "</extra>",
        )  # fmt: skip
        i = sweep.origin
        figure.add_scatter(
            x=[sweep.achieved[i]], y=[seen[i]], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"symbol": "diamond", "size": 11, "color": colour, "line": {"width": 1, "color": "white"}},
        )  # fmt: skip
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%"}
    figure.update_layout(
        xaxis={"title": "the classifier says", **axis},
        yaxis={"title": f"the oracle says {attribute}", **axis},
        legend={"orientation": "h", "y": 1.12}, margin={"l": 10, "r": 10, "t": 30, "b": 10}, height=320,
    )  # fmt: skip
    return figure


def matrix_figure(report: dict[str, Any], key: str = "flipped") -> go.Figure:
    """Knobs as rows, the classifier's targets as columns, the share of answers that flipped in each cell."""
    knobs, targets = list(report["knobs"]), list(report["targets"])
    values = np.array([[report["knobs"][k][key][t]["value"] for t in targets] for k in knobs])
    words = [
        [interval(report["knobs"][k][key][t], "share").replace(" (", "<br>(") for t in targets] for k in knobs
    ]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=values, x=[label(t) for t in targets], y=[label(k) for k in knobs], text=words, zmin=0, zmax=1,
            texttemplate="%{text}", colorscale=[[0, "#F4F7FA"], [1, "#0B5C8F"]], showscale=False, hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "share of pictures whose answer to this flips", "side": "top"},
        yaxis={"title": "knob turned", "autorange": "reversed"},
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=120 + 56 * len(knobs),
    )  # fmt: skip
    return figure


def table_rows(report: dict[str, Any], names: dict[str, str], positive: str) -> list[dict[str, str]]:
    """One row a classifier, end and group, controls among them. names: what to call the classifiers; positive: what
    to call pictures that have the attribute.
    """
    rows = []
    attribute = label(report["attribute"])
    for row in audit_rows(report):
        group = group_words(row["group"], attribute, positive) if "=" in row["group"] else row["group"]
        before, after = row["oracle said 1"], row["oracle says 1"]
        rows.append(
            {
                "classifier": names.get(row["classifier"], row["classifier"]),
                "asked for": f"{row['asked for']} {label(report['target'])}",
                "pictures": group,
                "n": row["n"],
                f"{attribute} changed": interval({"value": row["flipped"], **row}, "share"),
                "before turning": "" if row["before"] is None else f"{row['before']:.0%}",
                "classifier got there": "" if row["reached"] is None else f"{row['reached']:.0%}",
                f"oracle says {positive}": "" if after is None else f"{before:.0%} → {after:.0%}",
            }
        )
    return rows


def classifier_names(variants: dict[str, str]) -> dict[str, str]:
    """What to call a study's classifiers: its own, and its variants by name and what they were trained on."""
    return {MAIN: "main: the study's own"} | {name: f"{name}: {title}" for name, title in variants.items()}
