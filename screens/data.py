"""Who is in the data: people and outcomes by group, before any model."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from audit.dataset import MEASURES
from audit.documents.evidence import Evidence
from audit.evidence import pick
from audit.findings import interval_words, name_of, percent
from audit.metrics import BASE_RATE, SELECTION_RATE
from audit.numbers import are, points
from audit.sizes import measured, unit
from reports.words import unquoted
from screens import charts, draw, parts, quality, state

SECTIONS = ("People and outcomes", "Measures of the data", "How good the data are")


def show() -> None:
    """The screen."""
    folder = parts.need_case("Who is in the data")
    if folder is None:
        return
    parts.job_panel("The audit")
    evidence = state.evidence(folder)
    if evidence is None:
        if parts.busy():
            return
        st.write("Count who is in the data and how the decisions fall. This takes a few seconds.")
        if st.button("Run the audit", type="primary", key="run-audit"):
            parts.start(folder, ["audit", str(folder.file), "--out", str(folder.run)])
        return
    attribute = attribute_choice(evidence)
    names = list(SECTIONS) if evidence.regression is None else [SECTIONS[0], SECTIONS[2]]
    section = parts.sections("data-section", names)
    if section == SECTIONS[0]:
        people(evidence, attribute)
        if evidence.regression is not None:
            st.write("The outcome is a number; the next screen compares it, and what was predicted, by group.")
        else:
            outcomes(evidence, attribute)
    elif section == SECTIONS[1]:
        measures_table(evidence, attribute)
    else:
        quality.data_quality(evidence, attribute)
    for note in evidence.notes:
        st.caption(state.escape(unquoted(note)))
    parts.next_step("model", "what the model does")
    parts.help_on("data")


def attribute_choice(evidence: Evidence) -> tuple[str, ...]:
    """One choice for the whole app: an attribute or an intersection."""
    options = list(dict.fromkeys(g.attribute for g in evidence.gaps or evidence.counts if g.attribute))
    labels = {" and ".join(a): a for a in options}
    chosen = state.selection(options, [SELECTION_RATE]).attribute
    names = list(labels)
    picked = st.segmented_control(
        "By", names, default=" and ".join(chosen), required=True, key="by", help="An attribute or an intersection"
    )
    st.session_state.attribute = labels[picked or names[0]]
    return labels[picked or names[0]]


def people(evidence: Evidence, attribute: tuple[str, ...]) -> None:
    """How many people each group has, and rows where one person has several."""
    data = evidence.data
    total, what = data.audited_rows, unit(data)
    counts = [c for c in evidence.counts if c.attribute == attribute]
    largest = max(counts, key=lambda c: c.rows)
    smallest = min((c for c in counts if c.rows), key=lambda c: c.rows)
    takeaway = (
        f"Of {measured(data)}, {largest.rows:,} {are(largest.rows)} {name_of(largest.group)} and {smallest.rows:,} "
        f"{are(smallest.rows)} {name_of(smallest.group)}, the smallest group."
    )
    st.header("People")
    st.write(state.escape(takeaway))
    left, right = st.columns([3, 2])
    figure = charts.bars(
        [name_of(c.group) for c in counts], [c.rows for c in counts], title=f"{what.capitalize()} in each group"
    )
    parts.chart(figure, key="people-chart", alt=takeaway, place=left)
    table = pd.DataFrame(
        {
            "Group": [name_of(c.group) for c in counts],
            what.capitalize(): [c.rows for c in counts],
            **({} if what == "people" else {"People": [c.people for c in counts]}),
            "Share": [percent(c.rows / total) for c in counts],
            "Outcome unknown": [c.unknown_label for c in counts],
        }
    )
    with right:
        parts.table(table, alt="People in each group, with shares")


def outcomes(evidence: Evidence, attribute: tuple[str, ...]) -> None:
    """How many in each group have the favourable outcome, according to the labels."""
    rates = [r for r in evidence.rates if r.metric == BASE_RATE and r.attribute == attribute]
    st.header("Outcomes in the labels")
    gap = pick(evidence.gaps, metric=BASE_RATE, kind="difference", attribute=attribute)
    if gap is None and (left := evidence.left_to_cube) is not None and attribute in left.attributes:
        st.write(state.escape(left.why))
        return
    if gap is None or gap.value is None:
        st.write(state.escape(f"Outcomes cannot be compared: {gap.reason if gap else 'no outcome column'}."))
        return
    takeaway = (
        f"{name_of(gap.highest)} have the favourable outcome most often, {name_of(gap.lowest)} least; the gap is "
        f"{points(gap.value)} ({interval_words(gap)})."
    )
    draw.answer(
        rates, takeaway, key="outcome-chart", title="Share with the favourable outcome, 95 % intervals",
        alt="Favourable outcomes by group with intervals", counted="Of",
    )  # fmt: skip


def measures_table(evidence: Evidence, attribute: tuple[str, ...]) -> None:
    """The pre-training measures of each group against all others."""
    records = [d for d in evidence.dataset if d.attribute == attribute]
    st.header("Measures of the data")
    if not records and evidence.left_to_cube is not None:
        st.write(state.escape(evidence.left_to_cube.why))
        return
    st.write("Each group against everyone else. Zero means no difference; hover over a column's name for the formula.")
    groups = list(dict.fromkeys(d.group for d in records))
    table = pd.DataFrame({"Group": [name_of(g) for g in groups]})
    config = {}
    for metric, words in ((row.name, row.title) for row in MEASURES.values()):
        mine = {d.group: d for d in records if d.metric == metric}
        table[words] = [mine[g].value for g in groups]
        convention = next((d.convention for d in mine.values()), "")
        config[words] = st.column_config.NumberColumn(words, help=convention, format="%.3f")
    st.dataframe(table, hide_index=True, column_config=config, key="measures-table", alt="Pre-training measures")
    missing = [d for d in records if not d.estimable]
    if missing:
        st.caption(state.escape("Not estimable: " + "; ".join(sorted({str(d.reason) for d in missing}))))
