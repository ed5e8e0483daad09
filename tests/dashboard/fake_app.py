"""The real dashboard over the fake study: `streamlit run tests/dashboard/fake_app.py`."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import fake  # noqa: E402

from core import studies  # noqa: E402
from core.evaluation import audit  # noqa: E402
from core.studies.settings import StudyInfo  # noqa: E402

study = fake.FakeStudy(pause=0.03, metrics=fake.evidence())
info = StudyInfo(
    study.name, study.title, study.modality, study.targets, study.knobs, study.summary, choices=study.choices,
    oracles=study.oracles,
)  # fmt: skip
studies.list_studies = lambda: [info]
studies.open_study = audit.open_study = lambda name, device="cpu": study.opened(name)
runpy.run_path(str(ROOT / "dashboard/app.py"), run_name="__main__")
