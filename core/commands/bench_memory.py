"""`contralens bench`, the part about memory. Each figure comes out of a process of its own: memory once taken is seldom
given back, so in one process the first measurement would hide the next.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BASELINES = 32  # of DeepSHAP, as many as the training distribution has
MANY = 256


def dashboard_memory(device: str) -> dict[str, float] | None:
    """What `measure_dashboard` finds in a process of its own, in which the page's libraries are loaded as well."""
    return _elsewhere("measure_dashboard", device, first="import streamlit.web.cli, plotly.graph_objects")


def deepshap_memory(folder: Path, device: str) -> dict[str, float] | None:
    """What `measure_deepshap` finds in a process of its own."""
    return _elsewhere("measure_deepshap", str(folder.resolve()), device)


def _elsewhere(function: str, *arguments: str, first: str = "") -> dict[str, float] | None:
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    code = (
        f"{first}\nimport json, sys; from core.commands.bench_memory import {function}; "
        f"print(json.dumps({function}(*sys.argv[1:])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] | None = json.loads(done.stdout)
    return found


def measure_dashboard(device: str) -> dict[str, float] | None:
    """Megabytes at most of a process that does what the dashboard does with every study that has knobs: its sample is
    read, let through the gate and answered, and every knob is swept; then FIDO fits one mask. `studies`: without the
    mask; `masks`: with it. Of the GPU's memory where that is the device. None where the system does not tell a
    process's peak.
    """
    from core.images.read import read_picture
    from core.studies import list_studies, open_study

    opened = [open_study(info.name, device) for info in list_studies()]
    kept: list[Any] = []  # a session keeps the sweep it shows, and the cache some more

    shown = []
    for study in opened:
        if not study.knobs or not study.samples:
            continue
        picture = read_picture(study.sample(study.samples[0].name))
        prepared = study.prepare(picture)
        study.gate(prepared, picture)
        study.predict(prepared)
        shown.append((study, prepared))
        kept += [study.explain("exaggeration", prepared, target=t, mode="calibrated") for t in study.knobs]
    after_sweeps = peak(device)
    for study, prepared in shown:
        study.explain("fido", prepared, target=study.knobs[0], infill=study.infills[-1], steps=5)
    after_masks = peak(device)
    if after_sweeps is None or after_masks is None:
        return None
    return {"studies": round(after_sweeps), "masks": round(after_masks)}


def measure_deepshap(study: str, device: str) -> dict[str, float] | None:
    """By how many megabytes DeepSHAP raises this process's peak over that of one baseline: for one chunk of baselines,
    for 32 and for many. The baselines are noise, which takes the memory that pictures take.

    study: a name or a folder. None where the system does not tell a process's peak.
    """
    import torch

    from core.attributions.deeplift import CHUNK, deeplift
    from core.attributions.score import Score
    from core.studies import open_study

    opened = open_study(study, device)
    score = Score(opened.choice(opened.choices[0]), 0, 1)
    size = opened.choice_size(opened.choices[0])
    shape = (opened.channels, size, size)
    x = torch.rand(1, *shape, device=opened.device)

    def with_baselines(count: int) -> float | None:
        deeplift(score, x, torch.rand(1, count, *shape, device=opened.device))
        return peak(device)

    before = with_baselines(1)
    found = {}
    for name, count in (("one_chunk", CHUNK), ("of_32", BASELINES), ("of_256", MANY)):
        after = with_baselines(count)
        if before is None or after is None:
            return None
        found[name] = round(after - before, 1)
    return found | {"chunk": CHUNK}


def peak(device: str) -> float | None:
    """Megabytes this process has had at most; of the GPU's memory where that is the device."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage: its peak is the parent's where that was higher.
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)
