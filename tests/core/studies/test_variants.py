"""A study with several classifiers: each is a study of its own, `study:variant`, with its own knobs and numbers."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from toys import STUDY, draw_disc, shaken, small_config, write_study

from core.classifiers.store import load_classifier
from core.errors import UserError
from core.images.picture import Picture
from core.networks.exaggerator import Exaggerator
from core.networks.store import save_exaggerator
from core.studies import Study, list_studies, open_study
from core.studies.settings import as_variant, info_of, read_settings

VARIANTS = """
[[variant]]
name = "misled"
title = "trained where the bar goes with the disc"
file = "witness.safetensors"
targets = ["Large"]

[[variant.knob]]
target = "Large"
head = "morph"
file = "misled.safetensors"

[[variant]]
name = "bare"
title = "without a knob"
file = "oracle.safetensors"
targets = ["Bar"]
"""
MORE = """
[[choice]]
name = "place"
title = "Where it is"
file = "choice.safetensors"
classes = ["here", "there"]

[[translator]]
choice = "place"
file = "ganmex.safetensors"

[gate]
file = "gate.safetensors"
threshold = 0.0
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("variants"), STUDY + MORE + VARIANTS)
    torch.manual_seed(9)
    network = shaken(Exaggerator(small_config()), 0.05)
    save_exaggerator(network, folder / "toy" / "misled.safetensors", target="Large")
    return folder


@pytest.fixture
def toy(checkpoints, monkeypatch):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(checkpoints))
    return open_study("toy")


@pytest.fixture
def misled(toy):
    return open_study("toy:misled")


# What a variant is


def test_it_has_its_own_name_targets_and_knobs(toy, misled):
    assert (misled.name, misled.title) == (
        "toy:misled", "Toy discs (trained where the bar goes with the disc)",
    )  # fmt: skip
    assert (toy.variant, misled.variant) == (None, "misled")
    assert misled.targets == misled.knobs == ("Large",)
    assert misled.heads("Large") == ("morph",)
    bare = open_study("toy:bare")
    assert (bare.targets, bare.knobs) == (("Bar",), ())
    with pytest.raises(UserError, match=r"no trained knob for 'Bar'; it has: none\..*--study toy:bare --target Bar"):
        bare.exaggerator("Bar")


def test_its_classifier_and_knob_answer(toy, misled):
    x = torch.rand(2, 1, 32, 32)
    own = load_classifier(toy.folder / "witness.safetensors").target("Large").posterior(x)
    assert torch.equal(misled.blackbox("Large").posterior(x), own)
    assert not torch.allclose(toy.blackbox("Large").posterior(x), own)
    p, q = torch.tensor([0.2, 0.9]), torch.tensor([0.9, 0.1])
    assert not torch.equal(misled.exaggerator("Large")(x, p, q).x, toy.exaggerator("Large")(x, p, q).x)


def test_a_picture_is_explained_by_it(misled):
    picture = Picture(draw_disc(96, 0.25), "cd" * 32, "PNG")
    prepared = misled.prepare(picture)
    sweep = misled.explain("exaggeration", picture, target="Large", requests=(0.1, 0.9))
    assert sweep.study == "toy:misled"
    assert sweep.witness is None
    assert misled.predict(prepared).keys() == {"Large"}
    assert sweep.query == pytest.approx(misled.predict(prepared)["Large"], abs=1e-6)


def test_what_belongs_to_the_main_classifier_is_left_out(toy, misled):
    assert toy.witness("Large") is not None
    assert misled.witness("Large") is None
    assert misled.features() is None
    assert (toy.choices, misled.choices) == (("place",), ())
    assert "ganmex" in toy.baselines
    assert "translator" not in misled.settings
    # What is about the pictures stays.
    assert misled.oracles == toy.oracles == ("Bar",)
    assert [s.name for s in misled.samples] == ["camera"]
    assert "gate" in misled.settings
    assert (misled.modality, misled.size, misled.channels) == ("chest", 32, 1)


def test_the_main_study_knows_its_variants_and_a_variant_has_them_too(toy, misled):
    titles = {"misled": "trained where the bar goes with the disc", "bare": "without a knob"}
    assert toy.variants == misled.variants == titles
    assert toy.targets == ("Large", "Bright")


def test_without_variants_there_are_none(toy_study):
    assert toy_study.variants == {}
    with pytest.raises(UserError, match="Toy discs has no classifier 'misled'; it has: only one"):
        Study(toy_study.folder, variant="misled")


def test_an_unknown_variant_names_the_known_ones(toy):
    with pytest.raises(UserError, match=r"Toy discs has no classifier 'other'; it has: misled, bare\."):
        open_study("toy:other")
    with pytest.raises(UserError, match="no study 'discs'; installed: toy"):
        open_study("discs:misled")


def test_settings_are_not_changed_by_asking_for_a_variant(toy):
    settings = read_settings(toy.folder)
    before = json.dumps(settings)
    as_variant(settings, "misled")
    assert json.dumps(settings) == before


# Numbers


