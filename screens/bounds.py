"""What a gap could be if what is not known were known."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.documents import record_in
from audit.documents.evidence import Bound
from audit.findings import name_of, percent
from reports.sections.bounds import rows_of
from screens import parts, state

COLUMNS = ["Rate", "By", "Not known", "Among the known", "Could be", "Limit and how few could cross it"]


def show(evidence: dict[str, Any], metric: str, attribute: tuple[str, ...]) -> None:
    """Bounds of one rate and attribute; nothing where everything is known."""
    found = evidence.get("bounds") or {}

    def mine(part: str) -> list[dict[str, Any]]:
        return [e for e in found.get(part, []) if e["metric"] == metric and tuple(e["attribute"]) == attribute]

    rows = rows_of(record_in(tuple[Bound, ...], [*mine("unknown_group"), *mine("missing_outcome")], "bounds"))
    errors = mine("label_error")
    if not rows and not errors:
        return
    with st.expander("What is not known, as bounds"):
        if rows:
            parts.table(pd.DataFrame(rows, columns=COLUMNS), alt="The least and the most that the gap could be")
            st.caption(
                "The least and the most over every group that people of unknown group could have, and every outcome "
                "of those without one. No chance is in this; intervals stand above."
            )
        for e in errors:
            turned = "no number of wrong outcomes" if e["people"] is None else f"{e['people']:,} wrong outcomes"
            share = "" if e["share"] is None else f" ({percent(e['share'])} of these two groups' {e['of']:,})"
            st.write(
                state.plain(
                    f"{turned[:1].upper()}{turned[1:]}{share} would bring the gap between {name_of(e['higher'])} and "
                    f"{name_of(e['lower'])} from {100 * e['value']:.1f} to {100 * e['limit']:g} points."
                )
            )
