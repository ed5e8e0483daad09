"""Two speeds of the mask explainers: `paper`, the published number of steps, and `quick`, a tenth of the work.

`quick` takes fewer and larger steps, and of extremal perturbation's areas two; how much FIDO's masks differ is
measured by `contralens evaluate --measure masks`.
"""

from __future__ import annotations

from typing import Any

from core.errors import UserError

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "quick": {
        "fido": {"steps": 60, "samples": 3, "rate": 0.2},
        "bbmp": {"steps": 60, "rate": 0.25},
        "extremal": {"steps": 60, "rate": 0.2, "areas": (0.1, 0.3)},
    },
    "paper": {
        "fido": {"steps": 300, "samples": 8, "rate": 0.05},
        "bbmp": {"steps": 300, "rate": 0.1},
        "extremal": {"steps": 300, "rate": 0.05},
    },
}


def preset(name: str, method: str) -> dict[str, Any]:
    """Options of a method's config. Raises UserError for an unknown preset."""
    if name not in PRESETS:
        raise UserError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    return dict(PRESETS[name][method])
