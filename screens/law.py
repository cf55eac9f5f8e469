"""The forms of law and custom that the case asks for, as they stand; and their open questions, to be answered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from audit import access
from audit.case import FormSpec
from audit.errors import AssayError
from screens import parts, state

if TYPE_CHECKING:
    from reports.blocks import Table
    from reports.presets import Filled
    from screens.workspace import CaseFolder


def show(folder: CaseFolder, evidence: dict[str, Any]) -> None:
    """One panel for each form that is asked for, and a way to ask for more."""
    from reports.presets import FILE, filled_forms, forms_of, preset_bytes, shipped

    st.subheader("Forms of law and custom")
    forms = [FormSpec(f.name, None, f.text, f.answers) for f in forms_of(evidence, folder.run)]
    _choose(folder, evidence, forms, shipped())
    try:
        content = preset_bytes(evidence, folder.run)
        filled = () if content is None else filled_forms(_sources(folder, {FILE: content}))
    except AssayError as error:
        st.error(state.escape(error.message))
        return
    for form, spec in zip(filled, forms, strict=True):
        _panel(folder, evidence, form, spec, forms)


def _sensitive(folder: CaseFolder) -> tuple[str, ...]:
    evidence = state.evidence(folder)
    return () if evidence is None else evidence.data.sensitive


def _sources(folder: CaseFolder, more: Mapping[str, bytes]) -> Any:
    """What a report printed now would be made of; nobody has signed it."""
    from reports.document import sources_of
    from reports.draft import unsigned
    from reports.issue import EMBEDDED

    files = {n: (folder.run / n).read_bytes() for n in EMBEDDED if (folder.run / n).exists()} | dict(more)
    return sources_of(files, unsigned(files))


def _choose(folder: CaseFolder, evidence: dict[str, Any], forms: list[FormSpec], known: tuple[str, ...]) -> None:
    named = [f.name for f in forms]
    left = [n for n in known if n not in named]
    more = st.multiselect("Ask for another form", left, key="forms_wanted")
    if more and st.button("Add to the report", key="forms_add"):
        _keep(folder, evidence, [*forms, *(FormSpec(n) for n in more)])


def _panel(folder: CaseFolder, evidence: dict[str, Any], form: Filled, spec: FormSpec, forms: list[FormSpec]) -> None:
    preset = form.preset
    title = f"{preset.title}: {form.count('lacking')} lacking, {form.count('stale')} stale"
    with st.expander(state.escape(title)):
        st.caption(state.escape(preset.intro))
        if form.old:
            st.warning(f"Read long ago: on {preset.as_read}, to be read again by {preset.review_by}.")
        rows = [{"Item": i.field.title, "State": i.state, "Here, or what to do": i.text} for i in form.items]
        parts.table(pd.DataFrame(rows), alt=f"The form {preset.name}, item by item")
        for table in form.tables:
            _table(table)
        for what, why in form.without:
            st.caption(state.escape(f"Lacking: {what}; {why}."))
        _questions(folder, evidence, preset, spec, forms)


def _table(table: Table) -> None:
    st.markdown(f"**{state.escape(table.caption)}**")
    parts.table(pd.DataFrame([dict(zip(table.columns, row, strict=True)) for row in table.rows]), alt=table.caption)
    if table.note:
        st.caption(state.escape(table.note))


def _questions(
    folder: CaseFolder, evidence: dict[str, Any], preset: Any, spec: FormSpec, forms: list[FormSpec]
) -> None:
    """The questions that only a person can answer; what is kept comes before the answers of the case."""
    with st.form(f"form_{preset.name}", border=False):
        answers = {}
        for field in preset.fields:
            if field.ask is None:
                continue
            now = spec.answers.get(field.id, "")
            key = f"answer_{preset.name}_{field.id}"
            if field.kind == "column":
                choices = ["", *_sensitive(folder)]
                answer = st.selectbox(field.ask, choices, index=choices.index(now) if now in choices else 0, key=key)
            else:
                hint = "YYYY-MM-DD" if field.kind == "date" else None
                answer = st.text_input(field.ask, value=now, key=key, placeholder=hint)
            if answer and answer.strip():
                answers[field.id] = " ".join(answer.split())
        if st.form_submit_button("Keep the answers"):
            _keep(folder, evidence, [replace(f, answers=answers) if f.name == spec.name else f for f in forms])


def _keep(folder: CaseFolder, evidence: dict[str, Any], forms: list[FormSpec]) -> None:
    from reports.presets import answer_later

    try:
        access.demand("work", folder.place)
        answer_later(folder.run, forms, _sensitive(folder))
    except AssayError as error:
        st.error(state.escape(error.message))
        return
    st.rerun()
