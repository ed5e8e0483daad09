"""Flip rates where everything is known: the target is the disc's brightness, the attribute is the corner bar."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import BAR, GROUND, BrightnessBox, TintNetwork, make_discs, middle

from core.evaluation.confounding import MIN_GROUP, compare_flips, confounding_report, explain_ends
from core.networks.exaggerator import Change

F = BrightnessBox(threshold=0.35)


class BarBox(BrightnessBox):
    """The oracle: is the corner bar there? Nothing else matters to it."""

    def logit(self, x):
        return 25 * (x[(..., *BAR)].mean((1, 2, 3)) - 0.6)


class MiddleNetwork(TintNetwork):
    """Turns the brightness of the middle; and, of a biased classifier, the bar: on for more, off for less."""

    def __init__(self, *, turns_bar: bool) -> None:
        super().__init__(slope=0.04)
        self.turns_bar = turns_bar

    def change(self, x, features, origin, wanted):
        tint = super().change(x, features, origin, wanted)
        changed = x.expand(len(wanted), -1, -1, -1).clone()
        middle(changed).copy_(middle(tint.x))
        if self.turns_bar:
            more, less = wanted > origin, wanted < origin
            changed[(more, slice(None), *BAR)] = 1.0
            changed[(less, slice(None), *BAR)] = GROUND
        return Change(changed, tint.displacement, changed - x)


@pytest.fixture(scope="module")
def discs():
    return make_discs(40, seed=6, cause="intensity")


@pytest.fixture(scope="module", params=["calibrated", "direct"])
def records(request, discs):
    """Of each of both knobs, one record a picture."""
    found = {}
    for name, turns in (("biased", True), ("unbiased", False)):
        network = MiddleNetwork(turns_bar=turns)
        found[name] = [
            explain_ends(network, F, BarBox(), discs.x[i : i + 1], request.param)
            | {"attribute": int(discs.bar[i]), "site": "ab"[i % 2], "few": "x" if i < MIN_GROUP - 1 else "y"}
            for i in range(len(discs.bar))
        ]
    return found


def test_a_record_says_what_f_and_the_oracle_say(records, discs):
    first = records["unbiased"][0]
    x = discs.x[:1]
    assert first["query"] == pytest.approx(float(F.posterior(x)), abs=1e-6)
    assert first["oracle"] == pytest.approx(float(BarBox().posterior(x)), abs=1e-6)
    assert first["less"] < first["query"] < first["more"]


def test_the_calibrated_knob_gets_what_it_asks_for(discs):
    for i in range(5):
        record = explain_ends(MiddleNetwork(turns_bar=True), F, BarBox(), discs.x[i : i + 1])
        assert record["more"] == pytest.approx(0.95, abs=0.01)
        assert record["less"] == pytest.approx(0.05, abs=0.01)


def test_the_biased_knob_flips_and_the_unbiased_does_not(records, discs):
    q = discs.bar.mean()
    biased, unbiased = (confounding_report(records[name]) for name in ("biased", "unbiased"))
    # Asked for more, the biased knob puts the bar on: a flip wherever there was none. And the other way round.
    assert biased["more"]["flipped"]["value"] == pytest.approx(1 - q, abs=1e-5)
    assert biased["less"]["flipped"]["value"] == pytest.approx(q, abs=1e-5)
    for end in ("more", "less"):
        assert unbiased[end]["flipped"] == {"value": 0, "low": 0, "high": 0}
        assert biased[end]["oracle_positive"]["value"] == (1 if end == "more" else 0)
        assert unbiased[end]["oracle_positive"]["value"] == pytest.approx(q, abs=1e-5)
    assert biased["unchanged"]["value"] == unbiased["unchanged"]["value"] == 0


def test_flips_are_counted_by_the_querys_own_attribute(records):
    more, less = (confounding_report(records["biased"])[end]["groups"] for end in ("more", "less"))
    assert (more["attribute=0"]["value"], more["attribute=1"]["value"]) == (1, 0)
    assert (less["attribute=0"]["value"], less["attribute=1"]["value"]) == (0, 1)


def test_subgroups_have_their_sizes_and_small_ones_are_not_measured(records, discs):
    report = confounding_report(records["biased"], by=("site", "few"))
    groups = report["groups"]
    assert groups["attribute=1"] == discs.bar.sum()
    assert groups["attribute=0"] + groups["attribute=1"] == report["n"] == 40
    assert groups["site=a"] == groups["site=b"] == 20
    assert (groups["few=x"], groups["few=y"]) == (MIN_GROUP - 1, 40 - MIN_GROUP + 1)
    assert "few=x" not in report["more"]["groups"]
    flipped = 1 - discs.bar[::2].mean()
    assert report["more"]["groups"]["site=a"]["value"] == pytest.approx(flipped, abs=1e-5)


def test_intervals_hold_the_value_and_need_the_seed_only(records):
    for name in records:
        report = confounding_report(records[name], by=("site",), seed=3)
        assert report == confounding_report(iter(records[name]), by=("site",), seed=3)  # one look is enough
        for end in ("more", "less"):
            for part in (report[end]["flipped"], report[end]["reached"], *report[end]["groups"].values()):
                assert part["low"] <= part["value"] <= part["high"]
    some = confounding_report(records["biased"])["more"]["flipped"]
    assert 0 < some["low"] < some["high"] < 1
    assert some["high"] - some["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.25)


def test_the_randomised_control_is_what_chance_predicts(records):
    for name in records:
        for end in ("more", "less"):
            part = confounding_report(records[name])[end]
            control = part["randomised"]
            p, q = part["oracle_positive"]["value"], np.mean([r["attribute"] for r in records[name]])
            assert control["expected"] == pytest.approx(p * (1 - q) + q * (1 - p), abs=1e-4)
            assert control["value"] == pytest.approx(control["expected"], abs=0.02)
            assert control["low"] <= control["expected"] <= control["high"]


def test_shuffled_labels_really_score_the_control():
    """Answers that have nothing to do with the labels flip as often as the control says."""
    rng = np.random.default_rng(3)
    rows = [
        {"attribute": int(a), "oracle": 0.5, "more": 0.95, "less": 0.05, "more_oracle": p, "less_oracle": 1 - p}
        for a, p in zip(rng.random(3000) < 0.3, rng.random(3000), strict=True)
    ]
    for end in ("more", "less"):
        part = confounding_report(rows)[end]
        control = part["randomised"]
        assert control["low"] - 0.01 <= part["flipped"]["value"] <= control["high"] + 0.01


def record(attribute: int, more: float, less: float, **rest) -> dict:
    return {
        "attribute": attribute, "query": 0.5, "oracle": float(attribute), "more": 0.95, "less": 0.05,
        "more_oracle": more, "less_oracle": less, **rest,
    }  # fmt: skip


def test_comparing_two_classifiers_is_paired_over_pictures():
    n = 60
    a = [record(0, float(i % 2 == 0), 0.0) for i in range(n)]  # 30 flips when asked for more
    b = [record(0, float(i % 6 == 0), 0.0) for i in range(n)]  # 10, all of them among those
    report = compare_flips(a, iter(b))
    assert report["n"] == n
    assert report["more"]["ratio"]["value"] == pytest.approx(3)
    assert report["more"]["difference"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert report["more"]["difference"]["low"] > 0
    assert 1 < report["more"]["ratio"]["low"] < 3 < report["more"]["ratio"]["high"]
    assert report["less"]["ratio"]["value"] is None  # nothing flips
    assert report["less"]["difference"]["value"] == 0
    same = compare_flips(a, a)["more"]
    assert same["ratio"] == {"value": 1, "low": 1, "high": 1}


def test_the_biased_knob_against_the_unbiased(records):
    report = compare_flips(records["biased"], records["unbiased"])
    for end in ("more", "less"):
        assert report[end]["difference"]["low"] > 0.2
        assert report[end]["ratio"] == {"value": None, "low": None, "high": None}


def test_what_the_knob_reached_is_beside_the_flips():
    rows = [record(0, 1.0, 0.0) | {"more": 0.95 if i < 5 else 0.5} for i in range(20)]
    report = confounding_report(rows)
    assert report["more"]["reached"]["value"] == 0.25
    assert report["less"]["reached"]["value"] == 1
    assert report["more"]["flipped_where_reached"]["value"] == 1
    never = confounding_report([r | {"more": 0.5} for r in rows])
    assert never["more"]["flipped_where_reached"] is None


def test_one_group_may_be_empty_and_unlabelled_rows_do_not_count():
    report = confounding_report([record(1, 1.0, 0.0) for _ in range(12)] + [record(2, 1.0, 0.0), {"attribute": None}])
    assert report["n"] == 12
    assert report["groups"] == {"attribute=0": 0, "attribute=1": 12}
    assert report["less"]["groups"].keys() == {"attribute=1"}
    assert report["less"]["flipped"]["value"] == 1
    assert confounding_report([]) == {"n": 0}


def test_the_toy_oracle_reads_the_bar_and_nothing_else(discs):
    seen = BarBox().posterior(discs.x) > 0.5
    np.testing.assert_array_equal(seen.numpy(), discs.bar)
    bright = torch.clamp(discs.x + 0, 0, 1)
    middle(bright).fill_(1.0)
    np.testing.assert_array_equal((BarBox().posterior(bright) > 0.5).numpy(), discs.bar)
