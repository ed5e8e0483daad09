"""The model card of a study, and everything that was measured for it."""

from typing import Any

import streamlit as st

from core.errors import UserError
from core.evaluation.flat import numbers, parts_with
from core.studies.study import Study
from dashboard.parts import charts
from dashboard.parts.choice import choose_study
from dashboard.parts.gallery import three_in_a_row
from dashboard.parts.words import knob_at, network_at

COLUMNS: dict[str, Any] = {
    "of": "of", "measure": "measure",
    "value": st.column_config.NumberColumn("value", format="%.4f"),
    "low": st.column_config.NumberColumn("95 % from", format="%.4f"),
    "high": st.column_config.NumberColumn("to", format="%.4f"),
    "n": st.column_config.NumberColumn("images", format="%d"),
}  # fmt: skip


def main() -> None:
    """Choose a study, read its card, see its figures."""
    try:
        study = choose_study()
        if study is None:
            return
        st.markdown(study.card)
        measured(study)
    except UserError as fault:
        st.error(str(fault))


def measured(study: Study) -> None:
    """Reliability diagrams, mean responses of the knobs, and one table of every number."""
    if not study.metrics:
        st.info("Nothing has been measured for this study yet: run `contralens evaluate`.")
        return
    reliable = [
        charts.reliability(part["reliability"], title=network_at(place))
        for place, part in parts_with(study.metrics, "reliability").items()
    ]
    turned = [
        charts.response(part["requests"], part["curve"], part.get("witness_curve"), title=knob_at(place))
        for place, part in parts_with(study.metrics.get("knobs", {}), "curve").items()
        if "requests" in part
    ]
    for heading, figures in (
        ("Reliability: what a network says, and how often it is so", reliable),
        ("Knobs: what was asked for, and what came", turned),
    ):
        if figures:
            st.markdown(f"### {heading}")
            three_in_a_row(figures)
    rows = numbers(study.metrics)
    if rows:
        st.markdown("### Every number")
        st.dataframe(rows, column_config=COLUMNS, hide_index=True)


main()
