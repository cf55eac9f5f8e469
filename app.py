"""Assay on a screen: page config and navigation, nothing else. `make run` serves it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

HERE = Path(__file__).resolve().parent


def pages() -> None:
    """One run of the page that is open."""
    from screens import data, mitigate, model, people, received, removal, report, setup, start, stress
    from screens.parts import PAGES
    from screens.people import only

    st.set_page_config(page_title="Assay", page_icon=str(HERE / "screens" / "icon.png"), layout="wide")
    PAGES.update(
        start=st.Page(only("report", start.show), title="Start", url_path="start", default=True),
        setup=st.Page(only("make", setup.show), title="Set up", url_path="setup"),
        data=st.Page(only("figures", data.show), title="Who is in the data", url_path="data"),
        model=st.Page(only("figures", model.show), title="What the model does", url_path="model"),
        mitigate=st.Page(only("figures", mitigate.show), title="Mitigate and watch", url_path="mitigate"),
        stress=st.Page(only("figures", stress.show), title="What could go wrong", url_path="stress"),
        report=st.Page(only("report", report.show), title="Report", url_path="report"),
        received=st.Page(only("report", received.show), title="Check a report", url_path="received"),
    )
    page = st.navigation(list(PAGES.values()), position="top")
    if people.entered():
        removal.farewell()
        page.run()


@asynccontextmanager
async def swept(_: object):  # type: ignore[no-untyped-def]
    """At the start of the server: uploads that nobody came back to are removed."""
    from screens.workspace import sweep

    sweep()
    yield


if (
    get_script_run_ctx(suppress_warning=True) is None
):  # imported by the server, which runs this file once more for each page
    from screens.serve import middleware, who_acts

    who_acts()
    app = st.App(__file__, middleware=middleware(), lifespan=swept)
else:
    pages()
