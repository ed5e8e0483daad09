"""What pages compute, each thing once: cached calls into the core.

Studies are shared by all sessions. Everything made from an upload belongs to its session and goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
import torch
from PIL import Image

from core import studies
from core.attributions.methods import attribute
from core.attributions.score import Score
from core.baselines.baseline import NAMES as BASELINES
from core.classifiers.gate import GateResult
from core.errors import UserError
from core.evaluation.outlines import outline_sweep
from core.evaluation.randomisation import cascade_maps, spearman
from core.explainers.masking import at_threshold
from core.explainers.results import Attribution, MaskResult, Sweep
from core.images.picture import Picture, Prepared
from core.images.read import read_picture
from core.studies.settings import StudyInfo
from core.studies.study import Study
from dashboard.parts.jobs import Job
from dashboard.parts.knob import knob_data
from dashboard.parts.masks import cell_cost, cell_options
from dashboard.parts.panel import COLUMNS
from dashboard.parts.viewer import viewer_data

Crop = tuple[float, float, float]


def installed() -> list[StudyInfo]:
    """The studies there are. Reads a few small files; not cached, so that a new study shows at once."""
    return studies.list_studies()


@st.cache_resource(max_entries=8, show_spinner="Loading the study …")
def study_named(name: str) -> Study:
    """One opened study. Raises UserError when there is none of that name."""
    return studies.open_study(name)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the picture …")
def decoded(data: bytes, frame: int) -> Picture:
    """An upload as a picture. Raises UserError with what is wrong with it."""
    return read_picture(data, frame=frame)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Looking for the place …")
def prepared(study: str, digest: str, face: int | None, crop: Crop | None, _picture: Picture) -> Prepared:
    """The picture as the study's networks see it. Raises UserError, NoFace, SeveralFaces."""
    return study_named(study).prepare(_picture, face=face, crop=crop)


@st.cache_data(scope="session", max_entries=16, show_spinner=False)
def gate(study: str, place: str, _prepared: Prepared, _picture: Picture) -> GateResult:
    """Whether this is the study's kind of picture."""
    return study_named(study).gate(_prepared, _picture)


@st.cache_data(scope="session", max_entries=16, show_spinner="Asking the classifier …")
def answers(study: str, place: str, _prepared: Prepared) -> dict[str, float]:
    """Calibrated probability of every target."""
    return study_named(study).predict(_prepared)


@dataclass(frozen=True)
class Turn:
    """Which knob is turned on which picture. `place` names picture, face and cut together."""

    study: str
    place: str
    target: str
    mode: str
    head: str

    @property
    def key(self) -> str:
        """All of it in one string, for widgets."""
        return f"{self.place}-{self.study}-{self.target}-{self.mode}-{self.head}"


@st.cache_resource(scope="session", max_entries=6, show_spinner="Computing all frames of the knob …")
def sweep(which: Turn, _prepared: Prepared) -> Sweep:
    """All frames of one knob, in one batch."""
    study = study_named(which.study)
    result: Sweep = study.explain("exaggeration", _prepared, target=which.target, mode=which.mode, head=which.head)
    return result


@st.cache_data(scope="session", max_entries=24, show_spinner=False)
def oracle_answers(which: Turn, attribute: str, _sweep: Sweep) -> np.ndarray:
    """[K] what the oracle says of every frame of a sweep."""
    study = study_named(which.study)
    with torch.no_grad():
        return study.oracle(attribute).posterior(torch.from_numpy(_sweep.frames).to(study.device)).cpu().numpy()


@st.cache_resource(scope="session", max_entries=6, show_spinner="Packing the pictures …")
def knob(which: Turn, _prepared: Prepared) -> dict[str, Any]:
    """The same sweep, packed for the browser."""
    study, found = study_named(which.study), sweep(which, _prepared)
    outlines = outline_sweep(study.segmenter(), _prepared, found) if study.outlines else None
    return knob_data(found, _prepared, modality=study.modality, outlines=outlines)


@dataclass(frozen=True)
class Masked:
    """Which answer is explained by masks on which picture, and how fast."""

    study: str
    place: str
    target: str
    speed: str

    @property
    def key(self) -> str:
        """All of it in one string, for widgets."""
        return f"{self.place}-{self.study}-{self.target}-{self.speed}"


_JOBS = 4  # pictures or targets whose masks a session keeps


