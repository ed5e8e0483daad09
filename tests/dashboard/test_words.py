from __future__ import annotations

from dataclasses import replace

import fake
import pytest

from dashboard.parts.words import knob_at, network_at, sentence


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_original_is_called_so():
    sweep = fake.sweep_of(0.22)
    assert (
        plain(sentence(sweep, sweep.origin))
        == "This is the uploaded picture. The classifier gives “cardiomegaly” 22 %."
    )


def test_reached():
    sweep = fake.sweep_of(0.22, "calibrated")
    text = plain(sentence(sweep, 20))
    assert text.startswith("Asked for 95 %, the classifier now says 95 % (it was 22 %). The picture changed by ")
    assert text.endswith("An independent network moves the same way (23 % → 81 %).")


def test_not_reached_says_so():
    text = plain(sentence(fake.sweep_of(0.22, "direct"), 20))
    assert text.startswith("Asked for 95 %, but the knob got the classifier only to 85 % (it was 22 %): not reached.")


def test_going_past_the_request_is_not_called_short():
    sweep = fake.sweep_of(0.22)
    achieved = sweep.achieved.copy()
    achieved[12] = 0.8
    assert "went past it to 80 % (it was 22 %)." in plain(sentence(replace(sweep, achieved=achieved), 12))


@pytest.mark.parametrize(("at", "words"), [(0.10, "moves the other way"), (0.25, "hardly reacts")])
def test_a_witness_that_does_not_follow(at, words):
    sweep = fake.sweep_of(0.22)
    witness = sweep.witness.copy()
    witness[20] = at
    assert words in sentence(replace(sweep, witness=witness), 20)


def test_no_witness_no_claim():
    text = sentence(replace(fake.sweep_of(), witness=None), 20)
    assert text.endswith("No independent network was there to check this.")


def test_the_papers_head_redraws_even_the_original():
    sweep = fake.sweep_of(0.22)
    sweep = replace(sweep, head="paper", distance=sweep.distance + 0.03)
    assert sentence(sweep, sweep.origin).startswith("Asked for")
    assert sentence(sweep, 20).endswith("other networks start from that drawing.")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("witness / targets / No_Beard", "Independent network: no beard"),
        ("oracles / Male", "Oracle: male"),
        ("variants / biased / classifier / targets / Smiling", "Classifier: smiling"),
        ("elsewhere / Wide", "elsewhere: wide"),
    ],
)
def test_a_network_is_named_as_people_do(place, said):
    assert network_at(place) == said


def test_a_knob_is_named_as_people_do():
    assert knob_at("No_Beard / morph / direct") == "No beard, morph head, as trained"
    assert knob_at("Young / paper / calibrated") == "Young, paper head, calibrated"
