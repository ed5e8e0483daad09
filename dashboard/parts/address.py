"""The page's address: what is on the screen, so that a link brings it back.

?study=…&sample=…&target=…&mode=…&delta=…  An upload is never part of an address.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st


def asked(name: str) -> str | None:
    """One value of the address, or None."""
    return st.query_params.get(name)


def asked_number(name: str) -> float | None:
    """One number of the address; None if it is missing or not a number."""
    try:
        return float(st.query_params.get(name, ""))
    except ValueError:
        return None


def prefer(key: str, name: str, options: Sequence[str]) -> None:
    """Before a widget with this key is drawn: what it has, else what the address asks for, else the first option.

    What it has is set again, because a widget of the same key on another page would lose it.
    """
    if options:
        wanted = [st.session_state.get(key), asked(name), options[0]]
        st.session_state[key] = next(value for value in wanted if value in options)


def write(**values: str | None) -> None:
    """Set or (None) remove values, leaving the others; the browser hears of it only when something changed."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
