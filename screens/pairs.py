"""Every pair of groups, or every group against one that a person chooses."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.documents import record_in
from audit.findings import name_of, p_words
from audit.values import Pair
from reports.sections.pairs import short_of
from reports.words import bracket
from screens import parts, state

ALL = "every pair"
MOST = 40


def show(evidence: dict[str, Any], metric: str, attribute: tuple[str, ...]) -> None:
    """The pairs of one rate and attribute. Nothing where the evidence lists none."""
    pairs = [p for p in evidence.get("pairs", []) if p["metric"] == metric and tuple(p["attribute"]) == attribute]
    if not pairs:
        return
    with st.expander("Pair by pair, or against a reference"):
        groups = sorted({tuple(p[side]) for p in pairs for side in ("higher", "lower")})
        chosen = st.selectbox(
            "Compare with", [None, *groups], key="pairs-reference", format_func=lambda g: name_of(g) if g else ALL
        )
        rows = [
            against(p, chosen) for p in pairs if chosen is None or chosen in (tuple(p["higher"]), tuple(p["lower"]))
        ]
        rows.sort(key=lambda r: r["Apart"])
        for r in rows:
            r["Apart"] = f"{100 * r['Apart']:+.1f} points"
        parts.table(pd.DataFrame(rows[:MOST]), alt=f"Pairs of groups in {metric.replace('_', ' ')}")
        cut = f" {MOST} of {len(rows)} are shown." if len(rows) > MOST else ""
        st.caption(
            state.plain(
                f"Intervals hold for all {pairs[0]['pairs']} pairs at once; p-values are of the two groups, adjusted "
                f"for every pair in the audit. Short: how many more would be counted at the other group's rate.{cut}"
            )
        )


def against(p: dict[str, Any], reference: tuple[str, ...] | None) -> dict[str, Any]:
    """One pair as a row: a group less the reference, or the lower less the higher where none is chosen."""
    above = reference is not None and tuple(p["lower"]) == reference
    group, other = (p["higher"], p["lower"]) if above else (p["lower"], p["higher"])
    sign = 1 if above else -1
    low, high = (p["low"], p["high"]) if above else (-p["high"], -p["low"])
    ratio = (p["ratio"], p["ratio_low"], p["ratio_high"])
    if above:
        ratio = tuple(1 / v if v else None for v in (ratio[0], ratio[2], ratio[1]))
    said = "–" if ratio[0] is None or ratio[1] is None else f"{ratio[0]:.2f} {bracket(*ratio[1:], percent=False)}"
    return {
        "Group": name_of(group),
        "Against": name_of(other),
        "Apart": sign * p["difference"],
        "95 %": bracket(low, high),
        "Ratio": said,
        "Adjusted p": p_words(p["p_adjusted"]),
        "Short": "–" if above else short_of(record_in(Pair, p, "pairs")),
    }
