"""Which study: the same choice on every page."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.studies.settings import StudyInfo
from core.studies.study import Study
from dashboard.parts import address, studies

ROW = 3  # studies that fit side by side


def has_knob(info: StudyInfo) -> bool:
    """Whether there is something to turn."""
    return bool(info.knobs)


def has_choice(info: StudyInfo) -> bool:
    """Whether it has a question with several classes."""
    return bool(info.choices)


def has_oracle(info: StudyInfo) -> bool:
    """Whether there is something to turn and something to watch."""
    return bool(info.knobs and info.oracles)


def can_answer(info: StudyInfo) -> bool:
    """Whether its network is there."""
    return not info.needs


def choose_study(suits: Callable[[StudyInfo], bool] = lambda _: True) -> Study | None:
    """The study of the address, or the first; a row to choose from where there are several. None without any.

    suits: which studies the page can do something with.
    """
    titles = {s.name: s.title for s in studies.installed() if suits(s)}
    names = list(titles)
    if not names:
        st.info(
            "No study for this page is installed. Train one, or put one into the folder `checkpoints`; the README says "
            "how."
        )
        return None
    address.prefer("study", "study", names)
    name = names[0]
    if len(names) == 1:
        st.markdown(f"**{titles[names[0]]}**")
    else:
        forget = {"sample": None, "target": None, "head": None, "delta": None}
        if len(names) <= ROW:
            chosen = st.segmented_control(
                "Study", names, key="study", format_func=titles.__getitem__, required=True,
                label_visibility="collapsed", on_change=address.write, kwargs=forget,
            )  # fmt: skip
        else:
            chosen = st.selectbox(
                "Study", names, key="study", format_func=titles.__getitem__, label_visibility="collapsed",
                on_change=address.write, kwargs=forget, width=340,
            )  # fmt: skip
        name = chosen or name
    address.write(study=name)
    return studies.study_named(name)
