"""What a map is worth: its sanity check, its repeatability, and the measures on held-out pictures."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.attributions.methods import METHODS
from core.baselines.baseline import TITLES
from core.explainers.map_figure import coloured, map_figure, shared_limit
from core.explainers.results import Attribution
from core.studies.study import Study
from dashboard.parts import studies
from dashboard.parts.mask_table import interval
from dashboard.parts.upload import Place

ALIKE = 0.5  # rank correlation above which two maps look the same to a reader
COLUMNS = {
    "fall_most_mean": "S of the class falls ↑",
    "rise_most_mean": "S of the other rises ↑",
    "fall_random_mean": "(random order: falls)",
    "attraction": "drawn to an unrelated object ↓",
    "repeatability": "repeatability ↑",
}


def map_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each attribution and baseline."""
    rows = []
    for method, cells in report["cells"].items():
        for baseline, cell in cells.items():
            row = {"attribution": METHODS[method].title, "baseline": TITLES[baseline]}
            row |= {title: interval(cell.get(key), "number") for key, title in COLUMNS.items()}
            likeness = cell["randomised"]["spearman"]
            row["likeness after redrawing ↓"] = f"{likeness[-1]:.2f}"
            rows.append(row)
    return rows


def baseline_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each baseline."""
    return [
        {
            "baseline": TITLES[name],
            "the classifier calls it the other class ↑": interval(found["called_target"], "share"),
            "mean change of a pixel ↓": interval(found["distance"], "fine"),
            "Fréchet distance ↓": f"{found['frechet']:.2f}",
        }
        for name, found in report.items()
    ]


def measured(study: Study, choice: str) -> None:
    """The tables, or that there are none."""
    report = study.metrics.get("one_vs_one", {}).get(choice)
    if report is None:
        st.caption(
            "Maps of this choice have not been measured. "
            f"`contralens evaluate --study {study.name} --measure one-vs-one --data DIR` does it."
        )
        return
    if "maps" in report:
        maps_table(report["maps"])
    else:
        st.caption("The maps of this choice have not been measured, only their baselines.")
    st.caption("The baselines themselves, over all ordered pairs of classes:")
    st.dataframe(baseline_rows(report["baselines"]), hide_index=True)


def maps_table(maps: dict[str, Any]) -> None:
    """What was measured of the maps, and how to read it."""
    st.caption(
        f"On {maps['n']} held-out pictures, each against one random other class, score “{maps['score']}”, 95 % "
        "intervals. Falls and rises: mean change of the logits while 2 to 30 % of the pixels, most important first, "
        "are replaced by the mean training picture. Drawn to an object: share of the map inside the box of a ring that "
        "has nothing to do with the question, against the box's share of the picture; 1 is indifferent. A map that "
        "stays the same when the network's weights are redrawn says nothing about the network (rank correlation of "
        f"absolute values, {maps['checked']} pictures; baselines were not made anew)."
    )
    st.dataframe(map_rows(maps), hide_index=True)


def cascade_strip(study: Study, place: Place, which: studies.Pair, baseline: str, method: str) -> None:
    """The map of this picture again and again, from the logits downwards with new weights."""
    shares, maps, likeness = studies.cascade(which, baseline, method, place.prepared)
    columns = st.columns(len(shares))
    for column, share, one, like in zip(columns, shares, maps, likeness, strict=True):
        title = "trained" if share == 0 else f"{share:.0%} redrawn: likeness {like:.2f}"
        column.image(coloured(one, shared_limit([one]), 110), caption=title, width=110)
    st.caption(
        "Layers get new random weights from the logits downwards; every map has a scale of its own, and the baseline "
        f"is not made anew. A map of the network should fall apart. {_fell_apart(likeness[-1])}"
    )


def _fell_apart(likeness: float) -> str:
    """What the likeness (rank correlation of absolute values) to the trained network's map says in the end."""
    if likeness > ALIKE:
        return (
            f"This one stays alike ({likeness:.2f}): it shows where the picture differs from the baseline more than "
            "what the network has learned."
        )
    return f"This one does ({likeness:.2f})."


def download(result: Attribution, *, key: str) -> None:
    """The map's numbers, and its picture."""
    stem = f"contralens-{result.study}-{result.origin}-{result.target}-{result.baseline}-{result.method}".lower()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Download", width="content")
        st.download_button(
            "Numbers (JSON)", lambda: (json.dumps(result.to_dict(), indent=1) + "\n").encode(), f"{stem}.json",
            "application/json", key=f"json-{key}", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Map", lambda: map_figure(result, shared_limit([result.flat])), f"{stem}.png", "image/png",
            key=f"map-{key}", on_click="ignore",
        )  # fmt: skip
