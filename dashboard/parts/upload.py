"""Which picture: an upload or a sample, its frame, its face, and whether it is the study's kind of picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from core.errors import UserError
from core.explainers.render import full_picture, to_bytes
from core.explainers.results import Sweep
from core.images.picture import Picture, Prepared
from core.images.prepare import NoFace, SeveralFaces
from core.studies.study import Study
from dashboard.parts import address, studies
from dashboard.parts.charts import boxes
from dashboard.parts.viewer import facts

_SOURCE = "source"
KINDS = {
    "chest": "frontal chest x-ray", "face": "photograph of a face", "digit": "picture of one handwritten digit",
    "photo": "photograph of anything",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where the bytes come from. `sample` is None for an upload; no file name is kept.

    number counts what was opened in this session, so that widgets about one picture do not speak of the next.
    """

    data: bytes
    sample: str | None = None
    frame: int = 0
    number: int = 0


def chosen(study: Study) -> Source | None:
    """The picture of this session, or the sample the address asks for, or None."""
    source: Source | None = st.session_state.get(_SOURCE)
    names = {s.name for s in study.samples}
    if source is not None and (source.sample is None or source.sample in names):
        return source
    wanted = address.asked("sample")
    if wanted in names:
        st.session_state[_SOURCE] = Source(study.sample(wanted or ""), wanted)
    else:
        st.session_state.pop(_SOURCE, None)
    return st.session_state.get(_SOURCE)


def choose(study: Study, *, where: str) -> None:
    """Draw the uploader and the samples. A choice is kept in the session and the page runs again.

    where: makes the widgets' keys unique, because the same choice is offered on the page and in a dialog.
    """
    kind = KINDS.get(study.modality, "picture")
    file = st.file_uploader(
        f"Upload a {kind}: PNG, JPEG, TIFF, WebP or DICOM",
        type=None,  # by content, not by name: DICOM files often have no extension
        key=f"upload_{where}",
        help="It stays in the memory of this server while your session lasts, and is not stored.",
    )
    if file is not None and file.file_id != st.session_state.get("upload_seen"):
        st.session_state.upload_seen = file.file_id
        _take(Source(file.getvalue()))
    if study.samples:
        st.markdown("or open a sample")
        columns = st.columns(max(4, len(study.samples)))
        for column, sample in zip(columns, study.samples, strict=False):
            with column:
                try:
                    st.image(studies.thumbnail(study.name, sample.name), width="stretch", alt=sample.title)
                    if st.button(sample.title, key=f"sample_{where}_{sample.name}", width="stretch"):
                        _take(Source(study.sample(sample.name), sample.name))
                    st.caption(sample.credit)
                except UserError as fault:
                    st.caption(str(fault))


def choose_in_dialog(study: Study) -> None:
    """The same, over the page."""
    st.dialog("Open a picture", width="large")(choose)(study, where="dialog")


def _take(source: Source) -> None:
    st.session_state.opened = st.session_state.get("opened", 0) + 1
    st.session_state[_SOURCE] = replace(source, number=st.session_state.opened)
    address.write(delta=None)
    st.rerun()


def read(source: Source) -> Picture | None:
    """The decoded picture, with a frame to choose where the file has several; None after saying what is wrong."""
    try:
        picture = studies.decoded(source.data, source.frame)
        if picture.frames > 1:
            frame = st.number_input(
                f"Frame, 1 to {picture.frames}", 1, picture.frames, source.frame + 1, key=f"frame_{source.number}"
            )
            if int(frame) - 1 != source.frame:
                # Only a frame that can be read is kept: the field to choose another must come back.
                picture = studies.decoded(source.data, int(frame) - 1)
                st.session_state[_SOURCE] = replace(source, frame=int(frame) - 1)
    except UserError as fault:
        st.error(str(fault))
        return None
    return picture


