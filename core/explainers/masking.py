"""What mask explainers share: which answer is explained, how a mask hides, and how a result is put together."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.classifiers.multiclass import OneClass
from core.errors import UserError
from core.explainers.registry import Subject
from core.explainers.results import MaskResult, Provenance
from core.explainers.words import percent
from core.images.picture import Prepared
from core.infills.infill import Infill, fill

DESTROYING, SUFFICIENT = "destroying", "sufficient"
ANSWERS = ("predicted", "present", "absent")
SAMPLES = 4  # fills shown for a finished mask


@dataclass(frozen=True)
class Found:
    """What an optimiser ends with, for N pictures.

    mask: [N, 1, S, S] evidence in [0, 1], 1 inside the region; trace: [steps, N] objective.
    """

    mask: Tensor
    trace: Tensor


def sign_of(f: BlackBox, x: Tensor, answer: str) -> Tensor:
    """[N] of +1 where the finding's presence is explained and -1 where its absence is.

    answer: 'predicted' takes what f says of each picture. Raises UserError for an unknown word.
    """
    if answer not in ANSWERS:
        raise UserError(f"There is no answer '{answer}' to explain; choose one of {', '.join(ANSWERS)}.")
    if answer == "predicted":
        return torch.where(says(f, x), 1.0, -1.0)
    return torch.full((len(x),), 1.0 if answer == "present" else -1.0, device=x.device)


@torch.no_grad()
def says(f: BlackBox, x: Tensor) -> Tensor:
    """[N] bool, whether the finding is f's answer: more likely than not, or the likeliest of many classes."""
    if isinstance(f, OneClass):
        return f.classifier(x).argmax(1) == f.index
    return f.posterior(x) >= 0.5


def hidden_of(region: Tensor, kind: str) -> Tensor:
    """Pixels to fill, as 0 and 1, for a region given as bool."""
    return (region if kind == DESTROYING else ~region).float()


def area_penalty(mask: Tensor, area: Tensor) -> Tensor:
    """[N] mean squared difference of the sorted mask and (0, ..., 0, 1, ..., 1) with a share `area` [N] of ones."""
    ordered = mask.flatten(1).sort(1).values
    place = (torch.arange(ordered.shape[1], device=mask.device) + 0.5) / ordered.shape[1]
    wanted = (place[None] > 1 - area[:, None]).to(ordered)
    return (ordered - wanted).square().mean(1)


