"""`contralens bench`: how fast this machine is at what a user waits for."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any

import typer

from core.commands.bench_memory import dashboard_memory
from core.commands.bench_panel import median, panel, print_panel
from core.commands.show import choose_device, print_json


def bench(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions; the median is printed.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False,
) -> None:
    """Time the sweep, upload to first frame, training, and measure memory, on the device there is."""
    import torch

    from core.images.read import read_picture
    from core.studies import list_studies, open_study

    place = choose_device(device)
    start = time.perf_counter()
    opened = [open_study(info.name, place) for info in list_studies()]
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if place == "cuda" else f"cpu, {torch.get_num_threads()} threads",
        "studies": {},
    }
    for study in opened:
        if not study.samples:
            continue  # nothing to try it on
        if study.choices:
            results["studies"].setdefault(study.name, {})["panel"] = panel(study, rounds, place)
        if not study.knobs:
            continue  # nothing to turn
        upload = study.sample(study.samples[0].name)
        target = study.knobs[0]
        picture = read_picture(upload)
        prepared = study.prepare(picture)

        def first_frame(study: Any = study, upload: bytes = upload, target: str = target) -> None:
            fresh = read_picture(upload)
            ready = study.prepare(fresh)
            study.gate(ready, fresh)
            study.predict(ready)
            study.explain("exaggeration", ready, target=target)

        results["studies"].setdefault(study.name, {}).update(
            {
                "size": study.size,
                "target": target,
                "sweep_seconds": median(partial(study.explain, "exaggeration", prepared, target=target), rounds, place),
                "calibrated_seconds": median(
                    partial(study.explain, "exaggeration", prepared, target=target, mode="calibrated"), rounds, place
                ),
                "networks_seconds": median(partial(_networks, study, prepared, target), rounds, place),
                "upload_to_first_frame_seconds": median(first_frame, rounds, place),
                "training_images_per_second": _training_speed(study, target, place),
            }
        )
        results["studies"][study.name]["masks"] = _masks(study, prepared, target, place)
    results["dashboard_megabytes"] = dashboard_memory(place)
    results["open_and_measure_seconds"] = round(time.perf_counter() - start, 2)
    if as_json:
        print_json(results)
        return
    print(f"device: {results['device']}")
    for name, numbers in results["studies"].items():
        if "panel" in numbers:
            print_panel(name, numbers["panel"])
        if "target" not in numbers:
            continue
        print(f"{name} ({numbers['target']}, {numbers['size']} px)")
        print(f"  sweep of 22 frames, from a decoded picture   {numbers['sweep_seconds']:.3f} s")
        print(f"  the same, calibrated                         {numbers['calibrated_seconds']:.3f} s")
        print(f"  of that the networks, without the views      {numbers['networks_seconds']:.3f} s")
        print(f"  upload to first frame                        {numbers['upload_to_first_frame_seconds']:.3f} s")
        print(f"  training the knob                            {numbers['training_images_per_second']:.0f} images/s")
        masks = numbers["masks"]
        print(f"  FIDO, 300 steps of 8 masks, {masks['infill']:<17} {masks['fido_seconds']:.1f} s")
        print(f"  16 pictures together against one             {masks['sixteen_against_one']:.1f} times the time")
    memory = results["dashboard_megabytes"]
    if memory is None:
        print("memory: not measured, this system does not tell a peak")
    else:
        where = "GPU memory" if place == "cuda" else "memory"
        print(f"peak {where} of the dashboard's work")
        print(f"  every study open, every knob turned          {memory['studies']:.0f} MB")
        print(f"  and a mask fitted in each                    {memory['masks']:.0f} MB")


def _networks(study: Any, prepared: Any, target: str) -> None:
    """The search for all frames of a calibrated sweep and f's answers to them; nothing is drawn at the view's size."""
    import torch

    from core.explainers.exaggeration import REQUESTS, sweep_batch

    x = torch.from_numpy(prepared.tensor)[None].to(study.device)
    goal = torch.tensor(REQUESTS, device=study.device)
    sweep_batch(study.exaggerator(target), study.blackbox(target), x, goal, "calibrated")


def _masks(study: Any, prepared: Any, target: str, device: str) -> dict[str, Any]:
    """FIDO as published for one picture, and how much longer 16 of them take."""
    import torch

    from core.explainers.fido import FidoConfig, optimise

    infill = study.infill(study.infills[-1])
    f = study.blackbox(target)
    x = torch.from_numpy(prepared.tensor)[None].to(study.device)

    def search(pictures: int, steps: int) -> float:
        batch, sign = x.expand(pictures, -1, -1, -1), torch.ones(pictures, device=x.device)
        start = time.perf_counter()
        optimise(f, infill, batch, sign, FidoConfig(infill=infill.name, steps=steps))
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    search(1, 5)
    search(16, 3)
    one = search(1, 300)
    # A GPU records a step before it repeats it, which few steps would not pay for; a CPU takes minutes for all.
    steps = 300 if device == "cuda" else 30
    return {
        "infill": infill.name,
        "fido_seconds": round(one, 3),
        "sixteen_against_one": round(search(16, steps) / (one * steps / 300), 2),
    }


def _training_speed(study: Any, target: str, device: str, steps: int = 4) -> float:
    """Pictures a second through full generator and critic steps, on random pictures."""
    import numpy as np
    import torch

    from core.training.exaggerator import ExaggeratorTrainer
    from core.training.knob_settings import ExaggeratorTraining

    images = np.random.default_rng(0).integers(0, 256, (256, study.channels, study.size, study.size), dtype=np.uint8)
    training = ExaggeratorTraining(batch=32)
    trainer = ExaggeratorTrainer(
        study.exaggerator(target).config, training, study.blackbox(target), images, torch.device(device)
    )
    trainer.step(0, 0.0)
    start = time.perf_counter()
    for i in range(1, steps + 1):
        trainer.step(i, 0.0)
    if device == "cuda":
        torch.cuda.synchronize()
    return round(steps * training.batch / (time.perf_counter() - start), 1)
