"""Deleting a case with its data, from the app: what goes and what stays is said first, and asked once more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from audit.errors import AssayError
from audit.numbers import many
from reports.forget import Forgotten
from screens import parts, state
from screens.workspace import CaseFolder, forget_case


def panel(folder: CaseFolder) -> None:
    """The button, behind a question; afterwards the way to Set up, with what was deleted."""
    asked = f"forget-{folder.id}"
    with st.expander("Delete this case", expanded=bool(st.session_state.get(asked))):
        st.write(
            "What goes: the copies of the data and the model that were uploaded, the case file, everything measured on "
            "them, explanations of persons, keys made here, and the records of the work."
        )
        st.write(
            "What stays: your own files elsewhere, what was downloaded, the log of reports with the names, reasons and "
            "published counts in it. A deleted case cannot be brought back."
        )
        keep = st.checkbox("Keep the signed report on this machine", key="forget-keep")
        if st.button("Delete this case and its data", key="forget-ask"):
            st.session_state[asked] = True
        if st.session_state.get(asked):
            _confirm(folder, asked, keep)


def _confirm(folder: CaseFolder, asked: str, keep: bool) -> None:
    try:
        would = forget_case(folder, keep_reports=keep, dry=True)
    except AssayError as error:
        state.show_error(error)
        return
    st.warning(f"{many(len(would.deleted), 'file')}, {many(would.size, 'byte')}, will be deleted for good.")
    yes, no = st.columns(2)
    if no.button("Keep it", key="forget-no"):
        del st.session_state[asked]
        st.rerun()
    if not yes.button("Yes, delete it", key="forget-yes", type="primary"):
        return
    try:
        done = forget_case(folder, keep_reports=keep)
    except AssayError as error:
        state.show_error(error)
        return
    # Tables and documents of the case are cached in memory too.
    st.cache_data.clear()
    st.cache_resource.clear()
    for key in (asked, "case", "job"):
        st.session_state.pop(key, None)
    st.session_state.forgotten = deletion_summary(done)
    st.query_params.clear()
    if "setup" in parts.PAGES:
        st.switch_page(parts.page("setup"))
    st.rerun()


def deletion_summary(done: Forgotten) -> str:
    """One line on what went."""
    kept = f" Kept: {', '.join(Path(p).name for p, _ in done.kept)} in the folder reports." if done.kept else ""
    return f"The case was deleted: {many(len(done.deleted), 'file')}, {many(done.size, 'byte')}.{kept}"


def farewell() -> None:
    """What was deleted just now, once, on whichever screen comes next."""
    if words := st.session_state.pop("forgotten", None):
        st.success(state.escape(words))
