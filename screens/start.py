"""Start: what Assay is, three doors, and the cases that are on this machine."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import streamlit as st

from audit import access
from audit.errors import AssayError
from screens import parts, state
from screens.samples import SAMPLES, open_and_audit
from screens.workspace import CaseFolder, all_cases, sample_case

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

MOST = 8


def show() -> None:
    """The screen."""
    st.title("Assay")
    st.markdown(
        "Assay looks at decisions about people: who is treated otherwise than others, by how much and why, and what "
        "would change it. What it finds goes into a signed report that anybody can check."
    )
    parts.job_panel("The audit")
    doors()
    recent()
    parts.help_on("start")


def doors() -> None:
    """Try a sample, audit one's own data, or check a report that came from elsewhere."""
    if not access.may("make"):
        received(st.container())
        return
    left, middle, right = st.columns(3)
    with left, st.container(border=True):
        st.header("Try a sample")
        for file, title, words in SAMPLES:
            first = file == SAMPLES[0][0]
            if st.button(f"Open {title}", key=f"sample-{file}", type="primary" if first else "secondary", help=words):
                open_and_audit(sample_case(file))
        st.caption("Real data that comes with Assay; a few seconds of work.")
    with middle, st.container(border=True):
        st.header("Audit my data")
        st.write("A table, and a model or a column of decisions. You are asked one thing at a time.")
        if st.button("Begin", key="begin", type="primary"):
            st.switch_page(parts.page("setup"))
        st.caption("Nothing leaves this machine, but what you agree to send to a served model.")
    received(right)


def received(place: DeltaGenerator) -> None:
    """The door of a report that came from elsewhere."""
    with place, st.container(border=True):
        st.header("I received a report")
        st.write("Check every figure of it. If you are on the board, decide on it with a key of your own.")
        if st.button("Open a report", key="open-report", type="primary"):
            st.switch_page(parts.page("received"))
        st.caption("The report is used in memory and is not kept.")


def recent() -> None:
    """Cases on this machine, the newest first: when, what, how far."""
    cases = [c for c in all_cases() if c.ready][:MOST]
    if not cases:
        return
    if sum((c.run / "watch.json").exists() for c in cases) > 1:
        from screens import fleet  # it reads tables: not before somebody has loops

        fleet.loops(cases)
    st.header("Cases on this machine")
    for folder in cases:
        if folder.sealed:
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.markdown(f"**A sealed case**: {folder.id[:8]}  \nencrypted on this machine until it is opened")
            if right.button("Open", key=f"open-{folder.id}", help="Decrypt it here and open it"):
                state.remember(folder.id)
                st.switch_page(parts.page("model" if access.may("figures", folder.place) else "report"))
            continue
        try:
            case = state.case_of(folder)
        except AssayError:
            continue
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f"**{state.escape(case.name)}**: {state.escape(case.purpose)}  \n{stands(folder)}")
        if right.button("Open", key=f"open-{folder.id}", help=f"Open {case.name}"):
            state.remember(folder.id)
            page = "model" if access.may("figures", folder.place) else "report"
            st.switch_page(parts.PAGES[page], query_params={"case": folder.id})


def stands(folder: CaseFolder) -> str:
    """How far the work on a case has come, and when it was last touched."""
    done = [word for name, word in parts.STAGES if (folder.run / name).exists()]
    newest = max((p.stat().st_mtime for p in (folder.place, folder.run) if p.exists()), default=0.0)
    day = dt.datetime.fromtimestamp(newest).astimezone()
    return f"{', '.join(done) or 'not measured yet'} · {day:%Y-%m-%d %H:%M}"
