"""The gate's decision."""

from __future__ import annotations

import numpy as np
import pytest
from toys import BrightnessBox, prepared_disc

from core.classifiers.gate import check, colourfulness
from core.images.picture import Picture

GREY = Picture(np.full((40, 40), 0.5, np.float32), "00", "PNG")
RED = Picture(np.tile(np.array([0.9, 0.1, 0.1], np.float32), (40, 40, 1)), "00", "PNG")
TINTED = Picture(np.tile(np.array([0.52, 0.5, 0.49], np.float32), (40, 40, 1)), "00", "PNG")


def test_colourfulness_by_hand():
    assert colourfulness(GREY.pixels) == 0
    assert colourfulness(RED.pixels) == pytest.approx(0.8)
    half = np.concatenate([RED.pixels, np.zeros_like(RED.pixels)])
    assert colourfulness(half) == pytest.approx(0.4)


@pytest.mark.parametrize(("brightness", "ok"), [(0.9, True), (0.1, False)])
def test_the_score_decides(brightness, ok):
    prepared = prepared_disc(radius=0.4, intensity=brightness)
    gate = BrightnessBox(threshold=0.45)
    result = check(gate, 0.5, "chest", prepared, GREY)
    assert result.ok is ok
    assert (result.score >= 0.5) is ok


def test_the_threshold_itself_passes():
    prepared = prepared_disc()
    score = check(BrightnessBox(), 0.0, "chest", prepared, None).score
    assert check(BrightnessBox(), score, "chest", prepared, None).ok
    assert not check(BrightnessBox(), score + 1e-6, "chest", prepared, None).ok


def test_a_refusal_says_what_is_wanted():
    result = check(BrightnessBox(threshold=2.0), 0.5, "chest", prepared_disc(), GREY)
    assert "does not look like a frontal chest x-ray" in result.sentence
    assert "Upload a frontal chest x-ray" in result.sentence
    assert "a face" in check(BrightnessBox(threshold=2.0), 0.5, "face", prepared_disc(), GREY).sentence


def test_a_colour_photograph_is_no_x_ray_whatever_the_network_says():
    result = check(BrightnessBox(threshold=-5.0), 0.0, "chest", prepared_disc(), RED)
    assert not result.ok
    assert result.score == 0


def test_a_tinted_scan_is_not_a_colour_photograph():
    assert check(None, 0.0, "chest", prepared_disc(), TINTED).ok


def test_faces_may_be_colourful():
    assert check(BrightnessBox(threshold=-5.0), 0.5, "face", prepared_disc(), RED).ok


def test_without_a_gate_everything_passes_and_says_so():
    result = check(None, 0.9, "chest", prepared_disc(), GREY)
    assert result.ok
    assert "not checked" in result.sentence