def mask_job(which: Masked, prepared: Prepared) -> tuple[Job, bool]:
    """This session's search for masks, and whether it is new. Searches for what is no longer looked at stop."""
    jobs: dict[Masked, Job] = st.session_state.setdefault("mask_jobs", {})
    for other, job in jobs.items():
        if other != which:
            job.cancel()
    fresh = which not in jobs
    if fresh:
        study = study_named(which.study)

        def work(cell: str, progress: Any) -> MaskResult:
            method, options = cell_options(cell, which.speed)
            if study.one_of_many:  # whichever class was asked about, the question is what speaks for it
                options["answer"] = "present"
            result: MaskResult = study.explain(method, prepared, target=which.target, progress=progress, **options)
            return result

        jobs[which] = Job(work, cell_cost)
        while len(jobs) > _JOBS:
            del jobs[next(iter(jobs))]
    return jobs[which], fresh


@st.cache_resource(scope="session", max_entries=24, show_spinner=False)
def recut(which: Masked, cell: str, threshold: float, _prepared: Prepared, _result: MaskResult) -> MaskResult:
    """A mask at another threshold, filled and measured anew."""
    return at_threshold(study_named(which.study), _prepared, _result, threshold)


@dataclass(frozen=True)
class Pair:
    """One question: why `origin` and not `target`, of which picture, on which score."""

    study: str
    place: str
    choice: str
    origin: str
    target: str
    score: str

    @property
    def key(self) -> str:
        """All of it in one string, for widgets."""
        return f"{self.place}-{self.study}-{self.choice}-{self.origin}-{self.target}-{self.score}"

    def with_score(self, score: str) -> Pair:
        """The same question on another score."""
        return replace(self, score=score)


@st.cache_data(scope="session", max_entries=16, show_spinner="Asking the classifier …")
def choice_answers(study: str, choice: str, place: str, _prepared: Prepared) -> dict[str, float]:
    """Calibrated probability of every class of a choice."""
    return study_named(study).ask_choice(choice, _prepared)


@st.cache_resource(scope="session", max_entries=256, show_spinner=False)
def pair_map(which: Pair, baseline: str, method: str, _prepared: Prepared) -> Attribution:
    """One map."""
    result: Attribution = study_named(which.study).explain(
        "one-vs-one", _prepared, target=which.target, choice=which.choice, origin=which.origin, baseline=baseline,
        method=method, score=which.score,
    )  # fmt: skip
    return result


@st.cache_resource(scope="session", max_entries=8, show_spinner="Computing all maps …")
def pair_maps(which: Pair, _prepared: Prepared) -> tuple[dict[str, Attribution], dict[str, str]]:
    """('baseline|method' -> map, baseline -> why there is none)."""
    found: dict[str, Attribution] = {}
    faults: dict[str, str] = {}
    for baseline in BASELINES:
        try:
            for method in COLUMNS:
                found[f"{baseline}|{method}"] = pair_map(which, baseline, method, _prepared)
        except UserError as fault:
            faults[baseline] = str(fault)
    return found, faults


@st.cache_resource(scope="session", max_entries=8, show_spinner="Redrawing weights …")
def cascade(which: Pair, baseline: str, method: str, _prepared: Prepared) -> tuple[list[float], Any, list[float]]:
    """(share of the layers redrawn, the map each time, its likeness to the first)."""
    study = study_named(which.study)
    network = study.choice(which.choice)
    o, t = network.classes.index(which.origin), network.classes.index(which.target)
    x = torch.from_numpy(_prepared.tensor)[None]
    source = study.baseline(baseline, which.choice).of(x, o, t)

    def make(net: torch.nn.Module) -> torch.Tensor:
        return attribute(method, Score(net, o, t, which.score), x, source).detach().sum(1)

    shares, maps = cascade_maps(network, make)
    return shares.tolist(), maps[:, 0], [spearman(abs(maps[0, 0]), abs(m)) for m in maps[:, 0]]


@st.cache_data(max_entries=32, show_spinner=False)
def thumbnail(study: str, sample: str, side: int = 220) -> np.ndarray:
    """[side, side] or [side, side, 3] uint8: a sample picture, small, cut square."""
    picture = read_picture(study_named(study).sample(sample))
    image = Image.fromarray(np.rint(np.clip(picture.pixels, 0, 1) * 255).astype(np.uint8))
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return np.asarray(image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS))


@st.cache_resource(scope="session", max_entries=3, show_spinner=False)
def viewer(modality: str, digest: str, _picture: Picture) -> dict[str, Any]:
    """The upload at full depth, packed for the browser."""
    return viewer_data(_picture, modality=modality)
