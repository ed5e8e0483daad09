"""The memory of an evaluation and of an audit does not grow with the cohort."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import shaken, small_config

from core.classifiers.blackbox import Classifier
from core.classifiers.store import save_classifier
from core.networks.exaggerator import Exaggerator
from core.networks.store import save_exaggerator

SIZE = 96  # a picture is 28 kB, so 1,800 of them in memory could not be missed
LIMIT = 40  # MB
STUDY = f"""\
[study]
name = "plain"
title = "Plain pictures"
modality = "face"
size = {SIZE}
channels = 3
summary = "Anything."

[classifier]
file = "classifier.safetensors"
targets = ["Bright"]

[[oracle]]
target = "Warm"
file = "oracle.safetensors"

[[knob]]
target = "Bright"
head = "morph"
file = "morph.safetensors"
"""
RUN = """\
import resource, sys
from core import cli
try:
    cli.main()
except SystemExit as end:
    assert not end.code, end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    for seed, (name, target) in enumerate({"classifier": "Bright", "oracle": "Warm"}.items()):
        torch.manual_seed(seed)
        save_classifier(Classifier("resnet", 3, (target,), 4, SIZE).freeze(), folder / f"{name}.safetensors")
    knob = shaken(Exaggerator(small_config("morph", size=SIZE, channels=3)), 0.02)
    save_exaggerator(knob, folder / "morph.safetensors", target="Bright")
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A maker of label files of any length over thirty pictures, each under many names."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(30):
        noise = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg")

    def make(n: int) -> tuple[Path, Path]:
        path = folder / f"{n}.csv"
        for i in range(n):
            if not (folder / f"{i}.jpg").exists():
                (folder / f"{i}.jpg").hardlink_to(folder / f"{i % 30}.jpg")
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["file", "Bright", "Warm", "split", *(f"c{k}" for k in range(20))])
            writer.writerows([f"{i}.jpg", i % 2, i // 2 % 2, "test", *range(20)] for i in range(n))
        return folder, path

    return make


def peak(out: Path, study: Path, data: Path, labels: Path, *words: str) -> int:
    """MB of memory at most, of a command in a process of its own."""
    done = subprocess.run(
        [
            sys.executable, "-c", RUN, *words, "--study", str(study), "--data", str(data), "--labels", str(labels),
            "--out", str(out),
        ],
        cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("n", "words"),
    [
        (300, ("evaluate", "--measure", "classifier")),
        (200, ("audit", "--attribute", "Warm", "--mode", "direct", "--aligned")),
    ],
    ids=["evaluate", "audit"],
)
def test_ten_times_the_pictures_take_no_more_memory(n, words, study, cohort, tmp_path):
    few, many = (peak(tmp_path / str(k), study, *cohort(k), *words) for k in (n, 10 * n))
    assert abs(many - few) < LIMIT, f"{few} MB for {n} pictures, {many} MB for {10 * n}"
