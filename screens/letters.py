"""A letter to the person who is shown: by the forms that have one, from the explanation that is on the screen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from audit.errors import AssayError
from screens import state
from screens.workspace import CaseFolder


def show(folder: CaseFolder, presets: list[dict[str, Any]], one: dict[str, Any]) -> None:
    """Which letter, the button, and the letter with what has to be known before it is sent.

    presets: the forms that the case asks for, as the audit wrote them; one: the person, as explain.json has them.
    """
    from reports.letter import letter_of
    from reports.presets import forms_of, letter_forms

    st.markdown("### A letter to this person")
    if one["favourable"]:
        st.caption("The decision is the one that is good for this person. Letters are for people who were refused.")
        return
    try:
        forms = letter_forms(forms_of({"presets": presets}, folder.run))
        names = list(forms)
        name = st.selectbox("Which letter", names, format_func=lambda n: forms[n][0].title, key="letter-form")
        if not st.button("Write the letter", key="letter-write"):
            return
        preset, answers = forms[name]
        made = letter_of(state.case_of(folder), {"people": [one]}, int(one["row"]), preset, answers)
    except AssayError as error:
        state.show_error(error)
        return
    for finding in made.findings:
        st.error(state.plain(f"A finding for the board: {finding}"))
    if made.lacking:
        asked = "; ".join(made.lacking)
        st.warning(state.plain(f"Still to be answered by a person, under Forms of law and custom ({name}): {asked}."))
    st.text_area("The letter", made.text, height=420, key=f"letter-{name}-{one['row']}")
    st.download_button("Save the letter", made.text, f"letter-row-{one['row']}.txt", "text/plain", key="letter-save")
