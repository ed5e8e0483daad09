"""The dashboard: which pages there are, and the notice before them. `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:  # run from a checkout that is not installed
    sys.path.insert(0, str(HERE.parent))

from dashboard.parts import notice  # noqa: E402

st.set_page_config(
    page_title="Contralens", page_icon=str(HERE / "icon.svg"), layout="wide",
    menu_items={"About": notice.SHORT},  # with an entry of ours the menu is shown, and offers light and dark
)  # fmt: skip
st.logo(HERE / "logo.svg", size="large")
page = st.navigation(
    [
        st.Page(HERE / "app_pages/knob.py", title="δ knob", icon=":material/tune:", default=True),
        st.Page(HERE / "app_pages/masks.py", title="Masks", icon=":material/select_all:"),
        st.Page(HERE / "app_pages/one_vs_one.py", title="One against one", icon=":material/compare_arrows:"),
        st.Page(HERE / "app_pages/bias.py", title="Bias check", icon=":material/balance:"),
        st.Page(HERE / "app_pages/evidence.py", title="Evidence", icon=":material/query_stats:"),
        st.Page(HERE / "app_pages/card.py", title="Model card", icon=":material/description:"),
    ],
    position="top",
)
if notice.accepted():
    page.run()
    notice.footer()
