"""The figures Singla et al. (ICLR 2020) print, for setting ours beside. They may not be compared one to one.

Their distances use Inception's features on 128-pixel pictures (FID), ours a named network of this repository on
64-pixel ones; their face verification VGGFace2 at cosine distance .5, ours dlib's network; their x-rays another
hospital's. What may be compared is the order of the methods within one table.
"""

from __future__ import annotations

from typing import Any

# target -> method -> measure; shares in [0, 1]. Tables 1 and 2.
PAPER: dict[str, dict[str, dict[str, float]]] = {
    "Smiling": {
        "xgem": {"present": 111.0, "absent": 112.9, "overall": 106.3, "closeness": 0.882, "verification": 0.0},
        "knob": {"present": 46.9, "absent": 56.3, "overall": 35.8, "closeness": 0.880, "verification": 0.853},
    },
    "Young": {
        "xgem": {"present": 115.2, "absent": 170.3, "overall": 117.9, "closeness": 0.895, "verification": 0.0},
        "knob": {"present": 67.6, "absent": 74.4, "overall": 53.4, "closeness": 0.816, "verification": 0.722},
    },
    "Cardiomegaly": {
        "xgem": {"present": 368.6, "absent": 394.6, "overall": 326.3, "closeness": 0.022},
        "knob": {"present": 82.9, "absent": 84.8, "overall": 58.1, "closeness": 0.279},
    },
}
# Table 3: share of explanations whose sex, by an oracle, is not the query's.
CONFOUNDING = {"biased": {"more": 0.12, "less": 0.35}, "unbiased": {"more": 0.07, "less": 0.08}}
WHY_NOT = (
    "The published figures use Inception's features on 128-pixel pictures, VGGFace2 and other data; ours use the "
    "features and networks named beside them, on 64-pixel pictures. Compare the order of methods within a table, not "
    "numbers across."
)


def confounding_line(report: dict[str, Any]) -> str:
    """What the paper reports for the experiment that an audit repeats; '' for any other audit."""
    if (report["target"], report["attribute"]) != ("Smiling", "Male") or not set(CONFOUNDING) <= set(
        report["classifiers"]
    ):
        return ""
    said = [
        f"{name} {rates['more']:.0%} asked for more and {rates['less']:.0%} asked for less"
        for name, rates in CONFOUNDING.items()
    ]
    return (
        f"The paper reports {', '.join(said)} (Singla et al., Table 3), with networks, pictures and an oracle of its "
        "own: compare the order."
    )
