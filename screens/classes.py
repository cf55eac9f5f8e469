"""All classes of the outcome: one question at a time over every class, then one class against the rest."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.classes.measures import QUESTIONS
from audit.classes.words import OF_CLASSES
from audit.findings import interval_words, name_of, percent, significance
from audit.metrics import FALSE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE, SELECTION_RATE, TRUE_POSITIVE_RATE
from audit.sizes import behind, rows_behind
from audit.values import Gap, from_json
from screens import charts, parts, state

ALL = "All classes together"
OF_ONE = {
    SELECTION_RATE: "How many are decided so?",
    TRUE_POSITIVE_RATE: "Of those whose outcome it is, how many are found?",
    FALSE_POSITIVE_RATE: "Of those whose outcome it is not, how many are decided so all the same?",
    POSITIVE_PREDICTIVE_VALUE: "Of those decided so, how many are?",
}


def show(evidence: dict[str, Any], attribute: list[str]) -> None:
    """The part on classes; nothing where the outcome has two, a word where an intersection is chosen."""
    found = evidence.get("classes")
    if not found:
        return
    st.header("All classes of the outcome")
    if len(attribute) != 1:
        st.write("Classes are compared by single attributes. Choose one above.")
        return
    left, right = st.columns([2, 3])
    with left:
        chosen = st.selectbox("Class", [ALL, *found["names"]], key="class")
    questions = QUESTIONS if chosen == ALL else OF_ONE
    with right:
        asked = st.selectbox("Question", list(questions.values()), key="class-question")
    metric = next(m for m, q in questions.items() if q == asked)
    entry = found["overall"] if chosen == ALL else next(c for c in found["classes"] if c["class"] == chosen)
    _answer(entry, metric, attribute, str(chosen), int(found["family"]))
    with st.expander("Outcomes by decisions"):
        _tables(found, attribute)


def _answer(entry: dict[str, Any], metric: str, attribute: list[str], chosen: str, family: int) -> None:
    rates = [r for r in entry["rates"] if r["metric"] == metric and r["attribute"] == attribute]
    everyone = next((r for r in entry["rates"] if r["metric"] == metric and not r["attribute"]), None)
    gap = next(
        g for g in entry["gaps"] if (g["metric"], g["kind"], g["attribute"]) == (metric, "difference", attribute)
    )
    takeaway = sentence(gap)
    st.write(state.plain(takeaway))
    left, right = st.columns([3, 2])
    values = [
        charts.Dot(name_of(r["group"]), r["value"], r["low"], r["high"], rows_behind(r), "", r["reason"]) for r in rates
    ]
    figure = charts.dots(
        values,
        title=f"{chosen}: {metric.replace('_', ' ')} by {' and '.join(attribute)}, 95 % intervals",
        mark=everyone["value"] if everyone else None,
    )
    left.plotly_chart(figure, config=charts.CONFIG, key="classes-chart", alt=takeaway)
    table = pd.DataFrame(
        {
            "Group": [name_of(r["group"]) for r in rates],
            "Value": [percent(r["value"]) for r in rates],
            "95 % interval": [
                f"{percent(r['low'])} to {percent(r['high'])}" if r["estimable"] else str(r["reason"]) for r in rates
            ],
            "Counted": [behind(r) for r in rates],
        }
    )
    with right:
        parts.table(table, alt=f"{chosen}: {metric} by group with intervals and counts")
    st.caption(f"How it was made: {state.plain(gap['method'])}")


def sentence(gap: dict[str, Any]) -> str:
    """The difference in words."""
    if gap["value"] is None:
        return f"The gap cannot be estimated: {gap['reason']}."
    known = from_json(Gap, gap)
    return (
        f"Highest in {name_of(gap['highest'])}, lowest in {name_of(gap['lowest'])}: {100 * gap['value']:.1f} points "
        f"apart ({interval_words(known)}; {significance(known, OF_CLASSES)})."
    )


def _tables(found: dict[str, Any], attribute: list[str]) -> None:
    """Outcomes (rows) by decisions (columns), one table a group."""
    names = found["names"]
    for table in (t for t in found["tables"] if t["attribute"] == attribute):
        who = name_of(table["group"])
        if table["people"] is None:
            st.write(state.plain(f"{who}: withheld, since the group is small."))
            continue
        st.write(state.plain(f"{who}: outcome in rows, decision in columns"))
        frame = pd.DataFrame(table["people"], columns=[f"decided {state.plain(n)}" for n in names])
        frame.insert(0, "Outcome", [*names, "(unknown)"])
        parts.table(frame, alt=f"Outcomes by decisions of {who}")
