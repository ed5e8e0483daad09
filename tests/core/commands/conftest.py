"""The command line in this process, on the toy study."""

from __future__ import annotations

import sys

import pytest

from core import cli


@pytest.fixture
def contralens(study_folder, monkeypatch, capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(study_folder))

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["contralens", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def mistake(contralens):
    """Run a command line that must end with 2 and one line on stderr; returns that line."""

    def run(*words) -> str:
        code, _, err = contralens(*words)
        assert code == 2, err
        lines = [line for line in err.splitlines() if line.strip()]
        assert len(lines) == 1, err
        assert lines[0].startswith("contralens: ")
        return lines[0]

    return run


@pytest.fixture
def image(labelled_folder):
    return labelled_folder[0] / "003.png"


@pytest.fixture
def table(labelled_folder):
    return ("--data", labelled_folder[0], "--labels", labelled_folder[1])
