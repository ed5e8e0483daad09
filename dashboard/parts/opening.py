"""The top of every page about one picture: which study, which picture, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.images.picture import Picture
from core.studies.settings import StudyInfo
from core.studies.study import Study
from dashboard.parts import address, studies, upload
from dashboard.parts.choice import choose_study
from dashboard.parts.viewer import show_viewer

CARD = Path(__file__).resolve().parent.parent / "app_pages" / "card.py"


def open_picture(suits: Callable[[StudyInfo], bool], purpose: str) -> tuple[Study, upload.Place] | None:
    """The study and the prepared picture to explain; None while something is left to choose, or cannot be used.

    suits: which studies the page can do something with. purpose: what the page is for, said until a picture is open.
    Raises UserError for what the user should know.
    """
    study, bar = choose_in_bar(suits)
    if study is None:
        return None
    place = picture_of(study, bar, purpose)
    return None if place is None else (study, place)


def choose_in_bar(suits: Callable[[StudyInfo], bool]) -> tuple[Study | None, DeltaGenerator]:
    """The study, and the row it was chosen in, to the end of which `picture_of` adds what can be done."""
    bar = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with bar.container():
        return choose_study(suits), bar


def picture_of(study: Study, bar: DeltaGenerator, purpose: str) -> upload.Place | None:
    """The prepared picture; None while it is left to choose, looked at, or cannot be used. As `open_picture`."""
    source = upload.chosen(study)
    address.write(sample=source.sample if source else None)
    if source is None:
        st.markdown(f"## {study.title}\n{study.summary}\n\n{purpose}")
        upload.choose(study, where="page")
        return None
    picture = upload.read(source)
    inspect = _actions(bar, study, picture)
    st.markdown(upload.line(picture, source, study))
    if picture is None:
        return None
    if inspect:
        show_viewer(studies.viewer(study.modality, picture.digest, picture), key=f"viewer-{picture.digest[:24]}")
        return None
    place = upload.locate(study, picture)
    return place if place is not None and upload.passes(study, place, picture) else None


def _actions(bar: DeltaGenerator, study: Study, picture: Picture | None) -> bool:
    """What can be done about the picture; True to inspect the upload instead of explaining it."""
    with bar:
        inspect = st.toggle(
            "Inspect the upload", key="inspect", help="At full depth: window, level, zoom, ruler",
            disabled=picture is None,
        )  # fmt: skip
        if picture is not None and upload.placed_by_hand(picture):
            st.button("Choose the face again", on_click=upload.start_again, args=(picture,))
        if st.button("Open another picture", icon=":material/folder_open:", key="open"):
            upload.choose_in_dialog(study)
        with st.popover("Model card", icon=":material/description:"):
            st.markdown(study.card)
            st.page_link(CARD, label="Card and all measurements", query_params={"study": study.name})
    return inspect and picture is not None
