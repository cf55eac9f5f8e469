"""Charts for the screen: dots with intervals, told apart by shape as well as colour (Okabe & Ito 2008)."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
ROW_HEIGHT = 34
GREY, GRID, CLEAR = "#6f7b86", "rgba(128,128,128,0.28)", "rgba(0,0,0,0)"
"""Seen on a light and on a dark page (at least 3:1 on both); text takes the page's own colour."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One value with its interval on the line `row`; series tells before from after."""

    row: str
    value: float | None
    low: float | None
    high: float | None
    people: float
    series: str = ""
    reason: str | None = None


def dots(values: Sequence[Dot], *, title: str, percent: bool = True, mark: float | None = None) -> Figure:
    """A dot and an interval a row, rows in the order given from the top. A value that is None is written out."""
    from plotly.graph_objects import Figure, Scatter

    rows = list(dict.fromkeys(d.row for d in values))
    series = list(dict.fromkeys(d.series for d in values))
    figure = Figure()
    step = min(0.24, 0.8 / max(len(series), 1))
    for s, name in enumerate(series):
        shift = step * (s - (len(series) - 1) / 2)
        mine = [d for d in values if d.series == name and d.value is not None]
        figure.add_trace(
            Scatter(
                x=[d.value for d in mine],
                y=[rows.index(d.row) + shift for d in mine],
                name=name or "value",
                mode="markers",
                marker={"size": 11, "color": PALETTE[s % len(PALETTE)], "symbol": SYMBOLS[s % len(SYMBOLS)]},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [(d.high or 0) - (d.value or 0) for d in mine],
                    "arrayminus": [(d.value or 0) - (d.low or 0) for d in mine],
                    "color": PALETTE[s % len(PALETTE)],
                    "thickness": 2,
                    "width": 5,
                },
                customdata=[[d.row, d.low, d.high, d.people] for d in mine],
                hovertemplate=(
                    "%{customdata[0]}: %{x:.1%} (95 % interval %{customdata[1]:.1%} to %{customdata[2]:.1%}; "
                    "n = %{customdata[3]:,.0f})<extra></extra>"
                    if percent
                    else "%{customdata[0]}: %{x:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f})<extra></extra>"
                ),
                showlegend=len(series) > 1,
            )
        )
    for d in values:
        if d.value is None:
            figure.add_annotation(
                x=0, xref="paper", y=rows.index(d.row), text="not estimable", showarrow=False, xanchor="left",
                font={"size": 12},
            )  # fmt: skip
    if mark is not None:
        figure.add_vline(x=mark, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_layout(
        **titled(title),
        height=(90 if len(series) < 2 else 124) + ROW_HEIGHT * max(len(rows), 2) * max(1, 0.8 * len(series)),
        margin_l=10,
        margin_r=20,
        margin_b=36 if len(series) < 2 else 70,
        xaxis={"tickformat": ".0%" if percent else "", "zeroline": False, "gridcolor": GRID},
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [_ellipsis(r) for r in rows],
            "range": [len(rows) - 0.4, -0.6],
            "gridcolor": GRID,
            "zeroline": False,
        },
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
        plot_bgcolor=CLEAR,
        dragmode=False,
    )
    if percent:
        figure.update_xaxes(rangemode="tozero")
    return figure


def bars(
    names: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    signed: bool = False,
    ranges: Sequence[tuple[float, float]] | None = None,
) -> Figure:
    """Horizontal bars, the first on top; for signed values against and in favour differ in colour and pattern.

    ranges: low and high of each value, drawn as a line across the bar's end.
    """
    from plotly.graph_objects import Bar, Figure

    up = [v >= 0 for v in values]
    figure = Figure(
        Bar(
            x=list(values),
            y=[_ellipsis(n) for n in names],
            orientation="h",
            marker={
                "color": [PALETTE[0] if u or not signed else PALETTE[1] for u in up],
                "pattern": {"shape": ["" if u or not signed else "/" for u in up]},
            },
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
            error_x=None
            if ranges is None
            else {
                "type": "data",
                "symmetric": False,
                "array": [high - v for v, (_, high) in zip(values, ranges, strict=True)],
                "arrayminus": [v - low for v, (low, _) in zip(values, ranges, strict=True)],
                "color": GREY,
                "thickness": 1.4,
                "width": 4,
            },
        )
    )
    figure.update_layout(
        **titled(title),
        height=80 + 30 * max(len(names), 3),
        margin_l=10,
        margin_r=20,
        margin_b=30,
        yaxis={"autorange": "reversed"},
        xaxis={"zeroline": True, "zerolinecolor": GREY, "gridcolor": GRID},
        plot_bgcolor=CLEAR,
        dragmode=False,
    )
    return figure


@dataclass(frozen=True, slots=True)
class Point:
    """One candidate of a search: the interval of its gap, its loss with its interval, and what it is in words."""

    name: str
    gap_low: float
    gap_high: float
    loss: float
    loss_low: float
    loss_high: float
    words: str


