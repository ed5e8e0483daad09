"""The δ knob: open a picture, see what the classifier says, turn the knob, watch the picture change."""

from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.images.picture import Picture
from core.studies.study import Study, label
from dashboard.parts import address, export, studies, upload
from dashboard.parts.choice import choose_study
from dashboard.parts.knob import nearest_frame, show_knob
from dashboard.parts.viewer import show_viewer
from dashboard.parts.words import percent

CARD = Path(__file__).with_name("card.py")
MODES = {"direct": "As trained", "calibrated": "Calibrated"}
MODE_HELP = (
    "As trained: the request goes to the generator as it is, and the curve shows how well it is met. "
    "Calibrated: for every frame the condition is searched at which the classifier answers what was asked."
)


def main() -> None:
    """The whole page; every mistake of the user ends in one sentence."""
    try:
        study = choose_study()
        if study is None:
            return
        source = upload.chosen(study)
        address.write(sample=source.sample if source else None)
        if source is None:
            st.markdown(f"## {study.title}\n{study.summary}")
            upload.choose(study, where="page")
            return
        picture = upload.read(source)
        inspect = picture_bar(study, picture, source)
        if picture is None:
            return
        if inspect:
            show_viewer(studies.viewer(study.modality, picture.digest, picture), key=f"viewer-{picture.digest[:24]}")
            return
        place = upload.locate(study, picture)
        if place is not None and upload.passes(study, place, picture):
            target, mode = classifier_says(study, place)
            if target is not None:
                turn(study, place, target, mode)
    except UserError as fault:
        st.error(str(fault))


def picture_bar(study: Study, picture: Picture | None, source: upload.Source) -> bool:
    """One line about the picture with what can be done about it; True to inspect the upload instead of the knob."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(upload.line(picture, source, study), width="stretch")
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
    return inspect


def classifier_says(study: Study, place: upload.Place) -> tuple[str | None, str]:
    """What the classifier answers, its measured quality, and which knob to turn in which mode."""
    answers = studies.answers(study.name, place.key, place.prepared)
    knobs = list(dict.fromkeys(study.knobs))  # a target may have several heads
    address.prefer("target", "target", knobs)
    address.prefer("mode", "mode", list(MODES))
    says, quality, how = st.columns([0.5 + len(knobs), max(1.5, 5 - len(knobs)), 1.5], vertical_alignment="bottom")
    target = says.segmented_control(
        "The classifier says", knobs, key="target", required=True, on_change=address.write, kwargs={"delta": None},
        help=" ".join(place.prepared.notes) or None,
        format_func=lambda t: f"{label(t).capitalize()} **{percent(answers[t])}**",
    )  # fmt: skip
    rest = ", ".join(f"{label(t)} {percent(p)}" for t, p in answers.items() if t not in knobs)
    about = f"Calibrated probability. {study.headline(target)}" if target is not None else ""
    quality.caption(f"{about} Also answered, without a knob: {rest}." if rest else about)
    mode = how.segmented_control(
        "Knob", list(MODES), key="mode", format_func=MODES.__getitem__, required=True, help=MODE_HELP
    )
    address.write(target=target, mode=mode)
    return target, mode or "direct"


@st.fragment
def turn(study: Study, place: upload.Place, target: str, mode: str) -> None:
    """The knob, what it shows in words, and downloads. Only this part runs again when the knob is released."""
    sweep = studies.sweep(study.name, place.key, target, mode, place.prepared)
    data = studies.knob(study.name, place.key, target, mode, place.prepared)
    key = f"knob-{place.key}-{study.name}-{target}-{mode}"
    last = f"delta-{place.key}-{study.name}-{target}"
    if key not in st.session_state:  # the knob is new on the screen; while it stays there its start must not change
        wanted = st.session_state.get(last, address.asked_number("delta"))
        st.session_state[f"start-{key}"] = nearest_frame(sweep, wanted)
    frame = show_knob(data, start=st.session_state[f"start-{key}"], key=key)
    st.session_state[last] = float(sweep.delta[frame])
    address.write(delta=None if frame == sweep.origin else f"{sweep.delta[frame]:+.2f}")
    export.buttons(sweep, frame, key=key)


main()
