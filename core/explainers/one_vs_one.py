"""One against one: why is this class o and not class t, for any baseline and any attribution.

Shih, Tien, Karnin: "GANMEX: One-vs-One Attributions using GAN-based Model Explainability", ICML 2021. The map says what
in the picture speaks for o against t, compared with a baseline; with GANMEX's the baseline is the nearest realistic
picture that the classifier calls t.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from core.attributions.methods import attribute, residual
from core.attributions.score import Score
from core.errors import UserError
from core.explainers.registry import Explainer, Progress, Subject, register
from core.explainers.results import Attribution, Provenance
from core.images.picture import Prepared


@dataclass(frozen=True)
class OneVsOneConfig:
    """Settings of one map. choice: one of the study's, by default the first; origin: the class explained, by default
    the one that is predicted; score: 'contrast' for S_o - S_t or 'own' for S_o, on logits; steps: of Integrated and
    Expected Gradients, by default their own.
    """

    choice: str | None = None
    origin: str | None = None
    baseline: str = "ganmex"
    method: str = "ig"
    score: str = "contrast"
    seed: int = 0
    steps: int | None = None


def explain(
    subject: Subject, prepared: Prepared, target: str, config: OneVsOneConfig, progress: Progress | None = None
) -> Attribution:
    """One map. target: the class t, or '' for the second most probable one.

    Raises UserError for an unknown class, choice, baseline or method, impossible steps, and a class against itself.
    """
    start = time.perf_counter()
    if not subject.choices:
        raise UserError(f"The study '{subject.name}' has no choice among several classes.")
    choice = config.choice or subject.choices[0]
    network = subject.choice(choice)
    x = torch.from_numpy(subject.seen_by(choice, prepared).tensor)[None].to(subject.device)
    with torch.no_grad():
        posterior = network.posterior(x)[0]
    order = [network.classes[int(k)] for k in posterior.argsort(descending=True)]
    origin = config.origin or order[0]
    against = target or next(c for c in order if c != origin)
    for name in (origin, against):
        if name not in network.classes:
            raise UserError(f"There is no class '{name}'; there is: {', '.join(network.classes)}.")
    if origin == against:
        raise UserError(f"A class cannot be asked against itself: '{origin}'.")
    o, t = network.classes.index(origin), network.classes.index(against)
    kind = subject.baseline(config.baseline, choice)
    score = Score(network, o, t, config.score)
    baselines = kind.of(x, o, t)
    maps = attribute(config.method, score, x, baselines, config.seed, config.steps)
    change, gap = residual(score, x, baselines, maps)
    with torch.no_grad():
        there = network.posterior(baselines[0]).mean(0)
    if progress is not None:
        progress(1, 1)
    return Attribution(
        study=subject.name, choice=choice, classes=network.classes, method=config.method, baseline=config.baseline,
        score=config.score, digest=prepared.digest, origin=origin, target=against,
        posterior=posterior.cpu().double().numpy(), baseline_posterior=there.cpu().double().numpy(),
        change=float(change[0]), residual=float(gap[0]), map=maps[0].detach().cpu().numpy(),
        picture=baselines[0].mean(0).cpu().numpy(), baselines=baselines.shape[1],
        provenance=Provenance("finished", config.seed, time.perf_counter() - start, str(subject.device)),
        steps=config.steps,
    )  # fmt: skip


register(
    Explainer(
        name="one-vs-one",
        purpose="Why this class and not that one: a signed map against a baseline, best one that is that class.",
        paper="Shih, Tien and Karnin, GANMEX: One-vs-One Attributions, ICML 2021",
        needs=("choice", "translator"),
        cost="a fraction of a second a map",
        config=OneVsOneConfig,
        run=explain,
    )
)
