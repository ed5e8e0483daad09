"""One thread, the repository on the path, and the toys every room shares."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
TESTS = Path(__file__).resolve().parent
for place in (TESTS, TESTS.parent):  # `import toys`, and `import core` from a checkout that was not installed
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_every_time():
    """Each test starts from the same random state, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def discs():
    """64 discs of 32 pixels that differ in radius, with a corner bar on half of them."""
    import toys

    return toys.make_discs(64, size=32, seed=1)


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory):
    """A checkpoint folder with one small study, `toy`, whose networks are random."""
    import toys

    return toys.write_study(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory):
    """(folder of PNGs, CSV beside it) of 48 discs with train, val and test rows."""
    import toys

    return toys.write_table(tmp_path_factory.mktemp("discs"))


@pytest.fixture
def toy_study(study_folder, monkeypatch):
    """The toy study, installed in place of the shipped ones."""
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(study_folder))
    from core.studies import open_study

    return open_study("toy")
