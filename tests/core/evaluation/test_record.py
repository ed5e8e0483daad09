"""One part of a metrics.json is replaced, and the rest is left alone."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from core.errors import UserError
from core.evaluation.record import read_json, record, write_json, write_metrics, write_text


def study(folder, variant=None):
    return SimpleNamespace(folder=folder, variant=variant, name="toy")


def test_what_was_there_stays(tmp_path):
    write_json(tmp_path / "metrics.json", {"study": "toy", "knobs": {"a": 1}, "ablation": {"Young": 1, "Smiling": 2}})
    assert record(study(tmp_path), "ablation", "Young", {"rows": []}) == tmp_path / "metrics.json"
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "study": "toy", "knobs": {"a": 1}, "ablation": {"Young": {"rows": []}, "Smiling": 2},
    }  # fmt: skip


def test_a_first_metrics_file_names_its_study(tmp_path):
    record(study(tmp_path), "ablation", "Young", {"rows": []})
    assert read_json(tmp_path / "metrics.json") == {"study": "toy", "ablation": {"Young": {"rows": []}}}


def test_a_variant_has_its_own_part(tmp_path):
    write_json(tmp_path / "metrics.json", {"study": "toy", "variants": {"other": {"n": 1}}})
    record(study(tmp_path, "biased"), "ablation", "Young", {"n": 2})
    found = read_json(tmp_path / "metrics.json")
    assert found["variants"] == {"other": {"n": 1}, "biased": {"ablation": {"Young": {"n": 2}}}}
    assert "ablation" not in found


def test_a_broken_metrics_file_is_not_replaced(tmp_path):
    (tmp_path / "metrics.json").write_text('{"study": ')
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        record(study(tmp_path), "ablation", "Young", {})
    assert (tmp_path / "metrics.json").read_text() == '{"study": '


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="nothing was recorded"):
        record(study(tmp_path / "file"), "ablation", "Young", {})


def test_half_a_file_is_none(tmp_path):
    assert read_json(tmp_path / "no.json") == {}
    (tmp_path / "half.json").write_text('{"a": ')
    assert read_json(tmp_path / "half.json") == {}
    write_text(tmp_path / "deep" / "whole.txt", "a")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["whole.txt"]


def test_tables_stand_beside_the_numbers(tmp_path):
    write_metrics(tmp_path, {"study": "toy", "identity": {}})
    assert (tmp_path / "measured.md").read_text().startswith("# toy: what was measured")


def test_what_has_another_form_is_kept_and_costs_the_tables_alone(tmp_path):
    write_metrics(tmp_path, {"study": "toy", "knobs": {"Large": 3}})
    assert read_json(tmp_path / "metrics.json")["knobs"] == {"Large": 3}
    assert "another form" in (tmp_path / "measured.md").read_text()
