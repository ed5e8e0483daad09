"""Studies: what there is to ask about, and with which networks."""

from core.studies.catalogue import list_studies, open_study
from core.studies.settings import StudyInfo
from core.studies.study import Study

__all__ = ["Study", "StudyInfo", "list_studies", "open_study"]
