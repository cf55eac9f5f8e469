"""A regression on the screen: one figure at a time by group, then the predictions as distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from audit.evidence import measures_from_json
from audit.findings import name_of, p_words
from audit.regression.measures import QUESTIONS
from audit.regression.words import number
from audit.sizes import behind, rows_behind
from screens import charts, parts, state
from screens.data import attribute_choice

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DISTANCES = {"kolmogorov_smirnov": "Kolmogorov-Smirnov", "wasserstein_distance": "Wasserstein"}
NOT_SERVED = (
    "A number is predicted here and nothing is decided. Norms, rates of decisions, explanations of decisions, "
    "mitigation and the loop are not served; make a case about the decisions that rest on these predictions for them."
)


def show(evidence: dict[str, Any]) -> None:
    """The part of the screen that stands in place of rates of decisions."""
    found = evidence["regression"]
    st.info(NOT_SERVED)
    st.header("Ask of the predictions")
    left, right = st.columns([2, 3])
    with left:
        attribute = list(attribute_choice(measures_from_json(evidence)))
    with right:
        names = list(QUESTIONS)
        metric = st.selectbox(
            "Question",
            names,
            index=names.index("mean_residual"),
            key="regression-question",
            format_func=lambda m: f"{QUESTIONS[m]} ({m.replace('_', ' ')})",
        )
    _answer(found, str(metric), attribute)
    st.header("How far apart are the predictions of groups?")
    _distances(found, attribute)


def _answer(found: dict[str, Any], metric: str, attribute: list[str]) -> None:
    rates = [r for r in found["rates"] if r["metric"] == metric and r["attribute"] == attribute]
    everyone = next((r for r in found["rates"] if r["metric"] == metric and not r["attribute"]), None)
    gap = _gap(found, metric, attribute)
    takeaway = sentence(gap, int(found["family"]))
    st.write(state.plain(takeaway))
    if metric == "mean_residual":
        st.write(state.plain(f"A residual is the prediction minus the outcome. {found['direction']}"))
    left, right = st.columns([3, 2])
    values = [
        charts.Dot(
            name_of(r["group"]),
            r["value"],
            r["value"] if r["low"] is None else r["low"],
            r["value"] if r["high"] is None else r["high"],
            rows_behind(r),
            "",
            r["reason"],
        )
        for r in rates
    ]
    figure = charts.dots(
        values,
        title=f"{metric.replace('_', ' ').capitalize()} by {' and '.join(attribute)}, 95 % intervals",
        percent=False,
        mark=everyone["value"] if everyone else None,
    )
    left.plotly_chart(figure, config=charts.CONFIG, key="regression-chart", alt=takeaway)
    table = pd.DataFrame(
        {
            "Group": [name_of(r["group"]) for r in rates],
            "Value": [number(r["value"]) for r in rates],
            "95 % interval": [_interval(r) for r in rates],
            "Counted": [behind(r) for r in rates],
        }
    )
    with right:
        parts.table(table, alt=f"{metric} by group with intervals and counts")
    if gap is not None:
        st.caption(f"How it was made: {state.plain(gap['method'])}")


def _interval(rate: dict[str, Any]) -> str:
    if not rate["estimable"]:
        return str(rate["reason"])
    return "–" if rate["low"] is None else f"{number(rate['low'])} to {number(rate['high'])}"


def _gap(found: dict[str, Any], metric: str, attribute: list[str]) -> dict[str, Any] | None:
    wanted = (metric, "difference", attribute)
    return next((g for g in found["gaps"] if (g["metric"], g["kind"], g["attribute"]) == wanted), None)


def sentence(gap: dict[str, Any] | None, family: int) -> str:
    """The difference in words."""
    if gap is None:
        return "There is no gap to measure."
    if gap["value"] is None:
        return f"The gap cannot be estimated: {gap['reason']}."
    interval = (
        "no interval"
        if gap["low"] is None
        else f"95 % interval of the widest gap {number(gap['low'])} to {number(gap['high'])}"
    )
    p = (
        ""
        if gap["p_value"] is None
        else f"; all groups tested together: {p_words(gap['p_adjusted'])} adjusted for {family} comparisons"
    )
    said = (
        f"Highest in {name_of(gap['highest'])}, lowest in {name_of(gap['lowest'])}: {number(gap['value'])} apart "
        f"({interval}{p})."
    )
    return said + (f" Worse off: {name_of(gap['worse_off'])}." if gap.get("worse_off") else "")


def _distances(found: dict[str, Any], attribute: list[str]) -> None:
    rows = []
    for metric, title in DISTANCES.items():
        gap = _gap(found, metric, attribute)
        if gap is None:
            continue
        rows.append(
            {
                "Distance": title,
                "Value": number(gap["value"]) if gap["estimable"] else str(gap["reason"]),
                "95 % interval": "–" if gap["low"] is None else f"{number(gap['low'])} to {number(gap['high'])}",
                "With exact predictions": "–"
                if gap["bins"] is None
                else f"{number(gap['bins'][0])} to {number(gap['bins'][1])}",
                "Between": "–" if not gap["estimable"] else f"{name_of(gap['lowest'])} and {name_of(gap['highest'])}",
            }
        )
    curves = [h for h in found["histograms"] if h["attribute"] == attribute and h["people"]]
    if curves:
        alt = f"Share of each group with a prediction up to a value, by {' and '.join(attribute)}"
        st.plotly_chart(_curves(found, curves), config=charts.CONFIG, key="regression-curves", alt=alt)
    parts.table(pd.DataFrame(rows), alt="Distances of the predictions of two groups")
    bins = found["edges"]["bins"]
    st.caption(
        state.plain(f"From a histogram of {bins} bins by rank; the last column has what the exact values can be.")
    )


def _curves(found: dict[str, Any], curves: list[dict[str, Any]]) -> Figure:
    """Distribution functions at the edges of the bins."""
    from plotly.graph_objects import Figure, Scatter

    edges, figure = found["edges"], Figure()
    for i, curve in enumerate(curves):
        total = sum(n for _, n in curve["people"])
        at, below, so_far = [], [], 0
        for place, people in curve["people"]:
            so_far += people
            at.append(edges["at"][place + 1])
            below.append(so_far / total)
        line = {"color": charts.PALETTE[i % len(charts.PALETTE)], "shape": "hv"}
        figure.add_trace(Scatter(x=at, y=below, mode="lines", name=name_of(curve["group"]), line=line))
    figure.update_layout(
        title={"text": "Share of the group with a prediction up to this value", "font": {"size": 15}},
        yaxis={"tickformat": ".0%", "range": [0, 1.02]},
        height=340,
        margin={"l": 10, "r": 20, "t": 44, "b": 36},
        plot_bgcolor=charts.CLEAR,
        dragmode=False,
    )
    return figure
