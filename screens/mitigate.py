"""Mitigate and watch: a candidate beside the original and the matched baseline, what got worse first, a decision."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from audit import access
from audit.documents.mitigation import Mitigation
from audit.errors import AssayError
from audit.findings import name_of
from audit.numbers import many
from audit.sizes import rows_behind
from debias.held import aim_words
from debias.methods.method import CONSTRAINTS
from debias.methods.table import METHODS
from debias.mitigate import record_decision
from reports import words
from reports.blocks import Points
from reports.sections import find, mitigation
from screens import charts, draw, parts, search, state, watch
from screens.workspace import CaseFolder

MOST_WORSE = 10
PARTS = ("Beside the original", "Where the norms stand", "What got worse, and for whom", "Your decision")
WAYS = ("One candidate", "Search", "Watch")


def show() -> None:
    """The screen."""
    folder = parts.need_case("Mitigate and watch")
    if folder is None:
        return
    way_now = st.session_state.get("way", WAYS[0])
    parts.job_panel("The loop" if way_now == WAYS[2] else "The mitigation")
    # By name in the address of the session, so that the search stays open while its job runs.
    way = st.segmented_control("Way", WAYS, default=WAYS[0], required=True, key="way", label_visibility="collapsed")
    if way == WAYS[2]:
        watch.panel(folder)
        parts.next_step("report", "the report")
        return
    if way == WAYS[0]:
        build(folder)
    else:
        search.panel(folder)
    document = state.documents(folder).mitigation
    if document is None:
        parts.next_step("report", "the report")
        return
    st.divider()
    part = parts.sections("mitigate-section", PARTS)
    if part == PARTS[0]:
        comparison(document)
    elif part == PARTS[1]:
        judged(document)
    elif part == PARTS[2]:
        worse(document)
        affected(document)
    else:
        decide(folder, document)
    parts.next_step("report", "the report")
    parts.help_on("mitigate")


def build(folder: CaseFolder) -> None:
    """Choose a method and a target, and build a candidate."""
    case = state.case_of(folder)
    methods = METHODS
    name = st.selectbox("Method", list(methods), format_func=lambda n: methods[n].title, key="method")
    method = methods[name]
    st.caption(state.escape(method.words))
    if method.notice:
        st.warning(state.escape(method.notice))
    with st.form("mitigate", border=False):
        left, middle, right = st.columns([3, 2, 3])
        aim = left.selectbox("Aim", method.constraints, format_func=lambda a: CONSTRAINTS[a].words, key="aim")
        tolerance = middle.number_input("Gap allowed", 0.0, 0.5, 0.02, 0.01, key="tolerance")
        attributes = right.multiselect(
            "Between groups of", case.data.sensitive, default=list(case.data.sensitive), key="attributes"
        )
        go = st.form_submit_button("Build a candidate", type="primary")
    if go and not parts.busy():
        args = ["mitigate", str(folder.file), "--method", name, "--out", str(folder.run)]
        args += ["--constraint", str(aim), "--tolerance", str(tolerance)]
        for attribute in attributes:
            args += ["--attribute", attribute]
        parts.start(folder, args)


def comparison(m: Mitigation) -> None:
    """All groups before and after, side by side, on rows that neither model saw."""
    st.header(state.escape(m.title))
    if m.notice:
        st.warning(state.escape(m.notice))
    search.chosen(m.choice)
    st.write(f"Measured on {many(m.splits.test, 'row')} that neither model saw.")
    draw.blocks([mitigation.arms_of(m, alone=True)])
    with st.expander("What the baseline is, and which rows were for what"):
        st.write(
            f"Learned from {many(m.splits.train, 'row')}, chosen on {m.splits.validation:,}, and measured on "
            f"{m.splits.test:,}."
        )
        draw.blocks([mitigation.BASELINE])
    for attribute in [a for a in find.printed(m.arms.original) if len(a) == 1]:
        gap = find.gap(m.arms.candidate, m.constraint.metric, attribute)
        if gap is not None and (without := mitigation.withheld(m.arms.candidate, gap)):
            st.caption(state.escape(f"The gap by {words.by(attribute)} is measured{without}."))
    attributes = {words.by(r.attribute): r.attribute for r in m.arms.original.rates if r.attribute}
    by = st.segmented_control("Groups by", list(attributes), default=next(iter(attributes)), required=True, key="mby")
    chosen = attributes[str(by)]
    table, rates = mitigation.groups_of(m, chosen), mitigation.selected_by(m, chosen)
    values = [
        charts.Dot(name_of(group), r.value, r.low, r.high, rows_behind(r), name)
        for group in rates["original"]
        for key, name in mitigation.present_in(m)
        if (r := rates[key].get(group)) is not None
    ]
    figure = charts.dots(values, title=f"Selection rate by {by}, 95 % intervals")
    parts.chart(figure, key="before-after", alt=table.caption)
    with st.expander("The same as a table"):
        draw.table(table)


def judged(m: Mitigation) -> None:
    """Every norm for what stands today and for each option, side by side; those that turned first."""
    st.header("Where the norms stand")
    st.write(state.escape(aim_words(m.constraint)))
    draw.blocks(mitigation.judged_of(m))


def worse(m: Mitigation) -> None:
    """What got worse, before anything that got better."""
    st.header("What got worse")
    draw.blocks(mitigation.worse_of(m, MOST_WORSE))


def affected(m: Mitigation) -> None:
    """How many decisions change, for whom and in which direction."""
    st.header("Who is affected")
    draw.table(mitigation.flips_of(m))
    if m.notes:
        with st.expander("Notes on how it was made and measured"):
            draw.blocks([Points(tuple(words.unquoted(note) for note in m.notes))])


def decide(folder: CaseFolder, m: Mitigation) -> None:
    """A person accepts or rejects, with a reason; nothing is deployed by Assay."""
    st.header("Your decision")
    model = folder.run / m.model.file
    if model.exists() and access.may("work", folder.place):
        st.download_button(
            "Download the candidate model", model.read_bytes(), file_name=model.name, key="download-model",
            on_click="ignore",
        )  # fmt: skip
    if m.decision is not None:
        done = m.decision
        word = "Accepted" if done.accepted else "Rejected"
        st.info(state.escape(f"{word} by {done.by} on {str(done.time)[:10]}: {done.reason}"))
    with st.form("decide"):
        choice = st.radio("The candidate is", ["accepted", "rejected"], index=None, horizontal=True, key="decision")
        by = st.text_input("Who decides", key="decision-by", max_chars=120)
        reason = st.text_area("Why", key="decision-reason", max_chars=1000, height=80)
        go = st.form_submit_button("Record the decision")
        wanted = ((choice, "the decision"), (by.strip(), "who decides"), (reason.strip(), "why"))
        lacks = [words for answer, words in wanted if not answer] if go else []
        if lacks:
            st.warning(f"Not recorded yet. Still missing: {', '.join(lacks)}.")
    if go and not lacks:
        try:
            access.demand("countersign", folder.place)
            record_decision(folder.run, choice == "accepted", reason, by, dt.datetime.now(dt.UTC))
        except AssayError as error:
            state.show_error(error)
        else:
            st.rerun()
