"""Ray Data on this machine, with two workers: the same code as the local engine, and the same numbers."""

from __future__ import annotations

import json
import shutil
import socket
import sys

import pytest
from toys import STUDY

from core.data.table import read_table
from core.errors import UserError
from core.evaluation.audit import AuditTask, audit_cohort
from core.evaluation.engine import Rows, read_records, run_task
from core.evaluation.engine_ray import run_on_ray, start_ray
from core.evaluation.study import evaluate_study
from core.studies import Study

GATE = '\n[gate]\nfile = "gate.safetensors"\nthreshold = 0.5\n'


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install contralens\[cluster\]"):
        start_ray()


def test_an_address_at_which_nobody_answers():
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=f"No Ray cluster answers at 127.0.0.1:{port}"):
        start_ray(f"127.0.0.1:{port}")


def test_a_ray_client_is_refused_by_name():
    pytest.importorskip("ray")
    # Ray Data fails inside on one: it needs a driver that is part of the cluster.
    with pytest.raises(UserError, match=r"cannot be driven through a Ray Client .*--address auto.*ray job submit"):
        start_ray("ray://127.0.0.1:10001")


@pytest.mark.parametrize("address", ["head", "head:port", ":6379", "127.0.0.1:99999"])
def test_no_address_at_all(address):
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=r"is no address of a Ray cluster|No Ray cluster answers"):
        start_ray(address)


@pytest.fixture(scope="module")
def two_workers():
    """A Ray session on this machine with two workers."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 starves them where something else runs
        assert start_ray(workers=2)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def study(study_folder, tmp_path_factory):
    """The toy study with a gate, where nothing else writes."""
    folder = tmp_path_factory.mktemp("ray") / "toy"
    shutil.copytree(study_folder / "toy", folder)
    (folder / "study.toml").write_text(STUDY + GATE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cohort(labelled_folder, tmp_path_factory):
    """The discs with a picture of the test rows missing and one broken."""
    folder = tmp_path_factory.mktemp("cohort") / "discs"
    shutil.copytree(labelled_folder[0], folder)
    (folder / "007.png").unlink()
    (folder / "011.png").write_bytes((folder / "011.png").read_bytes()[:200])
    return read_table(folder, folder / "labels.csv", missing_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("two_workers")
class TestTwoWorkers:
    def test_an_audit_has_identical_numbers(self, study, cohort, tmp_path):
        task = AuditTask(str(study), "Large", "Bar", by=("split",))
        reports = {engine: audit_cohort(task, cohort, tmp_path / engine, engine=engine) for engine in ("local", "ray")}
        assert reports["ray"] == reports["local"]
        assert [f["file"] for f in reports["ray"]["failed"]] == ["007.png", "011.png"]
        here, there = (list(read_records(tmp_path / e / "records.jsonl")) for e in ("local", "ray"))
        assert there == here
        assert len(there) == 48

    def test_an_evaluation_has_identical_numbers(self, study, cohort, tmp_path, monkeypatch):
        monkeypatch.setattr("core.evaluation.cohort.commit", lambda: "abc1234")  # somebody may commit meanwhile
        found = {
            engine: evaluate_study(
                Study(study), cohort, tmp_path / engine, measures=("classifier", "gate", "knobs"), pictures=4,
                heads=("morph",), engine=engine,
            )
            for engine in ("local", "ray")
        }  # fmt: skip
        assert found["ray"] == found["local"]
        assert [f["file"] for f in found["ray"]["failed"]] == ["007.png", "011.png"]
        assert found["ray"]["classifier"]["targets"]["Large"]["n"] == 10
        assert found["ray"]["gate"]["false_alarms"]["n"] == 10
        written = json.loads((tmp_path / "ray" / "metrics.json").read_text())
        assert written == found["ray"]

    def test_what_was_begun_here_goes_on_there(self, study, cohort, tmp_path):
        import ray

        task = AuditTask(str(study), "Large", "Bar", mode="direct")
        rows = Rows(cohort.where(cohort.label("Bar") == 1), {"attribute": [1] * 48})
        whole = list(run_task(task, rows, tmp_path / "whole.jsonl"))
        lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "r.jsonl").write_text("".join(lines[:5]) + lines[5][:9])
        heard = []
        found = run_task(
            task, rows, tmp_path / "r.jsonl", engine="ray", resume=True, progress=lambda i, n: heard.append((i, n))
        )
        assert list(found) == whole
        assert heard[0][0] >= 4  # of the first four, those that failed are tried again
        assert heard[-1] == (len(rows), len(rows))
        assert ray.cluster_resources()["CPU"] == 2
        assert ray.is_initialized()  # a session that was there before stays

    def test_a_task_for_a_gpu_needs_one(self, study, cohort):
        task = AuditTask(str(study), "Large", "Bar", device="cuda")
        with pytest.raises(UserError, match="no GPU; pass --device cpu"):
            next(run_on_ray(task, Rows(cohort, {"attribute": [0] * 48}), None))