def line(picture: Picture | None, source: Source, study: Study) -> str:
    """The picture in a line: which sample, or 'your picture', and what the file says."""
    title = next((s.title for s in study.samples if s.name == source.sample), "Your picture")
    if picture is None:
        return f"**{title}** could not be read."
    return "  \n".join([f"**{title}** · {facts(picture)}", *(f":orange[{text}]" for text in picture.warnings)])


@dataclass(frozen=True)
class Place:
    """Where in the picture the classifier looks. `key` names picture and place together, for caches."""

    prepared: Prepared
    key: str
    picture: Picture
    face: int | None = None
    crop: studies.Crop | None = None


def locate(study: Study, picture: Picture) -> Place | None:
    """The prepared picture; asks which face, or for a cut by hand, where that is open. None while it is."""
    face_key, crop_key = f"face_{picture.digest[:16]}", f"crop_{picture.digest[:16]}"
    face, crop = st.session_state.get(face_key), st.session_state.get(crop_key)
    try:
        prepared = studies.prepared(study.name, picture.digest, face, crop, picture)
    except SeveralFaces as several:
        st.info(str(several))
        numbers = list(range(1, len(several.faces) + 1))
        choice = st.segmented_control("Which face?", numbers, key="which_face")
        if choice is not None:
            st.session_state[face_key] = choice - 1
            st.rerun()
        found = [(int(a), int(b), int(c), int(d)) for a, b, c, d in (face.box for face in several.faces)]
        st.image(boxes(picture.pixels, found), width=640, alt=f"The picture with {len(numbers)} numbered faces")
        return None
    except NoFace as none:
        st.warning(str(none))
        cut = _cut_by_hand(picture)
        if cut is not None:
            st.session_state[crop_key] = cut
            st.rerun()
        return None
    except UserError as fault:
        st.error(str(fault))
        return None
    return Place(prepared, f"{picture.digest[:24]}-{face}-{crop}", picture, face, crop)


def full(study: Study, place: Place, sweep: Sweep, frame: int) -> np.ndarray:
    """The whole upload at its own size with one frame's change in it, uint8. Made for a download, so not kept."""
    prepared = study.prepare(place.picture, face=place.face, crop=place.crop, full=True)
    return full_picture(place.picture, prepared, sweep, frame)


def start_again(picture: Picture) -> None:
    """Forget which face or cut was chosen for this picture."""
    for name in ("face", "crop"):
        st.session_state.pop(f"{name}_{picture.digest[:16]}", None)


def placed_by_hand(picture: Picture) -> bool:
    """Whether a face or a cut was chosen for this picture."""
    return any(f"{name}_{picture.digest[:16]}" in st.session_state for name in ("face", "crop"))


def _cut_by_hand(picture: Picture) -> studies.Crop | None:
    """Sliders and a preview for a square around a face; the square once it is confirmed."""
    height, width = picture.size
    left, right = st.columns([1, 1])
    with left:
        x = st.slider("Middle of the face, from the left", 0.0, 1.0, 0.5, 0.01, key="cut_x")
        y = st.slider("Middle of the face, from the top", 0.0, 1.0, 0.5, 0.01, key="cut_y")
        side = st.slider("Side of the square, against the shorter side", 0.1, 1.0, 0.8, 0.01, key="cut_side")
        done = st.button("Use this square", type="primary", key="cut_done")
    half = side * min(height, width) / 2
    box = (int(x * width - half), int(y * height - half), int(x * width + half), int(y * height + half))
    with right:
        st.image(boxes(picture.pixels, [box]), width=420, alt="The picture with the square that will be used")
    return (x, y, side) if done else None


def passes(study: Study, place: Place, picture: Picture) -> bool:
    """Whether this is the study's kind of picture; says so where it is not."""
    result = studies.gate(study.name, place.key, place.prepared, picture)
    if not result.ok:
        st.warning(result.sentence)
        st.image(
            to_bytes(place.prepared.view), width=320, caption="What was read", alt="The picture that was turned away"
        )
    return bool(result.ok)
