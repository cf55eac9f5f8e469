"""Assay on a screen: page config and navigation, nothing else. `make run` serves it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

HERE = Path(__file__).resolve().parent


SCREENS = (
    ("start", "Start", "report"),
    ("setup", "Set up", "make"),
    ("data", "Who is in the data", "figures"),
    ("model", "What the model does", "figures"),
    ("mitigate", "Mitigate and watch", "figures"),
    ("stress", "What could go wrong", "figures"),
    ("report", "Report", "report"),
    ("received", "Check a report", "report"),
)
"""Module in screens/ and address, title, the act (audit/access.py) that its roles have. Loaded when first opened."""


def pages() -> None:
    """One run of the page that is open."""
    from screens import people, removal, warm
    from screens.parts import PAGES

    st.set_page_config(page_title="Assay", page_icon=str(HERE / "screens" / "icon.png"), layout="wide")
    for name, title, act in SCREENS:
        shown = people.only(act, f"screens.{name}")
        PAGES[name] = st.Page(shown, title=title, url_path=name, default=name == "start")
    page = st.navigation(list(PAGES.values()), position="top")
    if people.entered():
        removal.farewell()
        page.run()
        warm.others([name for name, _, _ in SCREENS])


@asynccontextmanager
async def swept(_: object):  # type: ignore[no-untyped-def]
    """At the start of the server: uploads that nobody came back to are removed."""
    from screens.workspace import sweep

    sweep()
    yield


if (
    get_script_run_ctx(suppress_warning=True) is None
):  # imported by the server, which runs this file once more for each page
    from audit.sealed import recipients
    from screens import quiet, spool
    from screens.serve import middleware, who_acts
    from screens.workspace import home

    who_acts()
    quiet.install()
    spool.install(home(), sealed=bool(recipients()))
    app = st.App(__file__, middleware=middleware(), lifespan=swept)
else:
    pages()
