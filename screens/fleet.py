"""All loops of this machine on one page: where each stands, when its last batch came, who waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from audit import access
from audit.errors import AssayError, DataError
from audit.numbers import are, many
from debias.loop.fleet import ordered, row_of
from debias.loop.snapshot import FILE
from screens import parts, state
from screens.workspace import CaseFolder


def loops(cases: Sequence[CaseFolder]) -> None:
    """A table of the loops of these cases, where there are two or more; what waits for a person comes first."""
    rows = []
    for folder in cases:
        if not access.may("figures", folder.place) or not (folder.run / FILE).exists():
            continue
        try:
            name = state.case_of(folder).name
        except AssayError:
            continue
        try:
            rows.append(row_of(name, state.result(folder, FILE)))
        except DataError as error:
            rows.append(row_of(name, None, error.message))
    if len(rows) < 2:
        return
    st.header("Loops on this machine")
    waits = sum(r.approval is not None for r in rows)
    if waits:
        st.warning(f"{many(waits, 'loop')} {are(waits, 'waits', 'wait')} for a person.")
    table = pd.DataFrame(
        {
            "case": r.loop,
            "state": r.state or f"not known: {r.problem}",
            "batches": "–" if r.batches is None else f"{r.batches:,}",
            "last batch": (r.last_batch or "never")[:16].replace("T", " "),
            "waits for a person": (r.approval or "–")[:12],
            "open changes": "–" if r.changes is None else f"{r.changes}",
            "groups undecided": "–" if r.undecided is None else f"{r.undecided}",
        }
        for r in ordered(rows)
    )
    parts.table(table, alt="Every loop on this machine: its state, its last batch, and what waits for a person")
