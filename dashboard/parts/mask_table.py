"""What `contralens evaluate` measured about masks and infills, as tables on the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.infills.infill import TITLES
from core.studies.lines import label
from core.studies.study import Study
from dashboard.parts.masks import ROWS

COLUMNS = {
    "succeeds": ("does what it says", "share"),
    "random_succeeds": ("a random region of that area does", "share"),
    "area": ("area of the region", "share"),
    "saliency_metric": ("saliency metric ↓", "number"),
    "deletion": ("deletion ↓", "number"),
    "insertion": ("insertion ↑", "number"),
    "area_at_flip": ("area hidden at the flip ↓", "share"),
    "inside": ("inside", "share"),
}
COMPARED = {
    "agreement": "Agreement between infills (mean Spearman correlation of their masks)",
    "repeatability": "Repeatability over random seeds (the same, seed 0 against seed 1)",
    "against_paper": "Quick against as published (the same)",
}


def cell_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each method and infill, every number with its interval."""
    anatomy = report.get("anatomy")
    rows = []
    for row in ROWS:
        for infill, cell in report["cells"].get(row.key, {}).items():
            line = {"method": row.title, "infill": TITLES[infill]}
            for key, (title, kind) in COLUMNS.items():
                if key == "inside":
                    if anatomy is None:
                        continue
                    title = f"of it inside the {anatomy['name']} ({anatomy['area']:.0%} of the picture)"
                line[title] = interval(cell.get(key), kind)
            rows.append(line)
    return rows


def infill_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each infill."""
    return [
        {
            "infill": TITLES[name],
            "L1 in the hole ↓": interval(found["hole_l1"], "fine"),
            "Fréchet distance ↓": f"{found['frechet']:.2f}" if "frechet" in found else "-",
            "two samples differ by": f"{found['between_samples']:.3f}",
            "visible pixels changed": f"{found['visible_change']:g}",
        }
        for name, found in report["infills"].items()
    ]


def interval(part: dict[str, Any] | None, kind: str) -> str:
    """'0.84 (0.80 to 0.88)', '84% (80 to 88)' for a share; '-' where nothing was measured."""
    if part is None or any(part.get(k) is None for k in ("value", "low", "high")):
        return "-"
    form = {"share": "{:.0%}", "number": "{:.2f}", "fine": "{:.3f}"}[kind]
    value, low, high = (form.format(part[k]) for k in ("value", "low", "high"))
    return f"{value} ({low.removesuffix('%')} to {high.removesuffix('%')})"


def measured(study: Study, target: str) -> None:
    """The tables for one study and target, or that there are none."""
    report = study.metrics.get("masks", {}).get(target)
    if report is None:
        st.caption(
            f"Masks for {label(target)} have not been measured. "
            f"`contralens evaluate --study {study.name} --measure masks --targets {target} …` does it."
        )
    else:
        st.caption(
            f"On {report['n']} held-out pictures in which the classifier sees {label(target)}, preset "
            f"“{report['preset']}”, 95 % intervals. Deletion and insertion: mean probability while the most important "
            f"pixels are hidden, or shown, first, filled by the same infill ({TITLES[report['reference_infill']]}) for "
            "all. The saliency metric is Dabkowski and Gal's: log of the box's area minus log of the probability in it."
        )
        st.dataframe(cell_rows(report), hide_index=True)
        for key, what in COMPARED.items():
            found = report.get(key, {})
            lines = [f"{row.title} {found[row.key]['value']:.2f}" for row in ROWS if row.key in found]
            if lines:
                st.caption(f"{what}: {', '.join(lines)}.")
    infills = study.metrics.get("infills")
    if infills:
        low, high = infills["missing"]
        st.caption(
            f"Infills on {infills['n']} held-out pictures with {low:.0%} to {high:.0%} hidden; Fréchet distance in the "
            f"features of {infills.get('features', 'no network')}. Blur reads what it hides."
        )
        st.dataframe(infill_rows(infills), hide_index=True)
