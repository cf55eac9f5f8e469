"""A letter to the person who is shown: by the forms that have one, from the explanation that is on the screen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from audit.documents.explanations import Person
from audit.errors import AssayError
from screens import state
from screens.workspace import CaseFolder


def show(folder: CaseFolder, presets: list[dict[str, Any]], one: Person) -> None:
    """Which letter, the button, and the letter with what has to be known before it is sent.

    presets: the forms that the case asks for, as the audit wrote them; one: who is shown.
    """
    from reports.letter import letter_of
    from reports.presets import forms_of, letter_forms

    st.markdown("### A letter to this person")
    if one.favourable:
        st.caption("This person was not refused: letters are for people who were.")
        return
    # The whole of it: the record that screens read does not hold each step of a change.
    explained = state.documents(folder).plain("explain.json")
    try:
        forms = letter_forms(forms_of({"presets": presets}, folder.run))
        names = list(forms)
        name = st.selectbox("Which letter", names, format_func=lambda n: forms[n][0].title, key="letter-form")
        if not st.button("Write the letter", key="letter-write"):
            return
        preset, answers = forms[name]
        draft = letter_of(state.case_of(folder), explained, one.row, preset, answers)
    except AssayError as error:
        state.show_error(error)
        return
    for finding in draft.findings:
        st.error(state.escape(f"A finding for the board: {finding}"))
    if draft.lacking:
        asked = "; ".join(draft.lacking)
        st.warning(state.escape(f"Still to be answered by a person, under Forms of law and custom ({name}): {asked}."))
    st.text_area("The letter", draft.text, height=420, key=f"letter-{name}-{one.row}")
    st.download_button("Save the letter", draft.text, f"letter-row-{one.row}.txt", "text/plain", key="letter-save")