def front(kinds: Sequence[tuple[str, Sequence[Point]]], *, title: str, gap: str) -> Figure:
    """Loss against the upper bound of the gap, one shape a kind: the first is the front, joined, named, with intervals.

    Kinds called in this order: front, original, baselines, the rest; the last two are drawn without intervals.
    """
    from plotly.graph_objects import Figure, Scatter

    looks = (
        {"size": 12, "color": PALETTE[0], "symbol": "circle"},
        {"size": 14, "color": GREY, "symbol": "star"},
        {"size": 10, "color": PALETTE[1], "symbol": "diamond-open", "line": {"width": 2}},
        {"size": 7, "color": GREY, "symbol": "x-thin-open"},
    )
    figure = Figure()
    for index in (3, 2, 1, 0):
        name, points = kinds[index]
        if not points:
            continue
        spans = {"symmetric": False, "color": looks[index]["color"], "thickness": 1, "width": 3, "type": "data"}
        shown = index < 2
        figure.add_trace(
            Scatter(
                x=[p.gap_high for p in points],
                y=[p.loss for p in points],
                name=name,
                mode="lines+markers+text" if index == 0 else "markers",
                text=[p.name for p in points] if index == 0 else None,
                textposition="top right",
                textfont={"size": 13},
                line={"color": PALETTE[0], "width": 1, "dash": "dot"} if index == 0 else None,
                marker=looks[index],
                error_x={**spans, "array": [0] * len(points), "arrayminus": [p.gap_high - p.gap_low for p in points]}
                if shown
                else None,
                error_y={
                    **spans,
                    "array": [p.loss_high - p.loss for p in points],
                    "arrayminus": [p.loss - p.loss_low for p in points],
                }
                if shown
                else None,
                customdata=[[_ellipsis(p.words), p.gap_low, p.loss_low, p.loss_high] for p in points],
                hovertemplate=(
                    "%{customdata[0]}<br>wrong: %{y:.1%} (%{customdata[2]:.1%} to %{customdata[3]:.1%})"
                    "<br>gap: at most %{x:.1%}, from %{customdata[1]:.1%}<extra></extra>"
                ),
            )
        )
    figure.update_layout(
        **titled(title),
        height=430,
        margin_l=10,
        margin_r=20,
        margin_b=90,
        xaxis={"title": gap, "tickformat": ".0%", "rangemode": "tozero", "gridcolor": GRID, "zeroline": False},
        yaxis={"title": "Wrong decisions", "tickformat": ".1%", "gridcolor": GRID, "zeroline": False},
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0, "traceorder": "reversed"},
        plot_bgcolor=CLEAR,
        dragmode=False,
    )
    return figure


CONFIG = {"displayModeBar": False, "displaylogo": False}


WIDEST_TITLE, WIDEST_NAME, LONGEST_NAME = 40, 24, 44
"""Signs of a line of a title or a name, so that both stand whole on a telephone; a longer name is cut."""


def _ellipsis(text: str) -> str:
    return _lines(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…", WIDEST_NAME)


def _lines(text: str, widest: int) -> str:
    # Plotly reads < and & as markup.
    return "<br>".join(html.escape(line, quote=False) for line in textwrap.wrap(text, widest)) or " "


def titled(title: str) -> dict[str, Any]:
    """The title of a chart in lines, and the margin above that they need."""
    text = _lines(title, WIDEST_TITLE)
    return {"title": {"text": text, "font": {"size": 14}}, "margin_t": 44 + 18 * text.count("<br>")}


def variants(
    points: Sequence[tuple[float, float, str, str, bool]],
    base: tuple[float, float],
    *,
    limit: float | None,
    title: str,
    gap: str,
) -> Figure:
    """A point a variant: (gap, accuracy, name, step, beyond chance), told apart by step; filled where beyond chance.

    base: gap and accuracy as built, drawn as a ring. limit: of the norm, a dotted line.
    """
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for s, step in enumerate(sorted({p[3] for p in points})):
        mine = [p for p in points if p[3] == step]
        symbol = SYMBOLS[s % len(SYMBOLS)]
        figure.add_trace(
            Scatter(
                x=[p[0] for p in mine],
                y=[p[1] for p in mine],
                name=step,
                mode="markers",
                marker={
                    "size": 9,
                    "color": PALETTE[s % len(PALETTE)],
                    "symbol": [symbol if p[4] else f"{symbol}-open" for p in mine],
                },
                customdata=[[p[2]] for p in mine],
                hovertemplate="%{customdata[0]}: %{x:.3f}, accuracy %{y:.3f}<extra></extra>",
            )
        )
    figure.add_trace(
        Scatter(
            x=[base[0]], y=[base[1]], name="as built", mode="markers", hovertemplate="as built<extra></extra>",
            marker={"size": 19, "color": CLEAR, "line": {"color": GREY, "width": 3}, "symbol": "circle"},
        )
    )  # fmt: skip
    if limit is not None:
        figure.add_vline(x=limit, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_layout(
        **titled(title),
        height=430,
        margin_l=10,
        margin_r=20,
        margin_b=110,
        xaxis={"title": {"text": gap, "font": {"size": 12}}, "gridcolor": GRID, "zeroline": False},
        yaxis={"title": {"text": "accuracy", "font": {"size": 12}}, "gridcolor": GRID, "zeroline": False},
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
        plot_bgcolor=CLEAR,
        dragmode=False,
    )
    return figure
