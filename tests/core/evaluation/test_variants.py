"""A variant of a study measured: its numbers beside the study's own, which stay as they are."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from toys import STUDY, shaken, small_config

from core.data.table import read_table
from core.evaluation.study import evaluate_study
from core.networks.exaggerator import Exaggerator
from core.networks.store import save_exaggerator
from core.studies import Study

VARIANT = """
[[variant]]
name = "misled"
title = "trained on other pictures"
file = "witness.safetensors"
targets = ["Large"]

[[variant.knob]]
target = "Large"
head = "morph"
file = "misled.safetensors"
"""
PARTS = ("classifier", "references", "knobs", "pictures")


@pytest.fixture(scope="module")
def folder(study_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "toy"
    shutil.copytree(study_folder / "toy", folder)
    (folder / "study.toml").write_text(STUDY + VARIANT)
    torch.manual_seed(9)
    save_exaggerator(shaken(Exaggerator(small_config()), 0.05), folder / "misled.safetensors", target="Large")
    return folder


def measure(folder, out, table, variant=None, measures=PARTS):
    return evaluate_study(
        Study(folder, variant=variant),
        table,
        out,
        measures=measures,
        pictures=2,
        heads=("morph",),
        cache=folder.parent / "cache",
    )


@pytest.fixture(scope="module")
def measured(folder, labelled_folder, tmp_path_factory):
    """(main metrics, variant's metrics, files before the variant was measured, folder)."""
    out, table = tmp_path_factory.mktemp("out"), read_table(*labelled_folder)
    main = measure(folder, out, table)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return main, measure(folder, out, table, "misled"), before, out


def test_both_are_in_one_file(measured):
    main, variant, _, out = measured
    found = json.loads((out / "metrics.json").read_text())
    assert found["study"] == "toy"
    assert found.pop("variants") == {"misled": variant}
    assert found == main


def test_the_variants_numbers_are_its_own(measured):
    main, variant, _, _ = measured
    assert list(variant["classifier"]["targets"]) == ["Large"]
    assert variant["knobs"]["Large"].keys() == {"morph"}
    assert variant["classifier"]["targets"] == {"Large": main["witness"]["targets"]["Large"]}
    assert variant["knobs"]["Large"]["morph"]["direct"] != main["knobs"]["Large"]["morph"]["direct"]
    assert "witness" not in variant
    assert variant["oracles"] == main["oracles"]


def test_what_was_written_for_the_main_classifier_stays(measured):
    _, _, before, out = measured
    assert {"references.json", "strip-large.png", "numbers.csv", "response-large.png"} <= {p.name for p in before}
    for path, content in before.items():
        if path.name not in ("metrics.json", "measured.md"):
            assert path.read_bytes() == content, path
    own = out / "variants" / "misled"
    assert (own / "strip-large.png").read_bytes() != (out / "strip-large.png").read_bytes()
    assert (own / "report" / "numbers.csv").read_text() != (out / "report" / "numbers.csv").read_text()


def test_measured_in_its_own_folder_the_study_reads_them(measured, folder):
    main, variant, _, out = measured
    shutil.copy(out / "metrics.json", folder / "metrics.json")
    try:
        assert Study(folder, variant="misled").metrics == variant
        assert Study(folder).metrics["classifier"] == main["classifier"]
    finally:
        (folder / "metrics.json").unlink()


def test_the_main_classifier_measured_again_keeps_its_variants(folder, labelled_folder, tmp_path):
    knobs = {"Large": {"morph": {"n": 1}}}
    variants = {"misled": {"knobs": knobs, "classifier": {"old": 1}}, "other": {"n": 2}}
    old = {"study": "toy", "note": 1, "variants": variants}
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    table = read_table(*labelled_folder)
    measure(folder, tmp_path, table, measures=("classifier",))
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["note"], found["variants"]) == (1, variants)
    assert "targets" in found["classifier"]
    kept = found["classifier"]
    measure(folder, tmp_path, table, "misled", ("classifier",))
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["classifier"] == kept
    assert found["variants"]["other"] == {"n": 2}
    assert found["variants"]["misled"]["knobs"] == knobs
    assert list(found["variants"]["misled"]["classifier"]["targets"]) == ["Large"]
