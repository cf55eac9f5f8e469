"""Every pair of groups, or every group against one that a person chooses."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.documents.evidence import Evidence
from audit.findings import name_of, p_words
from audit.numbers import are, fixed, many, signed
from audit.values import Pair
from reports.sections.pairs import LEAD, short_of
from reports.words import bracket
from screens import parts, state

ALL = "every pair"
MOST = 40


def show(evidence: Evidence, metric: str, attribute: tuple[str, ...]) -> None:
    """The pairs of one rate and attribute. Nothing where the evidence lists none."""
    pairs = [p for p in evidence.pairs if p.metric == metric and p.attribute == attribute]
    if not pairs:
        return
    with st.expander("Pair by pair, or against a reference"):
        groups = sorted({group for p in pairs for group in (p.higher, p.lower)})
        chosen = st.selectbox(
            "Compare with", [None, *groups], key="pairs-reference", format_func=lambda g: name_of(g) if g else ALL
        )
        rows = [against(p, chosen) for p in pairs if chosen is None or chosen in (p.higher, p.lower)]
        rows.sort(key=lambda pair: pair[0])
        table = pd.DataFrame([row for _, row in rows[:MOST]])
        parts.table(table, alt=f"Pairs of groups in {metric.replace('_', ' ')}")
        cut = f" {MOST} of {len(rows)} are shown." if len(rows) > MOST else ""
        st.caption(
            state.escape(f"{many(pairs[0].pairs, 'pair')} {are(pairs[0].pairs)} compared at once. {LEAD.text}{cut}")
        )


def against(p: Pair, reference: tuple[str, ...] | None) -> tuple[float, dict[str, Any]]:
    """One pair as a row, and how far apart: a group less the reference, or the lower less the higher without one."""
    above = reference is not None and p.lower == reference
    group, other = (p.higher, p.lower) if above else (p.lower, p.higher)
    low, high = (p.low, p.high) if above else (-p.high, -p.low)
    ratio = (p.ratio, p.ratio_low, p.ratio_high)
    if above:
        ratio = (_over(p.ratio), _over(p.ratio_high), _over(p.ratio_low))
    apart = p.difference if above else -p.difference
    return apart, {
        "Group": name_of(group),
        "Against": name_of(other),
        "Apart": f"{signed(100 * apart, 1)} points",
        "95 %": bracket(low, high),
        "Ratio": "–"
        if ratio[0] is None or ratio[1] is None
        else f"{fixed(ratio[0], 2)} {bracket(*ratio[1:], percent=False)}",
        "Adjusted p": p_words(p.p_adjusted),
        "Short": "–" if above else short_of(p),
    }


def _over(value: float | None) -> float | None:
    return 1 / value if value else None
