"""One person's values changed by hand: does the model's decision turn? Asked of the model itself, behind its walls."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit import access
from audit.answers import keeping
from audit.errors import AssayError
from audit.load.rows import Rows
from audit.numbers import brief, fixed
from audit.turn import Turned, ask_again
from screens import parts, state
from screens.workspace import CaseFolder

MOST = 40
"""Different values of a column that are listed to choose from."""


def show(folder: CaseFolder) -> None:
    """Pick a person, change values, ask the model."""
    st.markdown("### Change a value and ask the model")
    try:
        access.demand("rows", folder.place)
        rows = _rows(str(folder.file), state.digest(folder.file))
    except AssayError as error:
        state.show_error(error)
        return
    frame = rows.frame[rows.audit].reset_index(drop=True)
    row = int(
        st.number_input(
            f"Person (row 0 to {len(frame) - 1:,} of the audited rows)", 0, len(frame) - 1, 0, key="turn-row"
        )
    )
    columns = st.multiselect("What should be otherwise", list(rows.features), key="turn-columns")
    values = {c: _new_value(frame, row, c) for c in columns}
    if not columns or not st.button("Ask the model", key="turn-ask", type="primary"):
        return
    try:
        with st.spinner("Asking the model"), keeping(folder.run):
            turned = ask_again(state.case_of(folder), rows, row, values, allow=folder.allow[1::2])
    except AssayError as error:
        state.show_error(error)
        return
    show_turn(turned)


def _new_value(frame: pd.DataFrame, row: int, column: str) -> Any:
    """The value to ask with: a number, or one of the column's values."""
    now, key = frame.at[row, column], f"turn-{column}-{row}"
    if pd.api.types.is_numeric_dtype(frame[column]) and not pd.api.types.is_bool_dtype(frame[column]):
        whole = pd.api.types.is_integer_dtype(frame[column])
        start = (int(now) if whole else float(now)) if pd.notna(now) else None
        return st.number_input(column, value=start, key=key, step=1 if whole else None)
    names = sorted(map(str, frame[column].dropna().unique()[:MOST]))
    return st.selectbox(column, names, index=names.index(str(now)) if str(now) in names else 0, key=key)


@st.cache_resource(max_entries=2, show_spinner="Reading the rows")
def _rows(path: str, digest: str) -> Rows:
    from pathlib import Path

    from audit.load import load_case, load_rows

    return load_rows(load_case(Path(path)), everything=True)


def show_turn(turned: Turned) -> None:
    """Before and after, in words and numbers."""
    before, after = turned.decision
    if turned.turns:
        side = "for" if turned.favourable[1] else "against"
        st.success(state.escape(f"The decision turns: {before} before, {after} after, {side} the person."))
    else:
        st.info(state.escape(f"The decision stays: {after}."))
    table = [{"What": c, "Before": _six_digits(a), "After": _six_digits(b)} for c, (a, b) in turned.changed.items()]
    if turned.score[0] is not None and turned.score[1] is not None:
        table.append({"What": "score", "Before": fixed(turned.score[0], 3), "After": fixed(turned.score[1], 3)})
    parts.table(pd.DataFrame(table), alt="Values and score before and after")
    st.caption("It says what this model answers to these values; a person cannot change every value, nor only one.")


def _six_digits(value: Any) -> str:
    return brief(value) if isinstance(value, float) else str(value)
