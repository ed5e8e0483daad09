"""A sweep on the command line: its files and its numbers, whichever method made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.show import print_json

if TYPE_CHECKING:  # torch is loaded when a command runs, not when --help does
    from core.explainers.results import Sweep
    from core.images.picture import Picture
    from core.studies.study import Study


def show_sweep(sweep: Sweep, study: Study, picture: Picture, face: int | None, out: Path | None, as_json: bool) -> None:
    """Write a sweep's animations, strip, last frame and numbers to `out`, and print its numbers."""
    from PIL import Image

    from core.explainers.render import full_picture
    from core.images import animate

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        captions = [f"asked {r:.2f}  f = {a:.2f}" for r, a in zip(sweep.requested, sweep.achieved, strict=True)]
        for name, write in (("gif", animate.gif), ("webp", animate.webp), ("png", animate.apng)):
            (out / f"sweep.{name}").write_bytes(write(sweep.views, captions))
        picked = sweep.evenly(7)
        (out / "strip.png").write_bytes(animate.strip(sweep.views[picked], [captions[i] for i in picked]))
        whole = study.prepare(picture, face=face, full=True)
        Image.fromarray(full_picture(picture, whole, sweep, len(captions) - 1)).save(out / "most.png")
        (out / "sweep.json").write_text(json.dumps(sweep.to_dict(), indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(sweep.to_dict())
        return
    print(f"{sweep.target}: f = {sweep.query:.3f}; {sweep.provenance.stop}")
    for i, (wanted, got) in enumerate(zip(sweep.requested, sweep.achieved, strict=True)):
        witness = "" if sweep.witness is None else f"   independent network {sweep.witness[i]:.3f}"
        itself = "  <- the picture itself" if sweep.exact else "  <- its reconstruction"
        print(f"  asked {wanted:.2f}   f says {got:.3f}{witness}{itself if i == sweep.origin else ''}")
    if out is not None:
        print(f"written to {out}")
    print(animate.NOTICE)
