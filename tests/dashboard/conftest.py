"""The fake study for every test of the dashboard, and a browser before the real dashboard over it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # so that `import fake` works under importlib mode
from browsing import ARGS, CHROMIUM, WAIT, local  # noqa: E402


@pytest.fixture
def fake_study(monkeypatch):
    """The fake study, installed in place of the real ones."""
    import fake
    import streamlit as st

    from core import studies
    from core.evaluation import audit
    from core.studies.settings import StudyInfo

    study = fake.FakeStudy()
    info = StudyInfo(
        study.name, study.title, study.modality, study.targets, study.knobs, study.summary, choices=study.choices,
        oracles=study.oracles,
    )  # fmt: skip
    monkeypatch.setattr(studies, "list_studies", lambda: [info])
    for module in (studies, audit):  # an audit opens studies by itself
        monkeypatch.setattr(module, "open_study", lambda name, device="cpu": study.opened(name))
    caches = (st.cache_resource.clear, st.cache_data.clear, audit._study.cache_clear)
    for clear in caches:
        clear()
    yield study
    for clear in caches:
        clear()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The real dashboard over the fake study, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("fake_app.py")),
        "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true",
        "--server.fileWatcherType", "none",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            pytest.fail("streamlit did not start")
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address, tmp_path):
    """Open an address behind the notice; a picture of the end of each test goes to CONTRALENS_ARTEFACTS."""
    opened = []

    def go(query: str = "", scheme: str = "light"):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.sockets_sent, page.sockets_received, page.strangers, page.faults = [], [], [], []
        page.on("websocket", lambda s: s.on("framesent", lambda f: page.sockets_sent.append(len(f))))
        page.on("websocket", lambda s: s.on("framereceived", lambda f: page.sockets_received.append(len(f))))
        page.on("request", lambda r: page.strangers.append(r.url) if not local(r.url, address) else None)
        page.on("pageerror", lambda e: page.faults.append(str(e)))
        opened.append(page)
        page.goto(f"{address}/{query}")
        page.get_by_role("button", name="I understand and accept").click(timeout=WAIT)
        return page

    yield go
    folder = Path(os.environ.get("CONTRALENS_ARTEFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    name = os.environ.get("PYTEST_CURRENT_TEST", "test").split("::")[-1].split(" ")[0]
    for i, page in enumerate(opened):
        page.screenshot(path=folder / f"{re.sub(r'[^a-z0-9_]+', '-', name)}-{i}.png")
        page.context.close()
