"""Open the dashboard."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from core.errors import UserError


def serve(port: int, host: str, headless: bool) -> int:
    """Run Streamlit on the dashboard with the project's settings, and return its exit code."""
    root = Path(__file__).resolve().parents[2]
    app = root / "dashboard" / "app.py"
    if not app.is_file():
        raise UserError("The dashboard is not part of this installation; install the package contralens again.")
    _check_place(host, port)
    settings = root if (root / ".streamlit").is_dir() else root / "dashboard" / "_home"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}
    command = [
        sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port),
        "--server.address", host, "--server.headless", str(headless).lower(),
    ]  # fmt: skip
    try:
        return subprocess.call(command, cwd=settings, env=environment)
    except KeyboardInterrupt:
        return 0


def _check_place(host: str, port: int) -> None:
    """Raises UserError where nothing can listen: Streamlit would say so in a traceback, or not at all."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise UserError(f"There is no address {host} on this machine; pass another --host.") from None
    except OSError as fault:
        raise UserError(f"Nothing can listen on {host}:{port} ({fault.strerror}); pass another --port.") from None
