"""A cohort of the user's own: a ZIP of pictures and a CSV, audited in the background."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import UserError
from core.evaluation.audit import AuditTask
from core.evaluation.audit_files import verdict
from core.evaluation.cohort_zip import CohortZip, audit_zip
from core.studies.lines import counted, label
from core.studies.study import Study
from dashboard.parts import bias
from dashboard.parts.jobs import Job
from dashboard.parts.words import duration

_PIECE = "audit"


def show(study: Study, target: str, attribute: str, classifiers: list[str]) -> None:
    """Upload, choose the column, run, read the result."""
    st.markdown(
        f"A ZIP with pictures and one CSV: a column `file`, and a column that says what each picture's "
        f"**{label(attribute)}** is (1, 0, or blank where it is not known)."
    )
    file = st.file_uploader(
        "Pictures and CSV (ZIP)", type=["zip"], key="cohort",
        help="It stays in the memory of this server while your session lasts, and is not stored.",
    )  # fmt: skip
    if file is None:
        st.caption("Larger cohorts, and whole folders: `contralens audit`.")
        return
    cohort = _opened(file.file_id, file.getvalue())
    columns = [c for c in cohort.columns if c != "file"]
    if not columns:
        raise UserError("The CSV has only the column 'file'; add one with the attribute.")
    names = bias.classifier_names(study.variants)
    first, second, third = st.columns([1.3, 2, 1.2], vertical_alignment="bottom")
    like = next((c for c in columns if c.lower() == attribute.lower()), columns[0])
    column = first.selectbox(f"Column with {label(attribute)}", columns, index=columns.index(like))
    chosen = second.multiselect(
        "Classifiers", classifiers, default=classifiers[:3], help="  \n".join(names[c] for c in classifiers)
    )
    aligned = third.toggle(
        "Already cut", value=False, disabled=study.modality != "face",
        help="The faces already have the training frame (CelebA's centre crop): look for none.",
    )  # fmt: skip
    if not chosen:
        st.info("Choose at least one classifier.")
        return
    task = AuditTask(study.name, target, attribute, tuple(chosen), aligned=aligned)
    job = _job((file.file_id, task, column), cohort)
    known = sum(bool(row[column]) for row in cohort.rows)
    st.fragment(_progress, run_every=0.8 if job.state().busy else None)(job, known, job.state().busy)
    if _PIECE in job.results:
        _result(job.results[_PIECE], names, study.positive(attribute))


def _job(which: tuple[str, AuditTask, str], cohort: CohortZip) -> Job:
    """This session's audit of a file by a task and a column; others stop, and those of other files are let go."""
    jobs: dict[tuple[str, AuditTask, str], Job] = st.session_state.setdefault("cohort_jobs", {})
    for other in [w for w in jobs if w != which]:
        jobs[other].cancel()
        if other[0] != which[0]:
            del jobs[other]
    if which not in jobs:
        _, task, column = which
        jobs[which] = Job(lambda name, progress: audit_zip(task, cohort, column, progress=progress))
    return jobs[which]


def _progress(job: Job, pictures: int, polling: bool) -> None:
    state = job.state()
    if _PIECE in job.faults:
        st.error(job.faults[_PIECE])
    if state.busy:
        left = "" if state.left is None else f", about {duration(state.left)} left"
        st.progress(state.share, text=f"Turning the knob on {pictures} pictures{left}")
        st.button("Cancel", on_click=job.cancel, key="cancel_cohort")
    elif _PIECE not in job.results:
        st.button(f"Audit {pictures} pictures", type="primary", on_click=job.ask, args=([_PIECE],), key="audit_cohort")
    if polling is not state.busy:  # the whole page decides whether this part runs by itself
        st.rerun()


def _result(report: dict[str, Any], names: dict[str, str], positive: str) -> None:
    st.markdown("\n".join(f"- {line}" for line in verdict(report)))
    st.dataframe(bias.table_rows(report, names, positive), hide_index=True)
    if report["failed"]:
        with st.expander(f"{counted(len(report['failed']), 'picture')} could not be measured"):
            st.dataframe(report["failed"], hide_index=True)
    st.download_button(
        "Numbers (JSON)", lambda: (json.dumps(report, indent=1) + "\n").encode(), "contralens-audit.json",
        "application/json", on_click="ignore",
    )  # fmt: skip


def _opened(file_id: str, data: bytes) -> CohortZip:
    """The unpacked listing, kept while the same file is there."""
    kept = st.session_state.get("cohort_zip")
    if kept is None or kept[0] != file_id:
        kept = (file_id, CohortZip(data))
        st.session_state["cohort_zip"] = kept
    return kept[1]
