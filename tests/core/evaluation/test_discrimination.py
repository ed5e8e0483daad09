"""Which answers a knob flips, where what it turns is known: the middle, the corner bar, or both."""

from __future__ import annotations

import pytest
import torch
from toys import BAR, GROUND, BrightnessBox, TintNetwork, make_discs, middle

from core.evaluation.confounding import ENDS
from core.evaluation.discrimination import discrimination_row
from core.networks.exaggerator import Change


class Two:
    """A classifier with two targets: is the middle bright, is there a bar? Nothing else matters to either."""

    targets = ("Bright", "Bar")

    class _Bar(BrightnessBox):
        def logit(self, x):
            return 5 * (x[(..., *BAR)].mean((1, 2, 3)) - 0.6)  # never as sure as the ends that are asked for

    def __init__(self) -> None:
        self.boxes = {"Bright": BrightnessBox(threshold=0.35), "Bar": self._Bar()}

    def target(self, name):
        return self.boxes[name]

    def posterior(self, x):
        return torch.stack([self.boxes[t].posterior(x) for t in self.targets], 1)


class Turner(TintNetwork):
    """Turns the brightness of the middle, of the bar or of both, so far that f answers what is asked for.

    upwards: only for more; for less nothing happens.
    """

    def __init__(self, *parts: str, upwards: bool = False) -> None:
        super().__init__(slope=0.06)
        self.parts, self.upwards = parts, upwards

    def change(self, x, features, origin, wanted):
        if self.upwards:
            wanted = wanted.maximum(origin)
        tint = super().change(x, features, origin, wanted)
        changed = x.expand(len(wanted), -1, -1, -1).clone()
        if "middle" in self.parts:
            middle(changed).copy_(middle(tint.x))
        if "bar" in self.parts:
            changed[(wanted > origin, slice(None), *BAR)] = 1.0
            changed[(wanted < origin, slice(None), *BAR)] = GROUND
        return Change(changed, tint.displacement, changed - x)


@pytest.fixture(scope="module")
def discs():
    return make_discs(20, seed=6, cause="intensity")


def shares(row, which: str = "flipped") -> dict[str, float]:
    return {t: interval["value"] for t, interval in row[which].items()}


@pytest.fixture(scope="module")
def answers(discs):
    """[N, 2] bool, what f says of the pictures; both answers to both questions occur."""
    found = (Two().posterior(discs.x) > 0.5).numpy()
    assert (found[:, 1] == discs.bar).all()
    assert 0.2 < found[:, 0].mean() < 0.8
    assert 0.2 < found[:, 1].mean() < 0.8
    return found


@pytest.mark.parametrize("mode", ["calibrated", "direct"])
def test_a_knob_that_discriminates_flips_its_own_target_only(mode, discs):
    row = discrimination_row(Turner("middle"), Two(), "Bright", discs.images, mode=mode)
    assert row["n"] == 20
    assert list(row["flipped"]) == ["Bright", "Bar"]
    assert shares(row) == {"Bright": 1, "Bar": 0}
    assert shares(row, "flipped_unasked") == {"Bright": 0, "Bar": 0}


def test_a_knob_tied_to_another_target_flips_that_too(discs, answers):
    # Asked for the opposite, the bar becomes what `Bright` is to become; unasked, what `Bright` is already.
    row = discrimination_row(Turner("middle", "bar"), Two(), "Bright", discs.images)
    bright, bar = answers.T
    assert shares(row)["Bright"] == 1
    assert shares(row)["Bar"] == pytest.approx((bar == bright).mean(), abs=1e-5)
    assert shares(row, "flipped_unasked")["Bright"] == 0
    assert shares(row, "flipped_unasked")["Bar"] == pytest.approx((bar != bright).mean(), abs=1e-5)
    assert 0 < (bar == bright).mean() < 1


def test_a_knob_that_goes_one_way_flips_those_below(discs, answers):
    row = discrimination_row(Turner("middle", upwards=True), Two(), "Bright", discs.images)
    assert shares(row)["Bright"] == pytest.approx((~answers[:, 0]).mean(), abs=1e-5)
    assert shares(row)["Bar"] == 0


def test_a_knob_that_does_nothing_flips_nothing(discs):
    row = discrimination_row(Turner(), Two(), "Bright", discs.images)
    assert shares(row) == shares(row, "flipped_unasked") == {"Bright": 0, "Bar": 0}


def test_the_knob_is_asked_by_its_own_target(discs, answers):
    row = discrimination_row(Turner("bar"), Two(), "Bar", discs.images, mode="direct")
    assert shares(row) == {"Bright": 0, "Bar": 1}
    assert shares(row, "flipped_unasked") == {"Bright": 0, "Bar": 0}


def test_both_ends_are_asked_for(discs):
    asked = []

    class Heard(Turner):
        def change(self, x, features, origin, wanted):
            asked.append(wanted)
            return super().change(x, features, origin, wanted)

    heard = []
    discrimination_row(
        Heard("middle"), Two(), "Bright", discs.images[:3], mode="direct", progress=lambda i, n: heard.append((i, n))
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]
    for wanted in asked:  # ten bins: p is condition 10 p - .5
        assert wanted.tolist() == pytest.approx([10 * end - 0.5 for end in ENDS.values()], abs=1e-5)


def test_shares_have_their_intervals(discs):
    first, again = (discrimination_row(Turner("middle", "bar"), Two(), "Bright", discs.images) for _ in range(2))
    assert first == again
    number = first["flipped"]["Bar"]
    assert 0 <= number["low"] < number["value"] < number["high"] <= 1
