"""The δ knob: open a picture, see what the classifier says, turn the knob, watch the picture change."""

import streamlit as st

from core.errors import UserError
from core.explainers.words import percent
from core.studies.lines import label
from core.studies.study import Study
from dashboard.parts import address, export, studies, upload
from dashboard.parts.choice import has_knob
from dashboard.parts.knob import nearest_frame, show_knob
from dashboard.parts.opening import open_picture

MODES = {"calibrated": "Calibrated", "direct": "As trained"}
MODE_HELP = (
    "Calibrated: for every frame the condition is searched at which the classifier answers what was asked. "
    "As trained: the request goes to the generator as it is, and the curve shows how well it is met."
)
PURPOSE = (
    "Open a picture and turn the knob: it changes until the classifier calls it more, or less, of a finding, and the "
    "measured answer stands beside every frame."
)
HEAD_HELP = "How the changed picture is made: repainted (paper), added to (residual), or moved and shaded (morph)."


def main() -> None:
    """The whole page; every mistake of the user ends in one sentence."""
    try:
        opened = open_picture(has_knob, PURPOSE)
        if opened is not None:
            classifier_says(*opened)
    except UserError as fault:
        st.error(str(fault))


def classifier_says(study: Study, place: upload.Place) -> None:
    """What the classifier answers and how good it is; then the knob that was chosen."""
    answers = studies.answers(study.name, place.key, place.prepared)
    knobs = list(study.knobs)
    room = 3.8 if any(len(study.heads(t)) > 1 for t in knobs) else 2.0
    says, how = st.columns([max(0.5 + len(knobs), 7 - room), room], vertical_alignment="bottom")
    quality = st.container()
    address.prefer("target", "target", knobs)
    target = says.segmented_control(
        "The classifier says", knobs, key="target", required=True, on_change=address.write, kwargs={"delta": None},
        help=" ".join(place.prepared.notes) or None, persist_state="session",
        format_func=lambda t: f"{label(t).capitalize()} **{percent(answers[t])}**",
    )  # fmt: skip
    rest = ", ".join(f"{label(t)} {percent(p)}" for t, p in answers.items() if t not in knobs)
    about = study.headline(target) if target is not None else ""
    quality.caption(f"{about} Also answered, without a knob: {rest}." if rest else about)
    if target is None:
        return
    with how.container(horizontal=True, horizontal_alignment="right"):
        address.prefer("mode", "mode", list(MODES))
        mode = st.segmented_control(
            "Knob", list(MODES), key="mode", format_func=MODES.__getitem__, required=True, help=MODE_HELP,
            persist_state="session",
        )  # fmt: skip
        heads = list(study.heads(target))
        address.prefer("head", "head", heads)
        if len(heads) > 1:
            st.segmented_control("Head", heads, key="head", required=True, help=HEAD_HELP, persist_state="session")
    address.write(target=target, mode=mode, head=st.session_state.head if len(heads) > 1 else None)
    turn(study, place, studies.Turn(study.name, place.key, target, mode or "calibrated", st.session_state.head))


@st.fragment
def turn(study: Study, place: upload.Place, which: studies.Turn) -> None:
    """The knob, what it shows in words, and downloads. Only this part runs again when the knob is released."""
    try:
        sweep = studies.sweep(which, place.prepared)
    except UserError as fault:  # a fragment's errors do not reach the page around it
        st.error(str(fault))
        return
    key, last = f"knob-{which.key}", f"delta-{study.name}-{place.key}-{which.target}"
    if key not in st.session_state:  # the knob is new on the screen; while it stays there its start must not change
        wanted = st.session_state.get(last, address.asked_number("delta"))
        st.session_state[f"start-{key}"] = nearest_frame(sweep, wanted)
    frame = show_knob(studies.knob(which, place.prepared), start=st.session_state[f"start-{key}"], key=key)
    st.session_state[last] = float(sweep.delta[frame])
    address.write(delta=None if frame == sweep.origin else f"{sweep.delta[frame]:+.2f}")
    st.caption(f"This knob: {study.knob_line(which.target, which.head, which.mode)}")
    export.buttons(sweep, frame, full=lambda i: upload.full(study, place, sweep, i), key=key)


main()
