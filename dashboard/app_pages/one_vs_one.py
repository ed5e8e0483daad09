"""One against one: why this class and not that one, through every baseline and attribution side by side."""

from dataclasses import replace

import streamlit as st

from core.attributions.methods import METHODS
from core.baselines.baseline import NAMES
from core.baselines.baseline import TITLES as BASELINE_TITLES
from core.errors import UserError
from core.explainers.map_figure import map_picture, shared_limit, tensor_picture
from core.explainers.words import percent
from core.studies.lines import label
from core.studies.study import Study
from dashboard.parts import address, studies, trust, upload
from dashboard.parts.choice import has_choice
from dashboard.parts.opening import open_picture
from dashboard.parts.panel import panel_data, residual_note, show_panel

MODES = {"compare": "Compare explainers", "mistake": "Debug a mistake"}
SCORES = {"contrast": "this class minus the other", "own": "this class alone"}
SCORE_HELP = (
    "What is explained, on logits: the difference of the two classes' scores (one against one), or the score of the "
    "first class whatever the other one is (one against all, except for the baseline)."
)

PURPOSE = (
    "Open a picture to see why the classifier chose this class and not that one, with every baseline and every "
    "attribution method side by side."
)


def main() -> None:
    """The whole page; every mistake of the user ends in one sentence."""
    try:
        opened = open_picture(has_choice, PURPOSE)
        if opened is not None:
            compare(*opened)
    except UserError as fault:
        st.error(str(fault))


def compare(study: Study, place: upload.Place) -> None:
    """Which classes; then the panel, or the mistake."""
    choice = study.choices[0]
    place = replace(place, prepared=study.seen_by(choice, place.prepared))
    answers = studies.choice_answers(study.name, choice, place.key, place.prepared)
    order = sorted(answers, key=answers.__getitem__, reverse=True)
    first, second, third, fourth = st.columns([1.7, 1.7, 1.7, 1.6], vertical_alignment="bottom")
    address.prefer("mode_ovo", "view", list(MODES))
    mode = first.segmented_control(
        "View", list(MODES), key="mode_ovo", format_func=MODES.__getitem__, required=True, persist_state="session"
    )
    address.write(view=mode)

    def named(name: str) -> str:
        return f"{label(name)}, {percent(answers[name])}"

    predicted = order[0]
    if mode == "mistake":
        second.markdown(f"The classifier says **{named(predicted)}**")
        origin = predicted
        target = third.selectbox("It should be", order[1:], key=f"should-{place.key}", format_func=named)
    else:
        origin = second.selectbox("Why is this", order, key=f"from-{place.key}", format_func=named)
        target = third.selectbox(
            "and not", [c for c in order if c != origin], key=f"to-{place.key}-{origin}", format_func=named
        )
    address.prefer("score", "score", list(SCORES))
    score = fourth.segmented_control(
        "Score", list(SCORES), key="score", format_func={"contrast": "S − S′", "own": "S"}.__getitem__,
        help=SCORE_HELP, required=True, persist_state="session",
    )  # fmt: skip
    address.write(score=score)
    which = studies.Pair(study.name, place.key, choice, str(origin), str(target), str(score))
    if mode == "mistake":
        mistake(study, place, which, answers)
    else:
        panel(study, place, which)
    with st.expander("Can I trust this map?", expanded=False):
        trust.measured(study, choice)


@st.fragment
def panel(study: Study, place: upload.Place, which: studies.Pair) -> None:
    """All maps of one question, and the chosen one large beside its one-against-all."""
    found, faults = studies.pair_maps(which, place.prepared)
    key = f"ovo-{which.key}"
    known = [name for name in found if name.startswith("ganmex|")] or list(found)
    chosen = st.session_state.get(f"chosen-{key}", known[0])
    data = panel_data(place.prepared.tensor, found, faults, rows=NAMES, key=which.key, chosen=chosen)

    def choose(cell: str) -> None:
        st.session_state[f"chosen-{key}"] = cell

    show_panel(data, key=key, on_cell=choose)
    large(study, place, which, chosen)


def large(study: Study, place: upload.Place, which: studies.Pair, chosen: str) -> None:
    """One map: one against one beside one against all, and what is left of it when weights are redrawn."""
    baseline, method = chosen.split("|")
    maps = {kind: studies.pair_map(which.with_score(kind), baseline, method, place.prepared) for kind in SCORES}
    limit = shared_limit([m.flat for m in maps.values()])
    st.markdown(f"**{METHODS[method].title} against {_in_words(BASELINE_TITLES[baseline])}**")
    columns = st.columns(5)
    there = maps["own"].baseline_posterior[_index(maps, which.target)]
    columns[0].image(tensor_picture(place.prepared.tensor), caption="the picture", width="stretch")
    columns[1].image(
        tensor_picture(maps["own"].picture), caption=f"the baseline: {label(which.target)} {percent(there)}",
        width="stretch",
    )  # fmt: skip
    for column, kind in zip(columns[2:4], SCORES, strict=True):
        other = label(which.target) if kind == "contrast" else "all"
        title = f"{label(which.origin)} against {other}: {residual_note(maps[kind])}"
        column.image(map_picture(maps[kind], limit), width="stretch", caption=title)
    with columns[4]:
        result = maps[which.score]
        st.caption(
            f"Scale ±{limit:g} {METHODS[method].units}; orange speaks for {label(which.origin)}, blue for "
            f"{label(which.target)}. S(picture) − S(baseline) = {result.change:+.2f} logits. {METHODS[method].paper}."
        )
        with st.popover("Redraw the network's weights"):
            trust.cascade_strip(study, place, which, baseline, method)
    trust.download(result, key=f"{which.key}-{chosen}")


def mistake(study: Study, place: upload.Place, which: studies.Pair, answers: dict[str, float]) -> None:
    """(predicted, correct): what a correct one would look like to the classifier, and what speaks against it."""
    if "ganmex" not in study.baselines:
        st.info("This needs a trained translator; `contralens train ganmex` makes one.")
        return
    maps = {m: studies.pair_map(which, "ganmex", m, place.prepared) for m in ("ig", "deeplift", "occlusion")}
    one = maps["ig"]
    limit = shared_limit([m.flat for m in maps.values()])
    columns = st.columns(5)
    right = one.baseline_posterior[_index(maps, which.target)]
    columns[0].image(
        tensor_picture(place.prepared.tensor), width="stretch",
        caption=f"what was uploaded: {label(which.origin)} {percent(answers[which.origin])}, "
        f"{label(which.target)} {percent(answers[which.target])}",
    )  # fmt: skip
    columns[1].image(
        tensor_picture(one.picture),
        width="stretch",
        caption=f"a near picture that the classifier calls {label(which.target)}, by the translator: {percent(right)}",
    )
    for column, (method, found) in zip(columns[2:], maps.items(), strict=True):
        column.image(
            map_picture(found, limit), width="stretch", caption=f"{METHODS[method].title}: {residual_note(found)}"
        )
    st.caption(
        f"Orange is what made the classifier say {label(which.origin)} rather than {label(which.target)}; blue is what "
        f"spoke for {label(which.target)} all along. Scale ±{limit:g} logits a pixel."
    )
    trust.download(one, key=f"mistake-{which.key}")


def _in_words(title: str) -> str:
    """A title inside of a sentence; an acronym keeps its capitals."""
    return title if title.isupper() else title.lower()


def _index(maps: dict, name: str) -> int:
    return int(next(iter(maps.values())).classes.index(name))


main()
