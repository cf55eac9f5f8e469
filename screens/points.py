"""Do points mean the same for everyone? Predictive parity by points, for scores that are no probabilities."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.findings import name_of, percent
from audit.suppress import FLOOR
from reports.sections.further import points
from screens import charts, parts


def show(found: list[dict[str, Any]], attribute: list[str]) -> None:
    """A chart and a table: per points and group the share with the outcome."""
    mine = [r for r in found if r["attribute"] == attribute][:6] or [r for r in found if not r["attribute"]]
    bands = sorted({(p["from"], p["to"]) for r in mine for p in r["points"]})
    takeaway = (
        "Of the people with these points, how many had the outcome. Where points mean the same for everyone, the "
        "shares of a line are alike (predictive parity)."
    )
    st.write(takeaway)
    dots = [
        charts.Dot(points(p["from"], p["to"]), p["share"], p["low"], p["high"], p["people"], name_of(r["group"]))
        for a, _ in bands
        for r in mine
        for p in r["points"]
        if p["from"] == a and p["people"] >= FLOOR
    ]
    left, right = st.columns([3, 2])
    figure = charts.dots(dots, title="Share with the outcome by points, 95 % intervals")
    left.plotly_chart(figure, config=charts.CONFIG, key="points-chart", alt=takeaway)
    table = pd.DataFrame({"Points": [points(a, b) for a, b in bands]})
    for r in mine:
        at = {p["from"]: p for p in r["points"]}
        table[name_of(r["group"]) if r["group"] else "Everyone"] = [
            "–" if a not in at else f"{percent(at[a]['share'])} of {at[a]['people']:,.0f}" for a, _ in bands
        ]
    with right:
        parts.table(table, alt="Share with the outcome by points and group")
