"""`contralens bench`, the part about one against one: all maps of a picture, and Integrated Gradients alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from core.commands.bench_memory import BASELINES, MANY, deepshap_memory

WANTED_RATIO = 1.2  # of our Integrated Gradients' time to captum's


def median(work: Callable[[], Any], rounds: int, device: str) -> float:
    """Median seconds of `work`, after one run that does not count."""
    times = [_seconds(work, device) for _ in range(rounds + 1)]
    return round(statistics.median(times[1:]), 4)


def panel(study: Any, rounds: int, device: str) -> dict[str, Any]:
    """Every attribution against every baseline there is, for the study's first sample; `missing` ones are not timed."""
    from core.attributions.methods import METHODS
    from core.baselines.baseline import NAMES
    from core.images.read import read_picture

    prepared = study.prepare(read_picture(study.sample(study.samples[0].name)))
    prepared = study.seen_by(study.choices[0], prepared)
    methods = [m for m in METHODS if m != "gradient"]

    def all_maps() -> None:
        for baseline in study.baselines:
            for method in methods:
                study.explain("one-vs-one", prepared, target="", baseline=baseline, method=method)

    first = study.baselines[0]
    return {
        "maps": len(methods) * len(study.baselines),
        "maps_in_full": len(methods) * len(NAMES),
        "missing": [name for name in NAMES if name not in study.baselines],
        "seconds": median(all_maps, min(rounds, 3), device),
        "ig_seconds": median(
            partial(study.explain, "one-vs-one", prepared, target="", baseline=first, method="ig"), rounds, device
        ),
        "captum": against_captum(study, prepared, rounds, device),
        "deepshap_megabytes": deepshap_memory(study.folder, device),
    }


def against_captum(study: Any, prepared: Any, rounds: int, device: str) -> dict[str, Any] | None:
    """Seconds of Integrated Gradients alone, ours and captum's, on the same network, picture, baseline and gradients.

    Both in turn, so that whatever else the machine does slows both. `ratio` is the median of the rounds' quotients.
    None where captum is not installed.
    """
    import torch

    from core.attributions.integrated import STEPS, integrated_gradients
    from core.attributions.score import Score

    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        return None
    network = study.choice(study.choices[0])
    x = torch.from_numpy(prepared.tensor)[None].to(study.device)
    origin = int(network(x).argmax())
    black, score, theirs = torch.zeros_like(x), Score(network, origin, origin, "own"), IntegratedGradients(network)

    def ours() -> None:
        integrated_gradients(score, x, black[:, None], STEPS)

    def captums() -> None:
        # It counts places, of which there is one more than steps.
        theirs.attribute(x, black, target=origin, n_steps=STEPS + 1, method="riemann_trapezoid")

    pairs = [(_seconds(ours, device), _seconds(captums, device)) for _ in range(rounds + 1)][1:]
    return {
        "steps": STEPS,
        "ours_seconds": round(statistics.median(a for a, _ in pairs), 4),
        "captum_seconds": round(statistics.median(b for _, b in pairs), 4),
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
    }


def print_panel(name: str, numbers: dict[str, Any]) -> None:
    """What `panel` found, for people."""
    print(f"{name}: one against one")
    missing = f", without {', '.join(numbers['missing'])}" if numbers["missing"] else ""
    print(f"  all maps of one picture                      {numbers['seconds']:.2f} s", end="")
    print(f"   ({numbers['maps']} of {numbers['maps_in_full']}{missing})")
    print(f"  Integrated Gradients, baseline and all       {numbers['ig_seconds']:.3f} s")
    captum = numbers["captum"]
    if captum is None:
        print("  Integrated Gradients against captum's        not timed, captum is not installed")
    else:
        print(
            f"  Integrated Gradients against captum's        {captum['ratio']:.2f} times the time   "
            f"({captum['ours_seconds']:.3f} s, {captum['captum_seconds']:.3f} s; wanted: at most {WANTED_RATIO})"
        )
    memory = numbers["deepshap_megabytes"]
    if memory is None:
        print("  DeepSHAP's memory                            not measured, this system does not tell a peak")
    else:
        print(
            f"  DeepSHAP's memory, {BASELINES} baselines              {memory['of_32']:.0f} MB   "
            f"({memory['chunk']} at once {memory['one_chunk']:.0f} MB, {MANY} baselines {memory['of_256']:.0f} MB)"
        )


def _seconds(work: Callable[[], Any], device: str) -> float:
    import torch

    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
