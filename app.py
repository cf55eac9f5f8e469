"""Assay on a screen: page config and navigation, nothing else. `make run` serves it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from screens import data, mitigate, model, report, setup
from screens.parts import PAGES

HERE = Path(__file__).resolve().parent

st.set_page_config(page_title="Assay", page_icon=str(HERE / "screens" / "icon.png"), layout="wide")

PAGES.update(
    setup=st.Page(setup.show, title="Set up", url_path="setup", default=True),
    data=st.Page(data.show, title="Who is in the data", url_path="data"),
    model=st.Page(model.show, title="What the model does", url_path="model"),
    mitigate=st.Page(mitigate.show, title="Mitigate and watch", url_path="mitigate"),
    report=st.Page(report.show, title="Report", url_path="report"),
)
st.navigation(list(PAGES.values()), position="top").run()
