"""All classes of the outcome: one question at a time over every class, then one class against the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from audit.classes.measures import QUESTIONS
from audit.classes.words import OF_CLASSES
from audit.documents.evidence import Classes, ClassFigures, Evidence, OverallFigures
from audit.evidence import pick
from audit.findings import name_of
from audit.metrics import FALSE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE, SELECTION_RATE, TRUE_POSITIVE_RATE
from reports.sections.measures import sentence
from screens import draw, parts, state

ALL = "All classes together"
OF_ONE = {
    SELECTION_RATE: "How many are decided so?",
    TRUE_POSITIVE_RATE: "Of those whose outcome it is, how many are found?",
    FALSE_POSITIVE_RATE: "Of those whose outcome it is not, how many are decided so all the same?",
    POSITIVE_PREDICTIVE_VALUE: "Of those decided so, how many are?",
}


def show(evidence: Evidence, attribute: Sequence[str]) -> None:
    """The part on classes; nothing where the outcome has two, a word where an intersection is chosen."""
    classes = evidence.classes
    if not classes:
        return
    st.header("All classes of the outcome")
    if len(attribute) != 1:
        st.write("Classes are compared by single attributes. Choose one above.")
        return
    left, right = st.columns([2, 3])
    with left:
        chosen = st.selectbox("Class", [ALL, *classes.names], key="class")
    questions = QUESTIONS if chosen == ALL else OF_ONE
    with right:
        asked = st.selectbox("Question", list(questions.values()), key="class-question")
    metric = next(m for m, q in questions.items() if q == asked)
    one = next((c for c in classes.classes if c.label == chosen), None)
    _answer(one or classes.overall, metric, tuple(attribute), str(chosen))
    with st.expander("Outcomes by decisions"):
        _tables(classes, tuple(attribute))


def _answer(entry: ClassFigures | OverallFigures, metric: str, attribute: tuple[str, ...], chosen: str) -> None:
    gap = pick(entry.gaps, metric=metric, kind="difference", attribute=attribute)
    draw.answer(
        [r for r in entry.rates if r.metric == metric and r.attribute == attribute],
        sentence(gap, OF_CLASSES),
        key="classes-chart",
        title=f"{chosen}: {metric.replace('_', ' ')} by {' and '.join(attribute)}, 95 % intervals",
        alt=f"{chosen}: {metric} by group with intervals and counts",
        overall=pick(entry.rates, metric=metric, attribute=()),
    )
    st.caption(f"How it was made: {state.escape(gap.method)}")


def _tables(classes: Classes, attribute: tuple[str, ...]) -> None:
    """Outcomes (rows) by decisions (columns), one table a group."""
    for table in classes.tables:
        if table.attribute != attribute:
            continue
        who = name_of(table.group)
        if table.people is None:
            st.write(state.escape(f"{who}: withheld, since the group is small."))
            continue
        st.write(state.escape(f"{who}: outcome in rows, decision in columns"))
        frame = pd.DataFrame(table.people, columns=[f"decided {state.escape(n)}" for n in classes.names])
        frame.insert(0, "Outcome", [*classes.names, "(unknown)"])
        parts.table(frame, alt=f"Outcomes by decisions of {who}")
