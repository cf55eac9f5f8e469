"""How good the data are: the report's words and tables on the data audit, with a chart of what one can turn."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from msgspec.structs import replace

from audit.documents.evidence import Evidence
from audit.documents.rows import Proxies, ReferenceTable
from audit.findings import name_of, percent
from reports.sections import quality
from screens import charts, draw, parts, state


def data_quality(evidence: Evidence, attribute: Sequence[str]) -> None:
    """What the data audit found on rows: the population, missing values, copies, periods, proxies."""
    chosen = tuple(attribute)
    beside = evidence.population
    one = next((t for t in beside.tables if t.attribute == chosen), None) if beside is not None else None
    if beside is not None and one is not None:
        st.header("Beside the population")
        if one.estimable:
            _population(one)
        draw.blocks(quality.population(replace(beside, tables=(one,))))
    data_audit = evidence.quality
    if data_audit is None:
        return
    st.header(quality.TITLE)
    proxies = data_audit.proxies
    if proxies is not None and proxies.measured:
        proxies = replace(proxies, together=tuple(t for t in proxies.together if t.attribute == chosen[:1]))
    draw.blocks(quality.of_rows(replace(data_audit, proxies=proxies)))
    if proxies is not None and proxies.measured:
        _proxies(proxies)


def _population(one: ReferenceTable) -> None:
    far = max(one.groups, key=lambda g: abs(g.difference))
    takeaway = (
        f"{name_of(far.group)} are {percent(far.share)} of the data and {percent(far.population)} of the population, "
        "the widest difference."
    )
    st.write(state.escape(takeaway))
    dots = [charts.Dot(name_of(g.group), g.share, g.low, g.high, g.people, "data") for g in one.groups]
    dots += [
        charts.Dot(name_of(g.group), g.population, g.population, g.population, 0, "population") for g in one.groups
    ]
    figure = charts.dots(dots, title="Share of the data (95 % intervals) and of the population")
    parts.chart(figure, key="population-chart", alt=takeaway)


def _proxies(proxies: Proxies) -> None:
    """The features that tell an attribute best, as bars."""
    for one in proxies.together:
        features = [f for f in proxies.features if f.attribute == one.attribute and f.auc is not None]
        shown = sorted(features, key=lambda f: -(f.auc or 0.0))[: quality.MOST]
        if not one.estimable or not shown:
            continue
        title = f"AUC of telling {one.attribute[0]} from one feature"
        figure = charts.bars([f.feature for f in shown], [f.auc or 0.0 for f in shown], title=title)
        parts.chart(figure, key="proxy-chart", alt=f"{title}: {shown[0].feature} first")
