"""What Contralens is not: said on entry, and on each page."""

from __future__ import annotations

import streamlit as st

SHORT = "Contralens is research and teaching software, not a medical device. Do not use it to diagnose or treat."

LONG = """
Contralens shows how an **image classifier** answers, and what in a picture would have to be different for it to
answer otherwise. It is **research and teaching software, not a medical device**.

- Do not use anything it shows to diagnose, treat, triage or advise a patient.
- The changed pictures are **made by a computer**. They show what moves this classifier, not how a disease would
  develop, and they are wrong wherever the classifier is wrong.
- Upload only pictures you may upload, without names or numbers burned into them. Pictures stay in the memory of
  this server while your session lasts; they are not stored, and nothing is sent elsewhere.
- Every number on the screen was measured; how, and on which data, is in the model card of each study.
"""

_ACCEPTED = "notice_accepted"


def accepted() -> bool:
    """Draw the notice until it has been accepted in this session; True once it has."""
    if st.session_state.get(_ACCEPTED):
        return True
    _, middle, _ = st.columns([1, 3, 1])
    with middle, st.container(border=True):
        st.title("Contralens")
        st.markdown(LONG)
        if st.button("I understand and accept", type="primary", key="accept"):
            st.session_state[_ACCEPTED] = True
            st.rerun()
    return False


def footer() -> None:
    """The same in one line, at the end of each page."""
    st.caption(SHORT)
