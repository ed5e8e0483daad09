"""Every registered explainer is complete."""

from __future__ import annotations

import dataclasses
import json

import pytest
from toys import BrightnessBox, TintNetwork, ToySubject, prepared_disc

from core.errors import UserError
from core.explainers.registry import explainers, find_explainer, register

ALL = explainers()


@pytest.mark.parametrize("explainer", ALL, ids=lambda e: e.name)
def test_it_says_what_it_is(explainer):
    assert explainer.name.isidentifier() or explainer.name.replace("-", "_").isidentifier()
    assert explainer.name == explainer.name.lower()
    for text in (explainer.purpose, explainer.paper, explainer.cost):
        assert text.strip()
        assert "\n" not in text
    assert any(part.strip(" .,").isdigit() for part in explainer.paper.split()), "the paper's year"
    assert explainer.needs
    known = {"classifier", "choice", "exaggerator", "infill", "translator"}
    known |= {"oracle", "segmenter", "identity", "autoencoder"}
    assert set(explainer.needs) <= known
    assert callable(explainer.run)


@pytest.mark.parametrize("explainer", ALL, ids=lambda e: e.name)
def test_its_settings_have_defaults_and_are_frozen(explainer):
    config = explainer.config()
    assert dataclasses.is_dataclass(config)
    assert explainer.config.__dataclass_params__.frozen
    assert hasattr(config, "seed")


TOYS = {"classifier", "exaggerator", "infill", "autoencoder"}


@pytest.mark.parametrize("name", [e.name for e in ALL if set(e.needs) <= TOYS])
def test_it_runs_as_it_comes(name):
    explainer = find_explainer(name)
    few = {"steps": 3} if "steps" in {f.name for f in dataclasses.fields(explainer.config)} else {}
    subject, picture = ToySubject(TintNetwork(), BrightnessBox(gain=10, threshold=0.35)), prepared_disc()
    heard = []
    result = explainer.run(
        subject, picture, "Large", explainer.config(**few), lambda done, of: heard.append((done, of))
    )
    numbers = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert numbers["method"] == name
    assert numbers["stop"].strip()
    assert numbers["picture"] == picture.digest[:16]
    assert [done for done, _ in heard] == list(range(1, few.get("steps", 0) + 1))


def test_exaggeration_is_there():
    assert find_explainer("exaggeration") in ALL


def test_names_are_unique():
    assert len({e.name for e in ALL}) == len(ALL)


def test_a_second_of_the_same_name_is_refused():
    with pytest.raises(ValueError, match="registered twice"):
        register(dataclasses.replace(ALL[0], purpose="another"))
    assert find_explainer(ALL[0].name).purpose == ALL[0].purpose


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no explainer 'tea leaves'; there is: .*exaggeration"):
        find_explainer("tea leaves")
