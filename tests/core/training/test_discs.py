"""From pictures to a knob that works, on discs whose cause is known (the paper's claims on a toy).

The black boxes are formulas, the cause is measured in pixels and not asked of f, and an irrelevant bar in the
corner must stay as it is.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import AreaBox, BrightnessBox, area, has_bar, make_discs, small_config

from core.evaluation.compatibility import compatibility_report, rank_correlation
from core.evaluation.sweeps import CENTRES, run_sweeps
from core.explainers.changer import Knob
from core.training.exaggerator import ExaggeratorTrainer
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Budget, run


def brightness(x: torch.Tensor) -> np.ndarray:
    """[N] mean grey of the disc's inside."""
    return x[:, 0, 10:22, 10:22].mean((1, 2)).numpy()


CASES = {
    # head, cause, f, an independent formula, the cause as measured
    "morph": ("radius", AreaBox(), BrightnessBox(gain=20, threshold=0.4), area),
    "residual": ("intensity", BrightnessBox(gain=14, threshold=0.37), AreaBox(), brightness),
}


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("head", CASES)
def test_a_knob_learns_the_cause_and_nothing_else(head, tmp_path):
    cause, f, witness, measure = CASES[head]
    training = ExaggeratorTraining(batch=16, critic_base=8, rate=1e-3, critic_rate=2e-3, ema=0.99)
    trainer = ExaggeratorTrainer(
        small_config(head), training, f, make_discs(256, seed=0, cause=cause).images, torch.device("cpu")
    )
    assert run(trainer, Budget(steps=220), tmp_path).stop == "finished"

    held_out = make_discs(40, seed=1, cause=cause)
    table = run_sweeps(Knob(trainer.finished()), f, witness, held_out.images)
    report = compatibility_report(table)

    # f follows the request: in order for every picture, and over most of the range.
    assert rank_correlation(table.achieved, table.requested).min() > 0.95
    slope = np.polyfit(CENTRES, table.achieved.mean(0), 1)[0]
    assert 0.5 < slope < 1.3
    assert report["error"]["value"] < 0.2

    # The cause itself changes, monotonically, by its own measure and to an independent network.
    frames = torch.from_numpy(table.frames.reshape(-1, 1, 32, 32)).float() / 255
    measured = measure(frames).reshape(40, 10)
    assert rank_correlation(measured, table.requested).mean() > 0.95
    assert (np.diff(measured.mean(0)) > -1e-3 * measured.mean()).sum() >= 8
    assert measured[:, -1].mean() > 1.5 * measured[:, 0].mean()
    assert report["witness_sign"]["value"] == 1

    # What is not the cause stays.
    assert (has_bar(frames).reshape(40, 10) == held_out.bar[:, None]).mean() > 0.95

    # Nothing asked, nothing changed; and the way back leads back.
    assert table.still.max() == 0
    assert report["cycle"]["value"] < 0.04  # .08 on [-1, 1]
