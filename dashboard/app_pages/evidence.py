"""Evidence: what was measured of the knobs, beside what the paper printed; the shipped results or a user's own."""

import json
from typing import Any

import streamlit as st

from core.attributions.methods import METHODS
from core.errors import UserError
from core.evaluation.published import WHY_NOT
from core.studies.lines import label
from dashboard.parts import charts, evidence
from dashboard.parts.choice import choose_study, has_knob
from dashboard.parts.gallery import three_in_a_row
from dashboard.parts.mask_table import interval
from dashboard.parts.words import knob_at

PLAIN = {"displayModeBar": False}
SALIENCY = {
    "knob": "the knob: |most − least|", "gradient": "gradient", "ig": METHODS["ig"].title, "smoothgrad": "SmoothGrad",
    "gradcam": "Grad-CAM", "fido-ssr": "FIDO-SSR", "random": "random order",
}  # fmt: skip


def main() -> None:
    """Choose a study or bring a metrics.json, then everything it holds."""
    try:
        study = choose_study(has_knob)
        if study is None:
            return
        with st.popover("Show my own results", icon=":material/upload_file:"):
            file = st.file_uploader("metrics.json, as `contralens evaluate` writes it", type=["json"], key="metrics")
        if file is None:
            show(study.metrics)
            return
        try:
            show(own(file.getvalue()))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise UserError("Parts of this metrics.json are missing or have another form than ours.") from None
    except UserError as fault:
        st.error(str(fault))


def show(metrics: dict[str, Any]) -> None:
    """Everything that a metrics.json holds of knobs."""
    if not metrics.get("knobs"):
        st.info("No knob has been measured here yet: `contralens evaluate` does it.")
        return
    for target in metrics["knobs"]:
        st.markdown(f"## {evidence.heading(target)}")
        knob(metrics, target)
        heart(metrics, target)
        saliency(metrics, target)
    ablation(metrics)


def own(data: bytes) -> dict[str, Any]:
    """An uploaded metrics.json. Raises UserError when it is something else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise UserError("This is not a JSON file; upload the metrics.json that `contralens evaluate` wrote.") from None
    if not isinstance(found, dict) or not isinstance(found.get("knobs", {}), dict):
        raise UserError("This JSON is not a metrics.json of Contralens; `contralens evaluate` writes one.")
    return found


def knob(metrics: dict[str, Any], target: str) -> None:
    """The tables of the methods and the plots of asked for against achieved."""
    heads = metrics["knobs"][target]
    rows = evidence.knob_rows(metrics, target)
    st.dataframe(rows, hide_index=True)
    first, *_ = heads.values()
    features = first.get("frechet", {}).get("features", "no network")
    st.caption(f"{evidence.about(first | {'n': first['direct']['n']})}. FD: Fréchet distance, features of {features}.")
    compared = metrics.get("rivals", {}).get(target)
    if compared is not None:
        st.markdown("**Beside xGEM and Latent Shift**, which search an autoencoder's codes; all on the same pictures")
        st.dataframe(evidence.rival_rows(metrics, target), hide_index=True)
        st.caption(
            f"{evidence.about(compared)}. A Fréchet distance over fewer pictures is larger: compare within a table."
        )
    published = evidence.paper_rows(target)
    if published:
        with st.expander("What the paper printed for its own data, and why the two may not be compared"):
            st.dataframe(published, hide_index=True)
            st.caption(WHY_NOT)
    figures = [
        charts.response(
            part["requests"], part["curve"], part.get("witness_curve"), title=knob_at(f"{target} / {head} / {mode}")
        )
        for head, found in heads.items()
        for mode, part in found.items()
        if isinstance(part, dict) and "requests" in part and "curve" in part
    ]
    three_in_a_row(figures)


def heart(metrics: dict[str, Any], target: str) -> None:
    """Heart size against the condition; the four groups and their tests (Figure 4 a, b)."""
    report = metrics.get("heart", {}).get(target)
    if report is None:
        return
    st.markdown("### Does the heart grow?")
    size = st.segmented_control(
        "Size", list(evidence.SIZES), key=f"size-{target}", default="ctr", required=True,
        format_func=evidence.SIZES.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    found = report[size]
    st.markdown(
        f"Over the whole range of probabilities asked for, the {evidence.SIZES[size]} changes by "
        f"**{interval(found['slope'], 'fine')}** a picture on average; it rises in "
        f"{interval(found['rising'], 'share')} of the {found['n']} pictures with both organs found in every frame."
    )
    left, right = st.columns(2)
    left.plotly_chart(evidence.trend_figure(report, size), config=PLAIN, alt="Heart size against the condition")
    right.plotly_chart(evidence.groups_figure(report, size), config=PLAIN, alt="Heart size in four groups")
    st.dataframe(evidence.test_rows(report, size), hide_index=True)
    dice = metrics.get("segmenter", {})
    parts = [
        f"{o} {interval(v['dice'], 'number')} (n = {v['n']})"
        for o, v in dice.items()
        if isinstance(v, dict) and "dice" in v
    ]
    st.caption(
        f"{evidence.about(report)}, {report['head']} head, {report['mode']}. Every frame was outlined anew by a U-Net"
        + (f", Dice on held-out pictures: {', '.join(parts)}." if parts else ", whose Dice has not been measured.")
        + " Groups are by the data's label; a large cohort makes any difference significant, so read the effect sizes."
    )


def saliency(metrics: dict[str, Any], target: str) -> None:
    """Deletion curves of the knob's map and of other maps (Figure 4 c)."""
    report = metrics.get("saliency", {}).get(target)
    if report is None:
        return
    st.markdown("### Does the knob point at what matters?")
    st.markdown(evidence.saliency_sentence(report, SALIENCY))
    left, right = st.columns([1.4, 1])
    left.plotly_chart(evidence.deletion_figure(report, SALIENCY), config=PLAIN, alt="Deletion curves")
    right.dataframe(evidence.saliency_rows(report, SALIENCY), hide_index=True)
    right.caption(
        f"{evidence.about(report)}. The most important pixels of each map are replaced by uniform noise, the same for "
        f"all; what falls fastest found what the classifier of {label(target)} needs, or what noise disturbs most."
    )


def ablation(metrics: dict[str, Any]) -> None:
    """Table 6, on our own data and budget."""
    for target, found in metrics.get("ablation", {}).items():
        st.markdown(f"### What do the losses do? {evidence.heading(target)}")
        st.dataframe(evidence.ablation_rows(found), hide_index=True)
        about = evidence.about(found | {"n": found["pictures"]})
        st.caption(f"{found['grid']}, head {found['head']}: {about}. {found['note']}")


main()
