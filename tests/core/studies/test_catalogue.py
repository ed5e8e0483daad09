"""Where studies are and which there are."""

from __future__ import annotations

import pytest
from toys import STUDY

from core.errors import UserError
from core.studies import Study, list_studies, open_study
from core.studies.catalogue import checkpoint_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(tmp_path))
    return tmp_path


def write(place, name: str, text: str) -> None:
    (place / name).mkdir()
    (place / name / "study.toml").write_text(text)


def test_the_environment_says_where(place):
    assert checkpoint_folder() == place


def test_without_it_the_checkout_says_where(monkeypatch):
    monkeypatch.delenv("CONTRALENS_CHECKPOINTS", raising=False)
    assert checkpoint_folder().name == "checkpoints"


def test_none_is_no_error(place):
    assert list_studies() == []


def test_all_by_name_without_loading_weights(place):
    write(place, "b", STUDY.replace('"toy"', '"b"'))
    write(place, "a", STUDY.replace('"toy"', '"a"'))
    (place / "not-a-study").mkdir()
    found = list_studies()
    assert [s.name for s in found] == ["a", "b"]
    assert found[0].targets == ("Large", "Bright")
    assert found[0].knobs == ("Large",)
    assert found[0].modality == "chest"


def test_an_unknown_study_names_the_installed_ones(place):
    write(place, "toy", STUDY)
    with pytest.raises(UserError, match="no study 'hearts'; installed: toy"):
        open_study("hearts")


def test_an_unknown_study_where_there_are_none(place):
    with pytest.raises(UserError, match="installed: none"):
        open_study("hearts")


def test_a_folder_is_a_study_too(place, study_folder):
    study = open_study(str(study_folder / "toy"))
    assert isinstance(study, Study)
    assert study.name == "toy"
    with pytest.raises(UserError, match=r"no study in .*nowhere: it has no study\.toml"):
        open_study(str(place / "nowhere"))


def test_a_broken_study_is_named(place):
    write(place, "broken", "[study\n")
    with pytest.raises(UserError, match=r"broken/study\.toml is not valid TOML"):
        list_studies()
