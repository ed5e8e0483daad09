"""A study read from a folder: its settings, its networks, and what it answers."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
from toys import STUDY, draw_disc

from core.errors import UserError
from core.images.picture import Picture
from core.studies.lines import label
from core.studies.samples import Sample, read_sample
from core.studies.settings import read_settings
from core.studies.study import Study


@pytest.fixture
def picture():
    return Picture(draw_disc(96, 0.25), "cd" * 32, "PNG")


@pytest.fixture
def copy(study_folder, tmp_path):
    """A toy study that a test may change."""
    shutil.copytree(study_folder / "toy", tmp_path / "toy")
    return tmp_path / "toy"


def with_settings(folder, text: str):
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


# What it holds


def test_its_line(toy_study):
    info = toy_study.info
    assert (info.name, info.title, info.modality) == ("toy", "Toy discs", "chest")
    assert toy_study.targets == ("Large", "Bright")
    assert toy_study.knobs == ("Large",)
    assert toy_study.heads("Large") == ("morph", "paper")
    assert toy_study.heads("Bright") == ()
    assert toy_study.oracles == ("Bar",)
    assert [s.name for s in toy_study.samples] == ["camera"]


def test_nothing_is_loaded_before_it_is_asked_for(copy):
    for file in copy.glob("*.safetensors"):
        file.unlink()
    study = Study(copy)
    assert study.targets == ("Large", "Bright")
    with pytest.raises(UserError, match=r"no checkpoint at .*classifier\.safetensors"):
        study.blackbox("Large")


def test_a_network_is_loaded_once(toy_study):
    assert toy_study.classifier is toy_study.classifier
    assert toy_study.exaggerator("Large") is toy_study.exaggerator("Large", "morph")


def test_the_first_head_is_the_default(toy_study):
    assert toy_study.exaggerator("Large").config.head == "morph"
    assert toy_study.exaggerator("Large", "paper").config.head == "paper"


def test_the_witness_is_another_network(toy_study):
    x = torch.rand(2, 1, 32, 32)
    assert not torch.allclose(toy_study.witness("Large").logit(x), toy_study.blackbox("Large").logit(x))
    assert toy_study.witness("Bright") is None
    assert toy_study.features() is not None


def test_without_a_witness(copy):
    study = Study(with_settings(copy, STUDY.replace("[witness]", "[nothing]")))
    assert study.witness("Large") is None
    assert study.features() is None


def test_an_oracle(toy_study):
    assert toy_study.oracle("Bar").posterior(torch.rand(1, 1, 32, 32)).shape == (1,)


def test_everything_is_frozen(toy_study):
    for network in (toy_study.classifier, toy_study.exaggerator("Large"), toy_study.features()):
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())


def test_names_for_people():
    assert label("No_Beard") == "no beard"


# What it answers


def test_predict(toy_study, picture):
    prepared = toy_study.prepare(picture)
    assert prepared.tensor.shape == (1, 32, 32)
    answer = toy_study.predict(prepared)
    assert answer.keys() == {"Large", "Bright"}
    x = torch.from_numpy(prepared.tensor)[None]
    for target, p in answer.items():
        assert p == pytest.approx(float(toy_study.blackbox(target).posterior(x)[0]), abs=1e-6)


def test_explain_a_picture(toy_study, picture):
    sweep = toy_study.explain("exaggeration", picture, target="Large", requests=(0.1, 0.9))
    prepared = toy_study.prepare(picture)
    assert (sweep.study, sweep.target, sweep.head) == ("toy", "Large", "morph")
    assert sweep.query == pytest.approx(toy_study.predict(prepared)["Large"], abs=1e-6)
    assert sweep.witness is not None
    np.testing.assert_array_equal(sweep.frames[sweep.origin], prepared.tensor)


def test_explain_what_was_prepared_already_gives_the_same(toy_study, picture):
    one = toy_study.explain("exaggeration", picture, target="Large", requests=(0.1, 0.9))
    two = toy_study.explain("exaggeration", toy_study.prepare(picture), target="Large", requests=(0.1, 0.9))
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.views, two.views)


def test_without_a_gate_everything_passes(toy_study, picture):
    assert toy_study.gate(toy_study.prepare(picture), picture).ok


@pytest.mark.parametrize(("threshold", "ok"), [(0.0, True), (1.1, False)])
def test_the_gates_threshold_is_the_settings(copy, picture, threshold, ok):
    text = STUDY + f'\n[gate]\nfile = "gate.safetensors"\nthreshold = {threshold}\n'
    study = Study(with_settings(copy, text))
    assert study.gate(study.prepare(picture), picture).ok is ok


def test_a_sample_comes_from_its_package(toy_study):
    from core.images.read import read_picture

    assert toy_study.sample("camera").startswith(b"\x89PNG")
    assert min(read_picture(toy_study.sample("camera")).size) >= 256


# What was measured


def test_what_was_not_measured_is_said(toy_study):
    assert toy_study.metrics == {}
    assert toy_study.references == {}
    assert "has not been measured" in toy_study.headline("Large")
    assert "has not been measured" in toy_study.knob_line("Large")
    assert "has no model card" in toy_study.card


def test_what_was_measured_is_quoted(copy):
    def about(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.05}

    direct = {"n": 7, "error": about(0.123), "top": about(0.5), "bottom": about(0.25), "witness_ratio": about(0.8)}
    measured = {
        "classifier": {"targets": {"Large": {"n": 40, "auc": about(0.9), "accuracy": about(0.8), "ece": about(0.03)}}},
        "knobs": {"Large": {"morph": {"direct": direct, "calibrated": direct | {"n": 5, "error": about(0.002)}}}},
    }
    (copy / "metrics.json").write_text(json.dumps(measured))
    (copy / "card.md").write_text("# Discs")
    study = Study(copy)
    assert study.headline("Large") == (
        "On 40 held-out test images: AUC 0.900 (0.800 to 0.950), accuracy 0.800, calibration error 0.030."
    )
    line = study.knob_line("Large")
    for part in ("On 5 held-out", ", calibrated,", " 0.2 points", "50% of them pass", "25% fall", "moves 80% as far"):
        assert part in line
    line = study.knob_line("Large", "morph", "direct")
    for part in ("On 7 held-out", ", as trained,", " 12.3 points"):
        assert part in line
    assert "has not been measured" in study.knob_line("Large", "paper"), "and not what another head's figures are"
    assert study.card == "# Discs"
    found = measured["classifier"]["targets"]["Large"]
    found |= {"positives": 10, "sensitivity": about(0.7), "specificity": about(0.9)}
    (copy / "metrics.json").write_text(json.dumps(measured))
    assert Study(copy).headline("Large") == (
        "On 40 held-out test images, 25% of them positive: AUC 0.900 (0.800 to 0.950), sensitivity 0.70, "
        "specificity 0.90, calibration error 0.030. Where fewer are positive, the probability is too high."
    )
    assert "has not been measured" in study.headline("Bright")


# Mistakes


def test_an_unknown_target(toy_study, picture):
    with pytest.raises(UserError, match="no target 'Small'; it has: Large, Bright"):
        toy_study.explain("exaggeration", picture, target="Small")


def test_a_target_without_a_knob(toy_study, picture):
    sentence = r"no trained knob for 'Bright'; it has: Large\. Train one with: contralens train exaggerator"
    with pytest.raises(UserError, match=sentence):
        toy_study.explain("exaggeration", picture, target="Bright")


def test_a_head_that_was_not_trained(toy_study):
    with pytest.raises(UserError, match="no 'residual' head for 'Large'; there is: morph, paper"):
        toy_study.exaggerator("Large", "residual")


def test_an_unknown_oracle_or_sample(toy_study):
    with pytest.raises(UserError, match="no oracle for 'sex'; it has: Bar"):
        toy_study.oracle("sex")
    with pytest.raises(UserError, match="no sample 'cat'; there is: camera"):
        toy_study.sample("cat")


def test_an_unknown_method_or_option(toy_study, picture):
    with pytest.raises(UserError, match=r"no explainer 'magic'; there is: .*exaggeration"):
        toy_study.explain("magic", picture, target="Large")
    with pytest.raises(UserError, match="exaggeration does not take these options"):
        toy_study.explain("exaggeration", picture, target="Large", colour="red")


def test_a_sample_whose_package_is_missing():
    with pytest.raises(UserError, match="needs the package no_such_package: pip install"):
        read_sample(Sample("a", "A", "no_such_package", "a.png", ""))
    with pytest.raises(UserError, match="not in this version of skimage"):
        read_sample(Sample("a", "A", "skimage", "data/none.png", ""))


def test_no_settings(tmp_path):
    with pytest.raises(UserError, match=r"no study in .*: it has no study\.toml"):
        Study(tmp_path)


def test_settings_that_are_not_toml(copy):
    with pytest.raises(UserError, match=r"study\.toml is not valid TOML"):
        Study(with_settings(copy, "name: toy"))


def without(table: str, key: str) -> str:
    """The toy settings lacking one key of one table."""
    start = STUDY.index(table)
    return STUDY[:start] + re.sub(rf"^{key} = .*\n", "", STUDY[start:], count=1, flags=re.MULTILINE)


LACKS = [
    *[("[study]", key) for key in ("name", "title", "modality", "summary", "size", "channels")],
    ("[classifier]", "file"),
    ("[classifier]", "targets"),
    ("[witness]", "file"),
    ("[witness]", "targets"),
    ("[[oracle]]", "target"),
    ("[[oracle]]", "file"),
    *[("[[knob]]", key) for key in ("target", "head", "file")],
    *[("[[sample]]", key) for key in ("name", "title", "package", "path")],
]


@pytest.mark.parametrize(("table", "key"), LACKS, ids=lambda v: v)
def test_a_missing_key_is_named_with_its_file(copy, table, key):
    with pytest.raises(UserError, match=rf"study\.toml lacks '{key}' in \[.*{table.strip('[]')}"):
        read_settings(with_settings(copy, without(table, key)))


@pytest.mark.parametrize("key", ["file", "threshold"])
def test_a_gate_without_a_key(copy, key):
    text = STUDY + '\n[gate]\nfile = "gate.safetensors"\nthreshold = 0.5\n'
    text = re.sub(rf"^{key} = .*\n", "", text[text.index("[gate]") :], flags=re.MULTILINE)
    with pytest.raises(UserError, match=rf"study\.toml lacks '{key}' in \[gate\]"):
        read_settings(with_settings(copy, STUDY + text))


def test_a_modality_nobody_knows(copy):
    with pytest.raises(UserError, match=r"study\.toml: modality must be one of chest, face"):
        read_settings(with_settings(copy, STUDY.replace('"chest"', '"sonar"')))
