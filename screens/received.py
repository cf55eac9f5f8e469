"""A report that came from elsewhere: check it, and where one is on its board, decide on it."""

from __future__ import annotations

import streamlit as st

from screens import door, parts, report, secret


def show() -> None:
    """The screen. No case has to be open."""
    secret.empty_now()
    st.title("Check a report")
    report.check()
    st.divider()
    door.show()
    parts.help_on("received")
