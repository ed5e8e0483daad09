"""Open the dashboard."""

from __future__ import annotations

import os
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
