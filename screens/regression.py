"""A regression on the screen: one figure at a time by group, then the predictions as distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from audit.documents.evidence import Edges, Evidence, Histogram, PredictionGap, Regression
from audit.evidence import pick
from audit.findings import interval_words, name_of, significance
from audit.numbers import many
from audit.regression.measures import MEANS
from audit.regression.words import four_digits
from reports.sections.measures import sentence as difference
from reports.sections.regression import RESIDUAL
from reports.words import ends
from screens import charts, draw, parts, state
from screens.data import attribute_choice

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DISTANCES = {"kolmogorov_smirnov": "Kolmogorov-Smirnov", "wasserstein_distance": "Wasserstein"}
NOT_SERVED = (
    "A number is predicted here and nothing is decided. Norms, rates of decisions, explanations of decisions, "
    "mitigation and the loop are not served; make a case about the decisions that rest on these predictions for them."
)


def show(evidence: Evidence, regression: Regression) -> None:
    """The part of the screen that stands in place of rates of decisions."""
    st.info(NOT_SERVED)
    st.header("Ask of the predictions")
    left, right = st.columns([2, 3])
    with left:
        attribute = attribute_choice(evidence)
    with right:
        names = list(MEANS)
        metric = st.selectbox(
            "Question",
            names,
            index=names.index("mean_residual"),
            key="regression-question",
            format_func=lambda m: f"{MEANS[m].question} ({m.replace('_', ' ')})",
        )
    _answer(regression, str(metric), attribute)
    st.header("How far apart are the predictions of groups?")
    _distances(regression, attribute)


def _answer(regression: Regression, metric: str, attribute: tuple[str, ...]) -> None:
    gap = pick(regression.gaps, metric=metric, kind="difference", attribute=attribute)
    if metric == "mean_residual":
        st.write(state.escape(f"{RESIDUAL} {regression.direction}"))
    draw.answer(
        [r for r in regression.rates if r.metric == metric and r.attribute == attribute],
        sentence(gap),
        key="regression-chart",
        title=f"{metric.replace('_', ' ').capitalize()} by {' and '.join(attribute)}, 95 % intervals",
        alt=f"{metric} by group with intervals and counts",
        overall=pick(regression.rates, metric=metric, attribute=()),
        share=False,
        formatter=four_digits,
    )
    if gap is not None:
        st.caption(f"How it was made: {state.escape(gap.method)}")


def sentence(gap: PredictionGap | None) -> str:
    """The difference in words."""
    if gap is None or gap.value is None:
        return difference(gap)
    where = f"Highest in {name_of(gap.highest)}, lowest in {name_of(gap.lowest)}"
    worse = f" Worse off: {name_of(gap.worse_off)}." if gap.worse_off else ""
    return (
        f"{where}: {four_digits(gap.value)} apart ({interval_words(gap, say=four_digits)}; {significance(gap)}).{worse}"
    )


def _distances(regression: Regression, attribute: tuple[str, ...]) -> None:
    rows = []
    for metric, title in DISTANCES.items():
        gap = pick(regression.gaps, metric=metric, kind="difference", attribute=attribute)
        if gap is None:
            continue
        rows.append(
            {
                "Distance": title,
                "Value": four_digits(gap.value) if gap.estimable else str(gap.reason),
                "95 % interval": "–" if ends(gap)[0] is None else " to ".join(map(four_digits, ends(gap))),
                "With exact predictions": "–"
                if gap.bins is None
                else f"{four_digits(gap.bins[0])} to {four_digits(gap.bins[1])}",
                "Between": "–" if not gap.estimable else f"{name_of(gap.lowest)} and {name_of(gap.highest)}",
            }
        )
    curves = [h for h in regression.histograms if h.attribute == attribute and h.people]
    if curves:
        alt = f"Share of each group with a prediction up to a value, by {' and '.join(attribute)}"
        parts.chart(_curves(regression.edges, curves), key="regression-curves", alt=alt)
    parts.table(pd.DataFrame(rows), alt="Distances of the predictions of two groups")
    st.caption(
        f"From a histogram of {many(regression.edges.bins, 'bin')} by rank; the last column has what the exact values "
        "can be."
    )


def _curves(edges: Edges, curves: list[Histogram]) -> Figure:
    """Distribution functions at the edges of the bins."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for i, curve in enumerate(curves):
        total = sum(n for _, n in curve.people)
        at, below, so_far = [], [], 0
        for place, people in curve.people:
            so_far += people
            at.append(edges.at[place + 1])
            below.append(so_far / total)
        line = {"color": charts.PALETTE[i % len(charts.PALETTE)], "shape": "hv"}
        figure.add_trace(Scatter(x=at, y=below, mode="lines", name=name_of(curve.group), line=line))
    figure.update_layout(
        title={"text": "Share of the group with a prediction up to this value", "font": {"size": 15}},
        yaxis={"tickformat": ".0%", "range": [0, 1.02]},
        height=340,
        margin={"l": 10, "r": 20, "t": 44, "b": 36},
        plot_bgcolor=charts.CLEAR,
        dragmode=False,
    )
    return figure
