"""Bias check: does turning a knob turn something that should not matter?"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.evaluation.audit import MAIN
from core.evaluation.audit_files import verdict
from core.evaluation.published import confounding_line
from core.explainers.words import percent
from core.studies.lines import label
from core.studies.study import Study
from dashboard.parts import address, bias, cohort, studies, upload
from dashboard.parts.choice import has_oracle
from dashboard.parts.opening import choose_in_bar, picture_of

VIEWS = {"picture": "This picture", "measured": "What was measured", "cohort": "Your own cohort"}
PURPOSE = (
    "Open a picture to see whether turning a knob also turns something that should not matter, such as what another "
    f"network reads as sex. “{VIEWS['measured']}” and “{VIEWS['cohort']}” need no picture."
)


def main() -> None:
    """The whole page; every mistake of the user ends in one sentence."""
    try:
        study, bar = choose_in_bar(has_oracle)
        if study is not None:
            check(study, bar)
    except UserError as fault:
        st.error(str(fault))


def check(study: Study, bar: DeltaGenerator) -> None:
    """Which knob and which attribute; then one of three views."""
    first, second, third = st.columns([2.2, 1.4, 1.4], vertical_alignment="bottom")
    address.prefer("view_bias", "view", list(VIEWS))
    view = first.segmented_control(
        "View", list(VIEWS), key="view_bias", format_func=VIEWS.__getitem__, required=True, persist_state="session"
    )
    address.prefer("target_bias", "target", study.knobs)
    target = second.selectbox("Turn", study.knobs, key="target_bias", format_func=label)
    address.prefer("attribute", "attribute", study.oracles)
    attribute = third.selectbox(
        "and watch", study.oracles, key="attribute", format_func=label,
        help="What an oracle reads: a separate network, trained on this attribute alone.",
    )  # fmt: skip
    address.write(view=view, target=target, attribute=attribute)
    if view == "picture":
        place = picture_of(study, bar, PURPOSE)
        if place is not None:
            one_picture(study, place, target, attribute)
    elif view == "measured":
        measured(study, target, attribute)
    else:
        cohort.show(study, target, attribute, classifiers(study, target))


def classifiers(study: Study, target: str) -> list[str]:
    """The study's own, if it has this knob, and every variant that has."""
    return [MAIN, *(v for v in study.variants if target in studies.study_named(f"{study.name}:{v}").knobs)]


def one_picture(study: Study, place: upload.Place, target: str, attribute: str) -> None:
    """The sweeps of several classifiers above each other, the oracle's answer under every frame (Figure 6)."""
    names = bias.classifier_names(study.variants)
    known = classifiers(study, target)
    shown = st.multiselect(
        "Classifiers", known, default=known[1:] or known, format_func=names.__getitem__, key=f"classifiers-{study.name}"
    ) if len(known) > 1 else known  # fmt: skip
    sweeps, answers = {}, {}
    for name in shown:
        whole = study.name if name == MAIN else f"{study.name}:{name}"
        which = studies.Turn(whole, place.key, target, "calibrated", studies.study_named(whole).heads(target)[0])
        sweep = studies.sweep(which, place.prepared)
        seen = studies.oracle_answers(which, attribute, sweep)
        sweeps[name], answers[name] = sweep, seen
        title = names[name][0].upper() + names[name][1:]
        st.markdown(f"**{title}**, which gives this picture {percent(sweep.query)} {label(target)}")
        frames = bias.picked(sweep)
        for column, i in zip(st.columns(bias.FRAMES), frames, strict=False):
            lines = [f"{label(target)} {percent(sweep.achieved[i])}", f"{study.positive(attribute)} {percent(seen[i])}"]
            lines += ["(the picture)"] if i == sweep.origin else []
            column.image(sweep.views[i], width="stretch", caption="  \n".join(lines))
    if not sweeps:
        st.info("Choose a classifier to turn.")
        return
    left, right = st.columns([1.3, 1])
    figure = bias.oracle_figure(sweeps, list(answers.values()), study.positive(attribute))
    left.plotly_chart(
        figure, config={"displayModeBar": False}, alt=f"What the oracle says of {label(attribute)} as the knob turns"
    )
    right.markdown(
        f"A flat line means that this knob, on this picture, does not touch what the oracle reads as "
        f"{label(attribute)}. One picture proves nothing either way; “{VIEWS['measured']}” has the counts."
    )
    right.caption(oracle_line(study, attribute))


def measured(study: Study, target: str, attribute: str) -> None:
    """Every audit that was recorded for this pair, and the matrix of what each knob flips."""
    names = bias.classifier_names(study.variants)
    audits = study.metrics.get("audits", {}).get(attribute, {}).get(target, {})
    if not audits:
        st.info(
            f"This pair has not been measured. `contralens audit --study {study.name} --target {target} --attribute "
            f"{attribute} --data DIR --labels CSV --out DIR --record` does it."
        )
    for report in audits.values():
        st.markdown("\n".join(f"- {line}" for line in verdict(report)))
        st.caption(
            f"Split {report['split']}, knob mode {report['mode']}, 95 % intervals over pictures. "
            f"{oracle_line(study, attribute)} “Unchanged pictures” is what the oracle's own errors give; “shuffled "
            "labels” is what an attribute unrelated to the pictures would give."
        )
        if said := confounding_line(report):
            st.caption(said)
        st.dataframe(bias.table_rows(report, names, study.positive(attribute)), hide_index=True)
    matrix = study.metrics.get("discrimination")
    if matrix:
        n = next(iter(matrix["knobs"].values()))["n"]
        st.markdown(f"**What else does a knob flip?** {n} held-out pictures, each asked for the opposite answer.")
        st.plotly_chart(
            bias.matrix_figure(matrix), config={"displayModeBar": False}, alt="Share of answers each knob flips"
        )
        st.caption(
            "Beside the diagonal stands what the classifier itself ties together, or what the knob cannot leave alone."
        )


def oracle_line(study: Study, attribute: str) -> str:
    """How good the oracle is, where that was measured."""
    found = study.metrics.get("oracles", {}).get(attribute)
    if not found or found["auc"]["value"] is None:
        return f"How well the oracle reads {label(attribute)} has not been measured."
    return (
        f"The oracle reads {label(attribute)} with accuracy {found['accuracy']['value']:.1%} "
        f"({found['accuracy']['low']:.1%} to {found['accuracy']['high']:.1%}) on {found['n']} held-out pictures."
    )


main()
