"""Every study in `checkpoints`: complete, loadable, and answering as when it was measured."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from core.evaluation.compatibility import rank_correlation
from core.infills.infill import fill
from core.studies.settings import read_settings
from core.studies.study import Study

ONE = ("witness", "gate", "segmenter", "autoencoder")  # tables of one file

ROOT = Path(__file__).resolve().parents[3] / "checkpoints"


def finished(folder: Path) -> bool:
    """Whether a study's weights have been put beside its settings; one in the making is not shipped."""
    return any(folder.glob("*.safetensors"))


FOLDERS = sorted(p.parent for p in ROOT.glob("*/study.toml") if finished(p.parent))
CASES = [pytest.param(f, id=f.name) for f in FOLDERS] or [
    pytest.param(None, id="none", marks=pytest.mark.skip(reason="no study has weights yet"))
]
pytestmark = pytest.mark.parametrize("folder", CASES)


@pytest.fixture
def study(folder, monkeypatch):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(ROOT))
    return opened(folder)


_OPENED: dict[Path, Study] = {}


def opened(folder: Path) -> Study:
    """Each study once: weights are the slow part."""
    if folder not in _OPENED:
        _OPENED[folder] = Study(folder)
    return _OPENED[folder]


def sample_of(study: Study, name: str):
    """The prepared sample; the largest face where there are several."""
    from core.images.read import read_picture

    return study.prepare(read_picture(study.sample(name)))


def knobs(study: Study) -> list[tuple[str, str]]:
    return [(target, head) for target in study.knobs for head in study.heads(target)]


def test_its_settings_load_and_name_its_folder(folder):
    assert read_settings(folder)["study"]["name"] == folder.name


def test_every_file_it_names_is_there_and_every_file_there_is_named(folder):
    settings = read_settings(folder)
    tables = [settings["classifier"], *(settings[t] for t in ONE if t in settings)]
    for kind in ("oracle", "knob", "infill", "choice", "translator", "variant"):
        tables += settings.get(kind, [])
    tables += [knob for variant in settings.get("variant", []) for knob in variant.get("knob", [])]
    named = {t["file"] for t in tables if "file" in t}
    assert named == {p.name for p in folder.glob("*.safetensors")}


def test_every_network_loads_and_fits(study):
    x = torch.rand(2, study.channels, study.size, study.size)
    with torch.no_grad():
        assert study.network.posterior(x).shape == (2, len(study.targets))
        for choice in study.choices:
            assert study.choice(choice).posterior(x).shape == (2, len(study.classes(choice)))
            if "ganmex" in study.baselines:
                seen = torch.rand(2, study.channels, study.choice_size(choice), study.choice_size(choice))
                assert study.baseline("ganmex", choice).of(seen, 0, 1).shape == (2, 1, *seen.shape[1:])
        for name in study.infills:
            hole = torch.zeros(2, 1, *x.shape[2:])
            hole[..., 8:20, 8:20] = 1
            filled = fill(study.infill(name), x, hole)
            assert filled.shape == (2, 1, *x.shape[1:])
            assert torch.equal(filled[:, 0] * (1 - hole), x * (1 - hole))
        for target in study.targets:
            witness = study.witness(target)
            if witness is not None:
                assert not torch.equal(witness.logit(x), study.blackbox(target).logit(x))
        for oracle in study.oracles:
            assert study.oracle(oracle).posterior(x).shape == (2,)
        for target, head in knobs(study):
            config = study.exaggerator(target, head).config
            assert (config.head, config.size, config.channels) == (head, study.size, study.channels)


def test_the_witness_never_had_the_black_boxs_shape(folder):
    settings = read_settings(folder)
    if "witness" not in settings:
        pytest.skip("this study has no witness")
    study = opened(folder)
    assert study.features().config | {"targets": None} != study.classifier.config | {"targets": None}


def test_its_card_says_what_it_was_trained_on_and_where_it_ends(study, folder):
    assert (folder / "card.md").is_file()
    card = study.card.lower()
    for word in ("trained", "data", "licen", "limit", "medical" if study.modality == "chest" else "people"):
        assert word in card, word


def test_its_metrics_name_code_data_and_intervals(study, folder):
    assert (folder / "metrics.json").is_file()
    metrics = study.metrics
    assert metrics["study"] == study.name
    parts = [metrics["classifier"]] if not study.one_of_many else []
    parts += [metrics["knobs"][target][head] for target, head in knobs(study)]
    parts += [metrics["choices"][choice] for choice in study.choices]
    parts += [metrics["infills"]] if len(study.infills) > 4 else []
    parts += metrics.get("masks", {}).values()
    parts += metrics.get("one_vs_one", {}).values()
    for part in parts:
        assert re.fullmatch(r"[0-9a-f]{7,40}\+?", part["commit"])
        assert re.fullmatch(r"[0-9a-f]{16}", part["data"]["digest"])
        assert part["data"]["rows"] > 0
        assert part["split"] == "test"
    for target in study.targets if not study.one_of_many else ():
        report = metrics["classifier"]["targets"][target]
        assert report["n"] > 0
        assert report["auc"]["low"] <= report["auc"]["value"] <= report["auc"]["high"]
        assert report["auc"]["low"] > 0.5
    for target, head in knobs(study):
        for mode in ("direct", "calibrated"):
            report = metrics["knobs"][target][head][mode]
            assert report["n"] > 0
            assert {"value", "low", "high"} <= report["error"].keys()


def test_samples_are_predicted_as_they_were(study):
    assert study.references.keys() == {s.name for s in study.samples}
    for name, expected in study.references.items():
        answer = study.predict(sample_of(study, name))
        assert answer.keys() == expected.keys()
        for target, value in expected.items():
            assert answer[target] == pytest.approx(value, abs=0.01), (name, target)


def test_the_digits_have_a_mistake_to_look_into(study):
    """A one that any person reads as one, in small and in large; what it should be is the first that is offered."""
    if study.name != "digits":
        pytest.skip("only digits promise a mistake")
    from core.images.drawn import draw_digit
    from core.images.read import read_picture

    (sample,) = (s for s in study.samples if s.name == "footed-one")
    assert (sample.title, sample.path) == ("A 1 called a 7", "one with a foot")
    for side in (28, 224):
        answer = study.predict(study.prepare(read_picture(draw_digit(sample.path, side))))
        assert list(answer)[:2] == ["7", "1"]
        assert answer["7"] > 0.7


def test_samples_pass_the_gate(study):
    from core.images.read import read_picture

    for sample in study.samples:
        picture = read_picture(study.sample(sample.name))
        assert study.gate(study.prepare(picture), picture).ok, sample.name


def test_the_knob_turns_on_a_sample(study):
    prepared = sample_of(study, study.samples[0].name)
    for target, head in knobs(study):
        sweep = study.explain("exaggeration", prepared, target=target, head=head)
        order = rank_correlation(sweep.achieved[None], sweep.requested)[0]
        assert order > 0.95, (target, head)
        if head != "paper":
            assert np.array_equal(sweep.frames[sweep.origin], prepared.tensor), (target, head)
            assert sweep.distance[sweep.origin] == 0
