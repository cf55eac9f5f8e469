"""The timeline of the loop: a gap with its confidence sequence over the batches, its limit, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from debias.loop import events
from screens.charts import CLEAR, GREY, GRID

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, RED = "#0072b2", "#d55e00"


@dataclass(frozen=True, slots=True)
class Point:
    """One batch: the gap so far under the running model, with its sequence; None where it cannot be judged.

    window: the gap between the same two groups in this batch alone, or None; when: the times of its rows, in words.
    """

    batch: int
    value: float | None
    low: float | None
    high: float | None
    people: int | None
    state: str
    window: float | None = None
    when: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a batch."""

    batch: int
    kind: str
    words: str


def timeline(points: Sequence[Point], *, title: str, limit: float, marks: Sequence[Mark] = ()) -> Figure:
    """The gap as a line, its sequence as a band, the limit as a dotted line; marks along the foot."""
    from plotly.graph_objects import Figure, Scatter

    known = [p for p in points if p.value is not None]
    alone = [p for p in known if p.window is not None]
    figure = Figure()
    x = [p.batch for p in known]
    figure.add_trace(
        Scatter(x=x, y=[p.high for p in known], mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False)
    )
    figure.add_trace(
        Scatter(
            x=x,
            y=[p.low for p in known],
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor="rgba(0,114,178,0.16)",
            name="confidence sequence",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        Scatter(
            x=x,
            y=[p.value for p in known],
            mode="lines",
            line={"color": BLUE, "width": 2.4},
            name="measured so far",
            customdata=[[p.low, p.high, p.people, p.state, p.when] for p in known],
            hovertemplate="batch %{x} %{customdata[4]}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f}; "
            "%{customdata[2]:,} people in the smaller group; %{customdata[3]})<extra></extra>",
        )
    )
    if alone:
        figure.add_trace(
            Scatter(
                x=[p.batch for p in alone],
                y=[p.window for p in alone],
                mode="lines+markers",
                name="this batch alone",
                line={"color": GREY, "width": 1, "dash": "dash"},
                marker={"size": 4},
                customdata=[[p.when] for p in alone],
                hovertemplate="batch %{x} %{customdata[0]}: %{y:.3f} in this batch alone<extra></extra>",
            )
        )
    figure.add_hline(y=limit, line={"color": RED, "width": 1.6, "dash": "dot"}, annotation_text=f"limit {limit:g}")
    last = max((p.batch for p in points), default=1)
    top = max([limit, *(p.high or 0 for p in known), *(p.window or 0 for p in alone)])
    foot = min([-0.09 * top, *(1.12 * (p.window or 0) for p in alone)])
    for kind in dict.fromkeys(m.kind for m in marks):
        mine = [m for m in marks if m.kind == kind]
        figure.add_trace(
            Scatter(
                x=[m.batch for m in mine],
                y=[-0.04 * top] * len(mine),
                mode="markers",
                name=kind.replace("_", " "),
                marker={"symbol": events.row(kind).mark or "circle", "size": 12, "color": GREY},
                customdata=[[m.words] for m in mine],
                hovertemplate="batch %{x}: %{customdata[0]}<extra></extra>",
            )
        )
    figure.update_layout(
        title={"text": title, "font": {"size": 15}}, height=330, margin={"l": 10, "r": 20, "t": 44, "b": 80},
        xaxis={"title": "batch", "gridcolor": GRID, "range": [-0.8, last + 0.8]},
        yaxis={"gridcolor": GRID, "zeroline": False, "range": [foot, 1.12 * top]},
        legend={"orientation": "h", "yanchor": "top", "y": -0.24, "x": 0}, plot_bgcolor=CLEAR, dragmode=False,
    )  # fmt: skip
    return figure
