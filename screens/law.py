"""Tables of law and custom on the screen: the same figures as in the report, no pass mark."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.findings import name_of, p_words, percent
from screens import parts, state


def show(evidence: dict[str, Any], attribute: tuple[str, ...]) -> None:
    """Local Law 144 and the four-fifths rule of thumb for the chosen attribute."""
    law = evidence.get("law")
    if not law:
        return
    with st.expander("Tables of law and custom (Local Law 144, four-fifths)"):
        st.caption(
            "New York City's Local Law 144 asks for these tables and sets no pass mark. Groups under 2 % are taken out "
            "before the highest rate is chosen; people of unknown group are counted apart."
        )
        for table in (*law["local_law_144"], *law["local_law_144_scores"]):
            if tuple(table["attribute"]) == attribute:
                rates(table)
        lines = [line for line in law["four_fifths"] if tuple(line["attribute"]) == attribute]
        if lines:
            four_fifths(lines)


def rates(table: dict[str, Any]) -> None:
    """One table of rates and impact ratios."""
    scores = table["metric"] == "scoring_rate"
    st.markdown("**Scoring rates**" if scores else "**Selection rates**")
    rows = [
        {
            "Group": name_of(r["group"]),
            "People": r["people"],
            "Above the median" if scores else "Selected": r["selected"],
            "Rate": percent(r["rate"]),
            "Impact ratio": "left out" if r["left_out"] else "–" if r["impact_ratio"] is None else r["impact_ratio"],
        }
        for r in table["groups"]
    ]
    parts.table(pd.DataFrame(rows), alt="Rates and impact ratios by group")
    out = [f"{name_of(r['group'])}: {r['reason']}" for r in table["groups"] if r["left_out"]]
    st.caption(state.plain("; ".join([f"Unknown: {table['unknown']:,} people", *out])))


def four_fifths(lines: list[dict[str, Any]]) -> None:
    """Each group against the one with the highest rate."""
    st.markdown("**The four-fifths rule of thumb**")
    rows = [
        {
            "Group": name_of(line["group"]),
            "Against": name_of(line["highest"]),
            "Ratio": line["ratio"],
            "0.80": "below" if line["below_four_fifths"] else "not below",
            "p-value of the pair": p_words(line["p_value"]),
            "Warning": "few people" if line["few_people"] else "–",
        }
        for line in lines
    ]
    parts.table(pd.DataFrame(rows), alt="Ratios of selection rates to the highest, with significance")
