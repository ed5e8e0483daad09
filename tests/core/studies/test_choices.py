"""A study with a question among several classes: what it answers, its baselines, and which command is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import CHOICE, TRANSLATOR, make_bars, write_choice

from core.baselines.baseline import MeanBaseline, NearestSample, TrainingDistribution
from core.baselines.ganmex import GanmexBaseline
from core.errors import UserError
from core.explainers.results import Attribution
from core.images.frame import resize
from core.images.picture import Prepared
from core.studies import Study, list_studies, open_study
from core.studies.settings import read_settings

X = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(tmp_path):
    return write_choice(tmp_path)


@pytest.fixture
def study(folder):
    return Study(folder)


@pytest.fixture
def with_translator(folder):
    (folder / "study.toml").write_text(CHOICE + TRANSLATOR, encoding="utf-8")
    return Study(folder)


@pytest.fixture
def prepared(study):
    from core.images.read import read_picture

    return study.prepare(read_picture(study.sample("seven")))


def keep(folder, name="place") -> np.ndarray:
    """References beside the study, as `contralens references` keeps them; the pictures."""
    images, labels = make_bars(12, size=28, classes=3)
    np.savez(folder / "references.npz", **{f"{name}_pictures": images, f"{name}_labels": labels})
    return images


# What it says


def test_its_choice_and_its_classes(study):
    assert study.choices == study.info.choices == ("place",)
    assert study.classes("place") == study.choice("place").classes == ("0", "1", "2")
    assert study.targets == study.info.targets == ("0", "1", "2")
    assert study.one_of_many


def test_it_is_listed(folder, monkeypatch):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder.parent))
    assert [s.choices for s in list_studies()] == [("place",)]
    assert open_study("bars").choices == ("place",)


def test_a_study_without_choices_has_none(toy_study):
    assert toy_study.choices == toy_study.info.choices == ()


def test_the_network_is_loaded_once(study):
    assert study.choice("place") is study.choice("place")


def test_the_answer_has_every_class_and_sums_to_one(study, prepared):
    answer = study.ask_choice("place", prepared)
    assert list(answer) == ["0", "1", "2"]
    assert sum(answer.values()) == pytest.approx(1, abs=1e-5)
    expected = study.choice("place").posterior(torch.from_numpy(prepared.tensor)[None])[0]
    assert list(answer.values()) == pytest.approx(expected.tolist())
    assert study.predict(prepared) == pytest.approx(answer)


def test_a_digit_is_prepared_as_a_digit(prepared):
    assert prepared.tensor.shape == (1, 28, 28)
    assert "MNIST's frame" in prepared.notes[0]


# Baselines


def test_what_can_be_had_grows_with_references_and_a_translator(folder, study, with_translator):
    assert study.baselines == ("blur", "zero", "max")
    assert with_translator.baselines == ("ganmex", "blur", "zero", "max")
    keep(folder)
    assert study.baselines == ("mdts", "expected", "mean", "blur", "zero", "max")
    assert with_translator.baselines == ("ganmex", "mdts", "expected", "mean", "blur", "zero", "max")


def test_every_baseline_there_is_makes_pictures(folder, with_translator):
    keep(folder)
    for name in with_translator.baselines:
        kind = with_translator.baseline(name, "place")
        made = kind.of(X, 0, 1)
        assert kind.name == name
        assert made.shape == (2, 12 if name == "expected" else 1, 1, 28, 28)
        assert with_translator.baseline(name, "place") is kind, "made once"


def test_references_are_what_was_kept(folder, study):
    images = keep(folder)
    mean = study.baseline("mean", "place")
    assert isinstance(mean, MeanBaseline)
    np.testing.assert_allclose(mean.mean, images.mean(0) / 255, atol=1e-6)
    assert isinstance(study.baseline("mdts", "place"), NearestSample)
    assert isinstance(study.baseline("expected", "place"), TrainingDistribution)


def test_the_translator_is_the_choices_own(with_translator):
    assert isinstance(with_translator.baseline("ganmex", "place"), GanmexBaseline)


# Explaining


@pytest.mark.parametrize("baseline", ["ganmex", "blur"])
def test_explain_by_name(with_translator, prepared, baseline):
    result = with_translator.explain("one-vs-one", prepared, target="", baseline=baseline, method="deeplift")
    assert isinstance(result, Attribution)
    answer = with_translator.ask_choice("place", prepared)
    assert [result.origin, result.target] == sorted(answer, key=answer.get, reverse=True)[:2]
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["study"] == "bars"
    assert abs(result.residual) < 1e-4


# Mistakes


def test_an_unknown_choice_names_those_there_are(study, toy_study, prepared):
    for call in (study.classes, study.choice, lambda n: study.ask_choice(n, prepared)):
        with pytest.raises(UserError, match="Toy bars has no choice 'colour'; it has: place"):
            call("colour")
    with pytest.raises(UserError, match="has no choice 'place'; it has: none"):
        toy_study.choice("place")


def test_an_unknown_baseline_names_those_there_are(study):
    with pytest.raises(UserError, match="no baseline 'grey'; choose one of ganmex, mdts"):
        study.baseline("grey", "place")


def test_a_missing_translator_names_the_command(study, prepared):
    with pytest.raises(UserError, match="contralens train ganmex --study bars --choice place --data DIR --out DIR"):
        study.baseline("ganmex", "place")
    with pytest.raises(UserError, match="contralens train ganmex"):
        study.explain("one-vs-one", prepared, target="")


@pytest.mark.parametrize("name", ["mdts", "expected", "mean"])
def test_missing_references_name_the_command(study, name):
    with pytest.raises(UserError, match="contralens references --study bars --data DIR"):
        study.baseline(name, "place")


def test_references_of_another_choice_are_refused(folder, study):
    keep(folder, "other")
    with pytest.raises(UserError, match="holds no pictures for 'place'; make it anew"):
        study.baseline("mean", "place")


def test_a_study_without_a_choice_cannot_be_asked_one_against_another(toy_study, prepared):
    with pytest.raises(UserError, match="no choice among several classes"):
        toy_study.explain("one-vs-one", prepared, target="")


@pytest.mark.parametrize(("table", "key"), [("choice", "classes"), ("choice", "file"), ("translator", "choice")])
def test_a_missing_key_is_named(folder, table, key):
    lines = (CHOICE + TRANSLATOR).splitlines()
    start = lines.index(f"[[{table}]]")
    where = next(i for i in range(start, len(lines)) if lines[i].startswith(f"{key} = "))
    del lines[where]
    (folder / "study.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=rf"study\.toml lacks '{key}' in \[{table}\]"):
        read_settings(folder)


# A choice whose network sees smaller pictures than the study has


@pytest.fixture
def larger(folder):
    """The same study with pictures of 56 pixels; its choice stays at 28."""
    text = (CHOICE + TRANSLATOR).replace("size = 28", "size = 56")
    assert "size = 56" in text
    named = 'classes = ["0", "1", "2"]'
    (folder / "study.toml").write_text(text.replace(named, f"{named}\nsize = 28"), encoding="utf-8")
    return Study(folder)


def test_a_picture_is_brought_to_the_size_of_the_choice(larger):
    rng = np.random.default_rng(0)
    view = rng.random((112, 112)).astype(np.float32)
    whole = Prepared(resize(view, 56, 56)[None], view, "ab" * 32, np.eye(2, 3))
    small = larger.seen_by("place", whole)
    assert (larger.size, larger.choice_size("place")) == (56, 28)
    np.testing.assert_array_equal(small.tensor[0], resize(view, 28, 28))
    assert larger.seen_by("place", small) is small
    assert larger.ask_choice("place", whole) == larger.ask_choice("place", small)
    found = larger.explain("one-vs-one", whole, target="")
    assert found.map.shape == (1, 28, 28)
    assert found.picture.shape == (1, 28, 28)
    with torch.no_grad():
        large = larger.choice("place").posterior(torch.from_numpy(whole.tensor)[None])
    assert large.shape == (1, 3), "whoever brings a picture of the study's size is answered as well"


def test_without_a_size_of_its_own_a_choice_has_the_studys(study):
    assert study.choice_size("place") == study.size == 28


@pytest.mark.parametrize("size", ['"28"', "0", "2.5"])
def test_a_size_that_is_none_is_a_sentence(folder, size):
    named = 'classes = ["0", "1", "2"]'
    (folder / "study.toml").write_text(CHOICE.replace(named, f"{named}\nsize = {size}"), encoding="utf-8")
    with pytest.raises(UserError, match="the size of choice 'place' is a number of pixels"):
        Study(folder)
