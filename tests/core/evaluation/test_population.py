"""Trends, groups and tests over a population: by hand, and against scipy where it has the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from core.evaluation.population import groups_report, independent_test, paired_test, trend

ASKED = np.array([0.1, 0.5, 0.9])


# The trend


def test_the_trend_by_hand():
    # Slopes of least squares: 1/.8, -.5/.8 and (of 0, 3, 0: up and down again) 0.
    sizes = np.array([[0, 0.5, 1], [1, 0.75, 0.5], [0, 3, 0]], dtype=float)
    found = trend(ASKED, sizes)
    assert found["n"] == 3
    assert found["requested"] == [0.1, 0.5, 0.9]
    assert [m["value"] for m in found["mean"]] == pytest.approx([1 / 3, 4.25 / 3, 0.5], abs=1e-5)
    assert found["slope"]["value"] == pytest.approx((1.25 - 0.625 + 0) / 3, abs=1e-5)
    assert found["rising"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["spearman"]["value"] == pytest.approx((1 - 1 + 0) / 3, abs=1e-5)


def test_slopes_and_ranks_are_those_of_numpy_and_scipy():
    rng = np.random.default_rng(0)
    asked, sizes = np.linspace(0.05, 0.95, 10), rng.random((40, 10)) + np.linspace(0, 0.4, 10)
    found = trend(asked, sizes)
    slopes = [np.polyfit(asked, row, 1)[0] for row in sizes]
    assert found["slope"]["value"] == pytest.approx(np.mean(slopes), abs=1e-5)
    assert found["rising"]["value"] == pytest.approx(np.mean(np.array(slopes) > 0), abs=1e-5)
    assert 0 < found["rising"]["value"] < 1
    ranks = [stats.spearmanr(asked, row).statistic for row in sizes]
    assert found["spearman"]["value"] == pytest.approx(np.mean(ranks), abs=1e-5)
    for interval in (found["slope"], found["rising"], found["spearman"], *found["mean"]):
        assert interval["low"] < interval["value"] < interval["high"]


def test_pictures_with_a_frame_that_could_not_be_measured_are_dropped():
    sizes = np.array([[0, 0.5, 1], [np.nan, 9, 9], [9, 9, np.nan], [np.inf, 9, 9], [0, 0.5, 1]])
    found = trend(ASKED, sizes)
    assert found == trend(ASKED, sizes[[0, 4]])
    assert found["n"] == 2


@pytest.mark.parametrize("level", [0.5, 0.37, 1 / 3, 0.47])
def test_a_size_that_stays_the_same_does_not_rise(level):
    found = trend(np.array([0.05 + 0.1 * k for k in range(10)]), np.full((4, 10), level))
    assert (found["slope"]["value"], found["rising"]["value"], found["spearman"]["value"]) == (0, 0, 0)


def test_nothing_measured_is_no_number():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trend(ASKED, np.full((4, 3), np.nan))
    assert found["n"] == 0
    nothing = {"value": None, "low": None, "high": None}
    assert found["mean"] == [nothing] * 3
    assert found["slope"] == found["rising"] == found["spearman"] == nothing


def test_the_seed_repeats_the_intervals():
    sizes = np.random.default_rng(0).random((20, 3))
    assert trend(ASKED, sizes, seed=4) == trend(ASKED, sizes, seed=4)
    assert trend(ASKED, sizes, seed=4) != trend(ASKED, sizes, seed=5)


# Tests


def test_a_paired_test_by_hand():
    # Differences 1, 2, 3, 2: mean 2, standard deviation sqrt(2 / 3).
    found = paired_test(np.array([1.0, 1, 1, 2]), np.array([2.0, 3, 4, 4]))
    spread = np.sqrt(2 / 3)
    assert found["n"] == 4
    assert found["difference"] == 2
    assert found["effect"] == pytest.approx(2 / spread, abs=1e-4)
    assert found["t"] == pytest.approx(2 / (spread / 2), abs=1e-4)
    assert found["p"] == pytest.approx(2 * stats.t.sf(4 / spread, 3), rel=5e-3)


def test_a_paired_test_is_scipys_and_leaves_out_what_was_not_measured():
    rng = np.random.default_rng(1)
    before = rng.normal(0.45, 0.05, 60)
    after = before + rng.normal(0.01, 0.03, 60)
    wanted = stats.ttest_rel(after, before)
    found = paired_test(np.append(before, [np.nan, 0.5, np.inf]), np.append(after, [0.5, np.nan, 0.5]))
    assert found["n"] == 60
    assert found["t"] == pytest.approx(wanted.statistic, abs=1e-4)
    assert found["p"] == pytest.approx(wanted.pvalue, rel=5e-3)
    assert found["difference"] > 0
    turned = paired_test(after, before)
    assert (turned["t"], turned["effect"], turned["p"]) == (-found["t"], -found["effect"], found["p"])


def test_an_independent_test_by_hand():
    # Means 2 and 6; variances 1 and 4; pooled (2 * 1 + 2 * 4) / 4 = 2.5; Welch's t = 4 / sqrt(1/3 + 4/3).
    found = independent_test(np.array([1.0, 2, 3]), np.array([4.0, 6, 8]))
    assert (found["n"], found["n_other"]) == (3, 3)
    assert found["difference"] == 4
    assert found["effect"] == pytest.approx(4 / np.sqrt(2.5), abs=1e-4)
    assert found["t"] == pytest.approx(4 / np.sqrt(5 / 3), abs=1e-4)
    freedom = (5 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    assert found["p"] == pytest.approx(2 * stats.t.sf(4 / np.sqrt(5 / 3), freedom), rel=5e-3)


def test_an_independent_test_is_welchs():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, 0.1, 30), rng.normal(0.45, 0.02, 90)
    wanted = stats.ttest_ind(b, a, equal_var=False)
    student = stats.ttest_ind(b, a)
    found = independent_test(np.append(a, np.nan), np.append(b, [np.nan, np.nan]))
    assert (found["n"], found["n_other"]) == (30, 90)
    assert found["t"] == pytest.approx(wanted.statistic, abs=1e-4) != pytest.approx(student.statistic, abs=1e-2)
    assert found["p"] == pytest.approx(wanted.pvalue, rel=5e-3)
    pooled = np.sqrt((29 * a.var(ddof=1) + 89 * b.var(ddof=1)) / 118)
    assert found["effect"] == pytest.approx((b.mean() - a.mean()) / pooled, abs=1e-4)


def test_too_few_or_all_alike_is_a_sample_size_and_no_test():
    two, three = np.array([1.0, 2]), np.array([1.0, 2, 4])
    assert paired_test(two, two + 1) == {"n": 2}
    assert paired_test(three, three + 1) == {"n": 3}
    assert paired_test(three, np.full(3, np.nan)) == {"n": 0}
    assert independent_test(two, three) == {"n": 2, "n_other": 3}
    assert independent_test(three, two) == {"n": 3, "n_other": 2}
    assert independent_test(np.ones(4), np.zeros(5)) == {"n": 4, "n_other": 5}
    assert independent_test(np.ones(4), three)["difference"] == pytest.approx(4 / 3, abs=1e-5)


# The four groups


@pytest.fixture(scope="module")
def hearts():
    """Ten healthy hearts of about .4 and six enlarged ones of about .6; the knob moves both by .1."""
    rng = np.random.default_rng(3)
    positive = np.arange(16) >= 10
    query = np.where(positive, 0.6, 0.4) + rng.normal(0, 0.02, 16)
    return positive, query, query - 0.1 + rng.normal(0, 0.01, 16), query + 0.1 + rng.normal(0, 0.01, 16)


def test_the_groups_are_the_papers(hearts):
    positive, query, less, more = hearts
    groups = groups_report(positive, query, less, more)["groups"]
    wanted = {
        "healthy": query[:10], "condition": query[10:], "made_condition": more[:10], "made_healthy": less[10:],
    }  # fmt: skip
    assert groups.keys() == wanted.keys()
    for name, values in wanted.items():
        assert groups[name]["n"] == len(values)
        assert groups[name]["not_found"] == 0
        assert groups[name]["mean"]["value"] == pytest.approx(values.mean(), abs=1e-5)
        assert groups[name]["spread"] == pytest.approx(values.std(ddof=1), abs=1e-5)
        assert groups[name]["percentiles"] == pytest.approx(np.percentile(values, [5, 25, 50, 75, 95]), abs=1e-5)


def test_the_tests_compare_the_right_groups(hearts):
    positive, query, less, more = hearts
    report = groups_report(positive, query, less, more)
    assert report["paired"] == {
        "healthy to made_condition": paired_test(query[:10], more[:10]),
        "condition to made_healthy": paired_test(query[10:], less[10:]),
    }
    assert report["independent"] == {
        "healthy against made_healthy": independent_test(query[:10], less[10:]),
        "condition against made_condition": independent_test(query[10:], more[:10]),
        "healthy against condition": independent_test(query[:10], query[10:]),
    }
    assert report["paired"]["healthy to made_condition"]["difference"] == pytest.approx(0.1, abs=0.02)
    assert report["paired"]["condition to made_healthy"]["difference"] == pytest.approx(-0.1, abs=0.02)
    assert report["independent"]["healthy against condition"]["difference"] == pytest.approx(0.2, abs=0.03)


def test_hearts_that_were_not_found_are_counted(hearts):
    positive, query, less, more = (h.copy() for h in hearts)
    query[[0, 1, 12]] = more[2] = np.nan
    report = groups_report(positive, query, less, more)
    counts = {name: (g["n"], g["not_found"]) for name, g in report["groups"].items()}
    assert counts == {
        "healthy": (8, 2), "condition": (5, 1), "made_condition": (9, 1), "made_healthy": (6, 0),
    }  # fmt: skip
    assert report["paired"]["healthy to made_condition"]["n"] == 7
    assert report["paired"]["condition to made_healthy"]["n"] == 5


def test_an_empty_group_is_an_empty_group(hearts):
    _, query, less, more = hearts
    report = groups_report(np.zeros(16, dtype=bool), query, less, more)
    assert report["groups"]["condition"] == report["groups"]["made_healthy"] == {"n": 0, "not_found": 0}
    assert report["groups"]["healthy"]["n"] == 16
    assert report["paired"]["condition to made_healthy"] == {"n": 0}
    assert report["independent"]["healthy against condition"] == {"n": 16, "n_other": 0}
    one = groups_report(np.arange(16) == 4, query, less, more)["groups"]["condition"]
    assert one["n"] == 1
    assert one["spread"] is None
    assert one["mean"]["value"] == pytest.approx(query[4], abs=1e-5)