def test_its_numbers_are_under_variants(checkpoints, misled):
    def about(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.05}

    def numbers(n, value):
        target = {"n": n, "auc": about(value), "accuracy": about(0.8)}
        direct = {"n": n, "error": about(value), "top": about(0.5), "bottom": about(0.25)}
        return {"classifier": {"targets": {"Large": target}}, "knobs": {"Large": {"morph": {"direct": direct}}}}

    file = checkpoints / "toy" / "metrics.json"
    try:
        file.write_text(json.dumps(numbers(40, 0.9) | {"variants": {"misled": numbers(7, 0.6)}}))
        main, misled, bare = (Study(checkpoints / "toy", variant=v) for v in (None, "misled", "bare"))
        assert main.headline("Large").startswith("On 40 held-out test images: AUC 0.900")
        assert misled.headline("Large").startswith("On 7 held-out test images: AUC 0.600")
        assert misled.knob_line("Large").startswith(
            "On 7 held-out pictures, as trained, the classifier's answer is 60.0 "
        )
        assert misled.metrics.keys() == {"classifier", "knobs"}
        assert bare.metrics == {}
        assert "has not been measured" in bare.headline("Bar")
        file.write_text(json.dumps(numbers(40, 0.9)))
        assert Study(checkpoints / "toy", variant="misled").metrics == {}
    finally:
        file.unlink()


def test_it_has_no_reference_predictions(checkpoints, misled):
    file = checkpoints / "toy" / "references.json"
    try:
        file.write_text(json.dumps({"camera": {"Large": 0.5}}))
        assert Study(checkpoints / "toy").references == {"camera": {"Large": 0.5}}
        assert misled.references == {}
    finally:
        file.unlink()


# Finding it


def test_a_list_of_studies_names_no_variants(toy):
    (info,) = list_studies()
    assert (info.name, info.targets, info.knobs) == ("toy", ("Large", "Bright"), ("Large",))
    assert info.oracles == ("Bar",)
    assert info.choices == ("place",)


def test_the_line_of_a_variant(misled):
    assert (misled.info.name, misled.info.targets, misled.info.knobs) == ("toy:misled", ("Large",), ("Large",))
    assert misled.info.oracles == ("Bar",)
    assert info_of(as_variant(read_settings(misled.folder), "bare")).knobs == ()


def test_a_folder_has_variants_too(checkpoints):
    study = open_study(f"{checkpoints / 'toy'}:misled")
    assert study.name == "toy:misled"
    assert study.folder == checkpoints / "toy"


def test_a_folder_with_a_colon(tmp_path):
    folder = write_study(tmp_path / "12:30", STUDY + VARIANTS) / "toy"
    assert open_study(str(folder)).name == "toy"
    assert open_study(f"{folder}:bare").name == "toy:bare"
    with pytest.raises(UserError, match="has no classifier 'other'"):
        open_study(f"{folder}:other")
    with pytest.raises(UserError, match=re.escape(f"no study in {tmp_path / '12:30' / 'nowhere'}")):
        open_study(str(tmp_path / "12:30" / "nowhere"))


def test_a_colon_with_nothing_behind_it_is_the_study_itself(toy):
    assert open_study("toy:").variant is None


def test_a_folder_here_is_found_by_its_name(checkpoints, monkeypatch, tmp_path):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(checkpoints)
    assert open_study("toy:misled").name == "toy:misled"


# Mistakes in study.toml


@pytest.mark.parametrize("key", ["name", "title", "file", "targets"])
def test_a_variant_without_a_key(tmp_path, key):
    text = STUDY + re.sub(rf"^{key} = .*\n", "", VARIANTS, count=1, flags=re.MULTILINE)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(UserError, match=rf"study\.toml lacks '{key}' in \[variant\]"):
        read_settings(tmp_path)


@pytest.mark.parametrize("key", ["target", "head", "file"])
def test_a_variants_knob_without_a_key(tmp_path, key):
    at = VARIANTS.index("[[variant.knob]]")
    text = STUDY + VARIANTS[:at] + re.sub(rf"^{key} = .*\n", "", VARIANTS[at:], count=1, flags=re.MULTILINE)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(UserError, match=rf"study\.toml lacks '{key}' in \[variant\.knob\]"):
        read_settings(tmp_path)


def test_the_segmenter_is_asked_for_by_name(toy, tmp_path):
    assert not toy.outlines
    with pytest.raises(UserError, match=r"Toy discs has no segmenter\. Train one with: contralens train segmenter"):
        toy.segmenter()
    (tmp_path / "study.toml").write_text(STUDY + "\n[segmenter]\nwidth = 3\n")
    with pytest.raises(UserError, match=r"study\.toml lacks 'file' in \[segmenter\]"):
        read_settings(tmp_path)


def test_outlines_are_had_with_a_segmenter(tmp_path):
    from core.networks.store import save_segmenter
    from core.networks.unet import UNet, UNetConfig

    text = STUDY + '\n[segmenter]\nfile = "segmenter.safetensors"\n' + VARIANTS
    folder = write_study(tmp_path, text) / "toy"
    save_segmenter(UNet(UNetConfig(32, ("heart", "lungs"), 1, 4, 2)), folder / "segmenter.safetensors")
    for study in (Study(folder), Study(folder, variant="misled")):
        assert study.outlines
        assert study.segmenter() is study.segmenter()
        found = study.segmenter().segment(torch.from_numpy(np.zeros((1, 1, 32, 32), np.float32)))
        assert found.shape == (1, 2, 32, 32)


def test_what_an_oracles_one_means(tmp_path):
    text = STUDY.replace('target = "Bar"\n', 'target = "Bar"\npositive = "barred"\n')
    assert Study(write_study(tmp_path, text) / "toy").positive("Bar") == "barred"
    (tmp_path / "toy" / "study.toml").write_text(STUDY)
    study = Study(tmp_path / "toy")
    assert (study.positive("Bar"), study.positive("Much_Else")) == ("bar", "much else")
