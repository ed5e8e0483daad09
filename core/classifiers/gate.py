"""Is this the kind of picture the classifier was made for? Asked before any prediction.

A small network tells the study's own pictures from photographs, birds, digits and noise; its threshold turns away
at most 5 % of the study's own validation pictures. Colour alone settles many cases: an x-ray has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox
from core.images.picture import Picture, Prepared

# Mean spread between the colour channels above which a picture is not a radiograph. Scans of films are tinted by
# a few grey levels; photographs differ by tens.
_COLOUR = 0.06


@dataclass(frozen=True)
class GateResult:
    """ok: may be shown to the classifier; score in [0, 1]: how much like the study's own pictures."""

    ok: bool
    score: float
    sentence: str


_NAMES = {
    "chest": "a frontal chest x-ray",
    "face": "a face seen from the front",
    "photo": "a photograph",
    "digit": "a single handwritten digit",
}


def check(
    gate: BlackBox | None,
    threshold: float,
    modality: str,
    prepared: Prepared,
    picture: Picture | None,
    device: torch.device | str = "cpu",
) -> GateResult:
    """Judge one prepared picture. Without a gate everything passes, and the sentence says so."""
    name = _NAMES.get(modality, "a picture of this study's kind")
    refusal = (
        f"This does not look like {name}: the classifier was never made for such a picture, so its answer "
        f"would mean nothing. Upload {name}."
    )
    if modality == "chest" and picture is not None and colourfulness(picture.pixels) > _COLOUR:
        return GateResult(False, 0.0, refusal)
    if gate is None:
        return GateResult(True, 1.0, f"Whether this is {name} was not checked: the study has no gate.")
    with torch.no_grad():
        score = float(gate.posterior(torch.from_numpy(prepared.tensor)[None].to(device))[0])
    if score < threshold:
        return GateResult(False, score, refusal)
    return GateResult(True, score, f"Looks like {name}.")


def colourfulness(pixels: np.ndarray) -> float:
    """Mean over pixels of the spread between channels; 0 for grey. pixels: [H, W] or [H, W, 3] in [0, 1]."""
    if pixels.ndim == 2:
        return 0.0
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())