@torch.no_grad()
def measure(f: BlackBox, infill: Infill, x: Tensor, hidden: Tensor, samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Fill and ask f. x: [N, C, S, S]; hidden: [N, 1, S, S] of 0 and 1 -> ([N, K, C, S, S], [N, K])."""
    generator = torch.Generator(x.device).manual_seed(seed)
    fills = fill(infill, x, hidden, samples if infill.stochastic else 1, generator)
    return fills, f.posterior(fills.flatten(0, 1)).view(fills.shape[:2])


@dataclass(frozen=True)
class Work:
    """One picture on its way through a mask explainer."""

    subject: Subject
    prepared: Prepared
    target: str
    method: str
    kind: str
    f: BlackBox
    infill: Infill
    x: Tensor  # [1, C, S, S]
    sign: Tensor  # [1]
    config: Any
    start: float


def begin(subject: Subject, prepared: Prepared, target: str, method: str, kind: str, config: Any) -> Work:
    """Everything an optimiser needs. Raises UserError for what the study lacks or the settings get wrong."""
    if config.steps < 1:
        raise UserError(f"{method} needs at least one step, not {config.steps}.")
    start = time.perf_counter()
    f, infill = subject.blackbox(target), subject.infill(config.infill)
    x = torch.from_numpy(prepared.tensor)[None].to(subject.device)
    return Work(subject, prepared, target, method, kind, f, infill, x, sign_of(f, x, config.answer), config, start)


def finish(
    work: Work,
    found: Found,
    *,
    threshold: float = 0.5,
    ladder: tuple[tuple[float, float], ...] = (),
    note: dict[str, Any] | None = None,
) -> MaskResult:
    """Threshold the mask, fill, ask f again, and say what came of it."""
    result = MaskResult(
        study=work.subject.name, target=work.target, method=work.method, kind=work.kind, infill=work.infill.name,
        digest=work.prepared.digest, query=float(work.f.posterior(work.x)[0]), answer=bool(work.sign[0] > 0),
        threshold=threshold, area=0.0, after=found.trace[:0, 0].cpu().numpy(), succeeded=False,
        settings=asdict(work.config) | (note or {}), ladder=ladder,
        mask=found.mask[0, 0].detach().float().cpu().numpy(), fills=work.prepared.tensor[None][:0],
        trace=found.trace[:, 0].detach().double().cpu().numpy(),
        provenance=Provenance("", work.config.seed, 0.0, str(work.subject.device)),
    )  # fmt: skip
    done = at_threshold(work.subject, work.prepared, result, threshold)
    return replace(done, provenance=replace(done.provenance, seconds=time.perf_counter() - work.start))


def at_threshold(
    subject: Subject, prepared: Prepared, result: MaskResult, threshold: float, samples: int = SAMPLES
) -> MaskResult:
    """The same mask cut at another threshold, filled and measured anew."""
    mask = torch.from_numpy(result.mask)[None, None].to(subject.device)
    region = mask > threshold
    x = torch.from_numpy(prepared.tensor)[None].to(subject.device)
    f = subject.blackbox(result.target)
    infill, seed = subject.infill(result.infill), result.provenance.seed
    fills, after = measure(f, infill, x, hidden_of(region, result.kind), samples, seed)
    mean = float(after.mean())
    stands = float((says(f, fills[0]) == result.answer).float().mean()) >= 0.5
    given = bool(says(f, x)[0]) == result.answer  # an answer that was never given cannot be destroyed
    succeeded = stands if result.kind == SUFFICIENT else given and not stands
    area = float(region.float().mean())
    blank, vacuous = None, False
    if result.kind == SUFFICIENT:
        filled, answers = measure(f, infill, x, torch.ones_like(mask), samples, seed)
        blank = float(answers.mean())
        vacuous = float((says(f, filled[0]) == result.answer).float().mean()) >= 0.5
    said = _sentence(result, mean, area, threshold, succeeded, given)
    if succeeded and vacuous and blank is not None and area:
        said += f"; but with nothing shown the fill alone gives this answer too ({percent(blank)}): it says little"
    elif succeeded and blank is not None and area:
        said += f"; with nothing shown the fill alone gives {percent(blank)}"
    return replace(
        result, blank=blank, threshold=threshold, area=area, succeeded=succeeded, after=after[0].cpu().numpy(),
        fills=fills[0].cpu().numpy(),
        provenance=replace(result.provenance, stop=said),
    )  # fmt: skip


def _sentence(result: MaskResult, mean: float, area: float, threshold: float, succeeded: bool, given: bool) -> str:
    """What came of it, in words."""
    moved = f"takes the classifier from {percent(result.query)} to {percent(mean)}"
    share = f"{percent(area)} of the picture"
    if area == 0 and not (result.kind == SUFFICIENT and succeeded):
        return f"finished without a region: {_why_empty(result, threshold)}"
    if result.kind == DESTROYING:
        if not given:
            return f"finished, but the answer is not given, so there is nothing to destroy: hiding {share} {moved}"
        if succeeded:
            return f"finished: hiding {share} {moved} and flips the answer"
        return f"finished, but the answer stands: hiding {share} {moved}"
    if area == 0:
        return "finished without a region: the classifier gives this answer even with everything filled in"
    if succeeded:
        return f"finished: {share} alone suffices for the answer: filling the rest {moved}"
    return f"finished, but {share} alone does not suffice: filling the rest {moved}"


def _why_empty(result: MaskResult, threshold: float) -> str:
    """Why there is no region at a threshold."""
    if float(result.mask.max()) > 0.5 or "sparsity" not in result.settings:
        return f"nothing in the mask lies above {threshold:g}; its greatest value is {float(result.mask.max()):.2f}"
    return (
        f"no region is worth to the classifier ({percent(result.query)}) what it costs; a smaller sparsity than "
        f"{result.settings['sparsity']:g} allows a larger one"
    )
