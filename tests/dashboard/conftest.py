"""The fake study for every test of the dashboard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that `import fake` works under importlib mode


@pytest.fixture
def fake_study(monkeypatch):
    """The fake study, installed in place of the real ones."""
    import fake
    import streamlit as st

    from core import studies
    from core.studies.study import StudyInfo

    study = fake.FakeStudy()
    info = StudyInfo(study.name, study.title, study.modality, study.targets, study.knobs, study.summary)
    monkeypatch.setattr(studies, "list_studies", lambda: [info])
    monkeypatch.setattr(studies, "open_study", lambda name, device="cpu": study)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield study
    st.cache_resource.clear()
    st.cache_data.clear()
