"""What `contralens bench` says of memory, on toy studies."""

from __future__ import annotations

import sys

import pytest
from toys import CHOICE, TRANSLATOR, write_choice

from core.attributions.deeplift import CHUNK
from core.commands import bench_memory
from core.commands.bench_memory import dashboard_memory, deepshap_memory, measure_dashboard, measure_deepshap

linux = pytest.mark.skipif(sys.platform != "linux", reason="no other system tells a process's peak")


@pytest.fixture
def folder(tmp_path):
    """The folder of a study of many classes, with its translator."""
    return write_choice(tmp_path / "checkpoints", CHOICE + TRANSLATOR)


@pytest.fixture
def toys(study_folder, monkeypatch):
    """The toy study is what is installed."""
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(study_folder))


@linux
def test_memory_is_that_of_a_chunk(folder):
    """One more chunk, and seven more, take less than another chunk would; both measured in a process of their own."""
    found = deepshap_memory(folder, "cpu")
    assert found["chunk"] == CHUNK < 32
    assert 0 < found["one_chunk"] <= found["of_32"] <= found["of_256"] < 2 * found["one_chunk"] + 4


@linux
def test_the_dashboard_in_a_process_of_its_own(toys):
    """Python, torch and streamlit alone take more than 200 MB; a toy's networks and sweeps take next to nothing."""
    found = dashboard_memory("cpu")
    assert 200 < found["studies"] <= found["masks"] < 1500


def test_every_knob_is_turned_and_a_mask_fitted(toys, monkeypatch):
    asked = []
    from core.studies import Study

    explain = Study.explain
    monkeypatch.setattr(
        Study, "explain", lambda self, name, *a, **k: asked.append((name, k["target"])) or explain(self, name, *a, **k)
    )
    measure_dashboard("cpu")
    assert ("fido", "Large") in asked
    assert {t for name, t in asked if name == "exaggeration"} == {"Large"}


def test_a_system_that_tells_no_peak(folder, toys, monkeypatch):
    monkeypatch.setattr(bench_memory, "peak", lambda device: None)
    assert measure_deepshap(str(folder), "cpu") is None
    assert measure_dashboard("cpu") is None
