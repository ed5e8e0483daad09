"""Masks: which region decides. Every method with every infill, on one picture, on one scale."""

import streamlit as st

from core.errors import UserError
from core.explainers.presets import PRESETS
from core.explainers.results import MaskResult
from core.explainers.words import percent
from core.infills.infill import TITLES
from core.studies.lines import label
from core.studies.study import Study
from dashboard.parts import address, mask_export, studies, upload
from dashboard.parts.choice import can_answer
from dashboard.parts.jobs import Job, State
from dashboard.parts.mask_table import measured
from dashboard.parts.masks import ROWS, cell_cost, cell_name, cell_of, detail_data, grid_data, show_masks
from dashboard.parts.opening import open_picture
from dashboard.parts.words import duration

SPEEDS = {"quick": "Quick", "paper": "As published"}
SPEED_HELP = (
    "As published: 300 steps, 8 masks a step for FIDO. Quick: a tenth of the work; how much its masks differ is "
    "in the measurements below."
)

PURPOSE = (
    "Open a picture to see which region decides: what, had it been hidden, would most have changed the answer, and "
    "what alone would keep it, with several ways of filling in the hidden part."
)


def main() -> None:
    """The whole page; every mistake of the user ends in one sentence."""
    try:
        opened = open_picture(can_answer, PURPOSE)
        if opened is not None:
            explain(*opened)
    except UserError as fault:
        st.error(str(fault))


def explain(study: Study, place: upload.Place) -> None:
    """What to explain and how fast; then the grid."""
    answers = studies.answers(study.name, place.key, place.prepared)
    says, how = st.columns([5, 1.6], vertical_alignment="bottom")
    address.prefer("mask_target", "target", list(answers))
    target = says.segmented_control(
        "The classifier says", list(answers), key="mask_target", required=True, persist_state="session",
        format_func=lambda t: f"{label(t).capitalize()} **{percent(answers[t])}**",
        help=" ".join(place.prepared.notes) or None,
    )  # fmt: skip
    if target is None:
        return
    if study.one_of_many:
        asked = f"Explained is what speaks for **{label(target)}**."
        st.caption(f"The likeliest of {len(study.targets)} classes. {asked}")
    else:
        explained = label(target) if answers[target] >= 0.5 else f"no {label(target)}"
        st.caption(f"Explained is the answer it gives: **{explained}**. {study.headline(target)}")
    with how.container(horizontal=True, horizontal_alignment="right"):
        address.prefer("speed", "speed", list(SPEEDS))
        speed = st.segmented_control(
            "Search", list(PRESETS), key="speed", format_func=SPEEDS.__getitem__, required=True, help=SPEED_HELP,
            persist_state="session",
        )  # fmt: skip
    address.write(target=target, speed=speed)
    which = studies.Masked(study.name, place.key, target, speed or "quick")
    job, fresh = studies.mask_job(which, place.prepared)
    if fresh:  # one column at once, so that there is something to look at
        job.ask([cell_name(row.key, study.infills[-1]) for row in ROWS])
    every = 0.8 if job.state().busy else None
    st.fragment(grid, run_every=every)(study, place, which, job, answers[target], every is not None)
    with st.expander("How good are these masks? What was measured on held-out pictures"):
        measured(study, target)


def grid(study: Study, place: upload.Place, which: studies.Masked, job: Job, query: float, polling: bool) -> None:
    """Progress, the grid, and the chosen cell. Runs by itself while there is work."""
    state = job.state()
    cells = [cell_name(row.key, infill) for row in ROWS for infill in study.infills]
    toolbar(job, state, cells)
    results: dict[str, MaskResult] = dict(job.results)
    data = grid_data(
        place.prepared, which.target, study.infills, results, query=query, modality=study.modality, key=which.key
    )
    chosen_key, cut_key = f"chosen-{which.key}", f"cut-{which.key}"
    chosen = st.session_state.get(chosen_key) or next(iter(results), None)  # what was finished first
    detail = None
    if chosen in results:
        try:
            detail = cut(study, place, which, chosen, results[chosen], st.session_state.get(cut_key))
        except UserError as fault:  # a fragment's errors do not reach the page around it
            st.error(str(fault))
            detail = results[chosen]
        data["detail"] = detail_data(chosen, detail)
    data |= {"chosen": chosen, "states": states(job, state, cells)}

    def choose(cell: str) -> None:
        st.session_state[chosen_key] = cell
        if cell not in job.results:
            job.ask([cell], first=True)

    def release(cell: str, threshold: float) -> None:
        st.session_state[cut_key] = (cell, threshold)

    show_masks(data, key=f"masks-{which.key}", on_cell=choose, on_cut=release)
    if detail is not None and chosen is not None:
        mask_export.buttons(detail, place.prepared, key=f"{which.key}-{chosen}")
    if polling is not state.busy:  # the whole page decides whether this part runs by itself
        st.rerun()


def toolbar(job: Job, state: State, cells: list[str]) -> None:
    """What is running, how long it takes, and how to stop or go on."""
    missing = [c for c in cells if c not in job.results]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if state.busy:
            row, infill = cell_of(state.running or state.waiting[0])
            left = "" if state.left is None else f", about {duration(state.left)} left"
            what = "waiting for other work" if state.queued_behind else f"{row.title}, {TITLES[infill].lower()}"
            st.progress(state.share, text=f"Searching: {what}; {len(state.waiting)} more waiting{left}")
            st.button("Cancel", on_click=job.cancel, help="What is finished stays.", key="cancel_masks")
        if missing and not (state.busy and len(state.waiting) >= len(missing) - 1):
            pace = job.pace()
            about = "" if pace is None else f" · about {duration(pace * sum(map(cell_cost, missing)))}"
            st.button(
                f"Compute all {len(cells)} cells{about}" if len(missing) == len(cells) else
                f"Compute the other {len(missing)} cells{about}",
                on_click=job.ask, args=(missing,), key="all_masks",
            )  # fmt: skip


def states(job: Job, state: State, cells: list[str]) -> dict[str, dict[str, str]]:
    """Cells without a result and what to say in them."""
    found = {}
    for cell in cells:
        if cell == state.running:
            found[cell] = {"kind": "busy", "text": "searching …"}
        elif cell in state.waiting:
            found[cell] = {"kind": "busy", "text": "waiting"}
        elif cell in job.faults:
            found[cell] = {"kind": "fault", "text": job.faults[cell]}
    return found


def cut(
    study: Study, place: upload.Place, which: studies.Masked, cell: str, result: MaskResult,
    wanted: tuple[str, float] | None,
) -> MaskResult:  # fmt: skip
    """The result at the threshold its slider was left at."""
    if wanted is None or wanted[0] != cell or wanted[1] == result.threshold:
        return result
    return studies.recut(which, cell, wanted[1], place.prepared, result)


main()
