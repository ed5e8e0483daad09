"""The paper's figures: that they are what kind of number they should be, and say what the paper says of them."""

from __future__ import annotations

import pytest

from core.evaluation.published import CONFOUNDING, PAPER, WHY_NOT, confounding_line
from core.studies.catalogue import list_studies


@pytest.mark.parametrize("target", PAPER)
def test_the_knob_beats_the_manifold_in_every_distance(target):
    xgem, knob = PAPER[target]["xgem"], PAPER[target]["knob"]
    assert PAPER[target].keys() == {"xgem", "knob"}
    assert xgem.keys() == knob.keys() >= {"present", "absent", "overall", "closeness"}
    for name in ("present", "absent", "overall"):
        assert 0 < knob[name] < xgem[name]


@pytest.mark.parametrize("target", PAPER)
def test_shares_are_shares(target):
    for row in PAPER[target].values():
        for name in {"closeness", "verification"} & row.keys():
            assert 0 <= row[name] <= 1


def test_only_faces_are_verified():
    assert {t for t, methods in PAPER.items() if "verification" in methods["knob"]} == {"Smiling", "Young"}


def test_the_biased_classifier_flips_more():
    assert CONFOUNDING.keys() == {"biased", "unbiased"}
    for end in ("more", "less"):
        assert 0 <= CONFOUNDING["unbiased"][end] < CONFOUNDING["biased"][end] <= 1


def test_every_target_is_one_of_a_shipped_study_with_a_knob(monkeypatch):
    monkeypatch.delenv("CONTRALENS_CHECKPOINTS", raising=False)
    assert set(PAPER) <= {target for study in list_studies() for target in study.knobs}


def test_why_they_may_not_be_compared_is_a_sentence():
    assert WHY_NOT.endswith(".")
    assert "order of methods" in WHY_NOT


def test_the_paper_s_rates_are_set_beside_the_experiment_they_are_of():
    report = {"target": "Smiling", "attribute": "Male", "classifiers": {"biased": {}, "unbiased": {}, "main": {}}}
    assert "biased 12% asked for more and 35% asked for less" in confounding_line(report)
    assert confounding_line(report | {"attribute": "Young"}) == ""
    assert confounding_line(report | {"classifiers": {"main": {}}}) == ""
