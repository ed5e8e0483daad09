"""Charts side by side."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from plotly.graph_objects import Figure


def three_in_a_row(figures: Sequence[Figure]) -> None:
    """Draw charts in rows of three, each read out by its title."""
    for start in range(0, len(figures), 3):
        for column, figure in zip(st.columns(3), figures[start : start + 3], strict=False):
            column.plotly_chart(figure, alt=figure.layout.title.text, config={"displayModeBar": False})
