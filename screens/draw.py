"""The report's blocks on a screen: what a chapter says is said here in the same words, below what one can turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from audit.findings import name_of, percent
from audit.sizes import behind, rows_behind
from audit.values import Rate
from reports.blocks import Block, Figure, Heading, Keys, Lead, Notice, Paragraph, Points, Signatures, Table
from screens import charts, parts, state


def blocks(content: Sequence[Block]) -> None:
    """Each block in turn. Boxes for signers are drawn by no screen."""
    for block in content:
        match block:
            case Heading(text):
                st.markdown(f"### {state.escape(text)}")
            case Paragraph(text) | Lead(text):
                st.write(state.escape(text))
            case Notice(text):
                st.warning(state.escape(text))
            case Points():
                _points(block)
            case Keys():
                _keys(block)
            case Table():
                table(block)
            case Figure(svg, alt, caption):
                st.image(svg, caption=state.escape(f"{caption}. {alt}"))
            case Signatures():
                continue


def _points(block: Points) -> None:
    for item in block.items:
        st.markdown(f"- {state.escape(item)}")


def _keys(block: Keys) -> None:
    for column, one in zip(st.columns(len(block.items)), block.items, strict=True):
        column.metric(one.label, one.value)
        column.caption(state.escape(one.text))


LINE = 100
"""Letters of a note that stands below a table at once; screens stay short on a phone."""


def table(block: Table) -> None:
    """A real table under its caption, the note below; one of several lines is opened by who wants it."""
    st.markdown(f"**{state.escape(block.caption)}**")
    rows = [[cell.replace("\n", ", ") for cell in row] for row in block.rows]
    parts.table(pd.DataFrame(rows, columns=list(block.columns)), alt=block.caption)
    note = block.note.strip()
    if len(note) > LINE:
        with st.expander("How to read it"):
            st.caption(state.escape(note))
    elif note:
        st.caption(state.escape(note))


def answer(
    rates: Sequence[Rate],
    takeaway: str,
    *,
    key: str,
    title: str,
    alt: str,
    counted: str = "Counted",
    overall: Rate | None = None,
    share: bool = True,
    formatter: Callable[[float | None], str] = percent,
) -> None:
    """One question answered by group: the sentence, the chart, and the table beside it. overall: everyone's, a line."""
    st.write(state.escape(takeaway))
    chart, beside = st.columns([3, 2])
    dots = [
        charts.Dot(
            name_of(r.group), r.value, r.value if r.low is None else r.low, r.value if r.high is None else r.high,
            rows_behind(r), "", r.reason,
        )
        for r in rates
    ]  # fmt: skip
    figure = charts.dots(dots, title=title, percent=share, mark=overall.value if overall else None)
    parts.chart(figure, key=key, alt=takeaway, place=chart)
    shown = pd.DataFrame(
        {
            "Group": [name_of(r.group) for r in rates],
            "Value": [formatter(r.value) for r in rates],
            "95 % interval": [_interval(r, formatter) for r in rates],
            counted: [behind(r) for r in rates],
        }
    )
    with beside:
        figures = pd.DataFrame(
            {
                "group": [name_of(r.group) for r in rates],
                **{k: [getattr(r, k) for r in rates] for k in ("value", "low", "high", "numerator", "denominator")},
                "reason": [r.reason for r in rates],
            }
        )
        parts.table(shown, alt=alt, figures=figures)


def _interval(r: Rate, formatter: Callable[[float | None], str]) -> str:
    if not r.estimable:
        return str(r.reason)
    return "–" if r.low is None else f"{formatter(r.low)} to {formatter(r.high)}"
