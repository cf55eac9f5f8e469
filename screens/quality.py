"""How good the data are: what the data audit found on rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.findings import name_of, p_words, percent
from reports.words import day
from screens import charts, parts, state

Record = dict[str, Any]
MOST = 8


def data_quality(evidence: Record, attribute: list[str]) -> None:
    """What the data audit found on rows: missing values, copies, periods, proxies."""
    _population((evidence.get("population") or {}).get("tables", []), attribute)
    found = evidence.get("quality")
    if not found:
        return
    st.header("How good the data are")
    for words in _quality_words(found):
        st.write(state.plain(words))
    gaps = sorted((g for g in found["missing"]["gaps"] if g["value"] is not None), key=lambda g: -g["value"])[:MOST]
    if gaps:
        parts.table(
            pd.DataFrame(
                [
                    {
                        "Missing in": g["column"],
                        "By": " and ".join(g["attribute"]),
                        "Apart": f"{100 * g['value']:.1f} points",
                        "95 %": f"{100 * g['low']:.1f} to {100 * g['high']:.1f}",
                        "Adjusted p": p_words(g["p_adjusted"]),
                        "Most often": name_of(g["highest"]),
                    }
                    for g in gaps
                ]
            ),
            alt="Where values are missing more often for some groups",
        )
    proxies = found.get("proxies") or {}
    if proxies.get("measured"):
        _proxies(proxies, attribute)


def _population(found: list[Record], attribute: list[str]) -> None:
    one = next((p for p in found if p["attribute"] == attribute), None)
    if one is None:
        return
    st.header("Beside the population")
    if not one["estimable"]:
        st.write(state.plain(f"Not estimable: {one['reason']}."))
        return
    far = max(one["groups"], key=lambda g: abs(g["difference"]))
    takeaway = (
        f"{name_of(far['group'])} are {percent(far['share'])} of the data and {percent(far['population'])} of the "
        "population, the widest difference."
    )
    st.write(state.plain(takeaway))
    left, right = st.columns([3, 2])
    dots = [
        charts.Dot(name_of(g["group"]), g["share"], g["low"], g["high"], g["people"], "data") for g in one["groups"]
    ]
    dots += [
        charts.Dot(name_of(g["group"]), g["population"], g["population"], g["population"], 0, "population")
        for g in one["groups"]
    ]
    figure = charts.dots(dots, title="Share of the data (95 % intervals) and of the population")
    left.plotly_chart(figure, config=charts.CONFIG, key="population-chart", alt=takeaway)
    with right:
        parts.table(
            pd.DataFrame(
                [
                    {
                        "Group": name_of(g["group"]),
                        "Data": percent(g["share"]),
                        "95 %": f"{percent(g['low'])} to {percent(g['high'])}",
                        "Population": percent(g["population"]),
                        "Of people": g["people"],
                    }
                    for g in one["groups"]
                ]
            ),
            alt="Shares of the data and of the population by group",
        )
    st.caption(
        "Chi-squared test of fit: "
        + ("too few people are expected for it." if one["p_value"] is None else f"{p_words(one['p_value'])}.")
    )


def _quality_words(found: Record) -> list[str]:
    hit = [c for c in found["missing"]["columns"] if c["missing"] or c["written"]]
    out = [
        f"Values are missing in {len(hit)} of {len(found['missing']['columns'])} columns."
        if hit
        else "No value is missing in the columns read."
    ]
    copies = found.get("duplicates") or {}
    if copies.get("measured"):
        text = f"{copies['repeated']:,} of {copies['rows']:,} rows repeat another row"
        if copies.get("learned_from"):
            text += f"; {copies['learned_from']:,} are also among the rows to learn from"
        if copies.get("contradicted"):
            text += f"; {copies['contradicted']:,} are like another row in all but the outcome"
        out.append(text + ".")
    constant = [str(p["period"]) for p in (found.get("periods") or {}).get("periods", []) if p["constant"]]
    if constant:
        out.append(f"All outcomes are the same in {', '.join(constant[:6])}: look into the data first.")
    for change in (found.get("periods") or {}).get("changes", [])[:1]:
        out.append(
            f"From {day(change['from'])} to {day(change['to'])} favourable outcomes changed by "
            f"{100 * change['change']:+.1f} "
            f"points: {100 * change['within_groups']:+.1f} within groups, {100 * change['mix_of_groups']:+.1f} from "
            "another mix of groups."
        )
    return out


def _proxies(found: Record, attribute: list[str]) -> None:
    one = next((t for t in found["together"] if t["attribute"] == attribute[:1] and t["estimable"]), None)
    if one is None:
        return
    rows = sorted((f for f in found["features"] if f["attribute"] == one["attribute"]), key=lambda f: -(f["auc"] or 0))
    name = one["attribute"][0]
    takeaway = (
        f"Together {one['features']} features tell {name} with an AUC of {one['auc']:.3f} on people they were not "
        "fitted on; 0.5 is a coin, 1 is certainty. Leaving the column out of a model does not remove this."
    )
    st.markdown(f"### What stands for {state.plain(name)}")
    st.write(state.plain(takeaway))
    left, right = st.columns([3, 2])
    shown = [f for f in rows if f["auc"] is not None][:MOST]
    figure = charts.bars(
        [f["feature"] for f in shown], [f["auc"] for f in shown], title=f"AUC of telling {name} from one feature"
    )
    left.plotly_chart(figure, config=charts.CONFIG, key="proxy-chart", alt=takeaway)
    with right:
        parts.table(
            pd.DataFrame(
                [
                    {"Feature": f["feature"], "AUC": f"{f['auc']:.3f}", "Cramer's V": f"{f['cramers_v']:.3f}"}
                    for f in shown
                ]
            ),
            alt=f"Features that stand for {name}",
        )
