"""The dashboard as somebody starts it for the first time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


@pytest.mark.skipif(os.name == "nt", reason="signals a group of processes")
def test_the_first_start_asks_nothing(tmp_path):
    # A home that Streamlit has never seen, where it would ask for an e-mail address and wait.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "--port", str(port), "--host", "127.0.0.1"],
        env=os.environ | {"HOME": str(tmp_path), "BROWSER": "true"},  # the program `true` is not much of a browser
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for _ in range(120):
            try:
                assert urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        pytest.fail("no page within a minute")
    finally:
        os.killpg(server.pid, signal.SIGINT)
        said = server.communicate(timeout=20)[0].decode()
        assert "Email" not in said
