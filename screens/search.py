"""Search: many candidates, wrong decisions against the gap, and a person who takes one and says why."""

from __future__ import annotations

import streamlit as st

from audit.documents.mitigation import Choice
from audit.documents.search import Place, Search, Trial
from audit.findings import percent
from audit.numbers import are, brief, fixed, many
from debias.methods.method import CONSTRAINTS, SENSITIVE_NOTICE
from debias.methods.table import METHODS
from debias.pareto_figures import aims_for, words_of
from debias.pareto_space import methods_to_search
from reports.sections.search import alt_of, beaten, choice_words, front_of, nobody, none_on, place_of, table
from reports.words import unquoted
from screens import charts, draw, parts, state
from screens.workspace import CaseFolder, log_home

LIKELY = 30


def panel(folder: CaseFolder) -> None:
    """The form, and the front of the last search."""
    ask(folder)
    document = state.documents(folder).search
    if document is None:
        return
    shown(document)
    choose(folder, document)


def ask(folder: CaseFolder) -> None:
    """What to search for; starts the work."""
    case = state.case_of(folder)
    left, middle, right = st.columns([3, 2, 3])
    aim = left.selectbox("Aim", aims_for(case.policy), format_func=lambda a: CONSTRAINTS[a].words, key="search-aim")
    trials = middle.number_input("Candidates", 3, 500, LIKELY, 5, key="search-trials")
    attributes = right.multiselect(
        "Between groups of", case.data.sensitive, default=list(case.data.sensitive), key="search-attributes"
    )
    able = [m.name for m in METHODS.values() if aim in m.constraints]
    usual = [m.name for m in methods_to_search(aim, None)]
    methods = st.multiselect(
        "Methods", able, default=usual, format_func=lambda n: METHODS[n].title, key=f"search-methods-{aim}"
    )
    if any(METHODS[n].needs_sensitive_at_decision for n in methods):
        st.warning(state.escape(SENSITIVE_NOTICE))
    with st.expander("What is fixed before the search"):
        st.caption(
            "What the decision is needed for, and how many more wrong decisions were allowed, are entered in the log "
            "before the first candidate, so that nobody can fit them to what was found."
        )
        need = st.text_input("The need that the decision serves", key="search-need", max_chars=300)
        loss = st.number_input(
            "More wrong decisions that were allowed, of 100 (optional)", 0.0, 100.0, None, 0.5, key="search-loss"
        )
        logged = st.toggle("Enter it in the log", value=True, key="search-logged")
    go = st.button("Search", type="primary", disabled=not (methods and attributes), key="search-go")
    st.caption("A search that is stopped goes on where it was. It does not see the test rows.")
    if go and not parts.busy():
        args = ["mitigate", str(folder.file), "--search", "--trials", str(trials), "--constraint", aim]
        args += ["--out", str(folder.run)]
        for name in methods:
            args += ["--method", name]
        for attribute in attributes:
            args += ["--attribute", attribute]
        args += [f"--need={' '.join(need.split())}"] if need.strip() else []
        args += [] if loss is None else ["--acceptable-loss", brief(loss / 100)]
        parts.start(folder, [*args, "--log", str(log_home())] if logged else args)


def shown(search: Search) -> None:
    """The front as a chart and, beside it, as a table."""
    on = front_of(search)
    weighed = words_of(search.asked.constraint)
    gap = f"{weighed.full.removeprefix('the ').capitalize()}, at most"
    st.write(
        f"**{many(len(search.trials), 'candidate')} tried, {len(on)} on the front**: {nobody(search)} errs less "
        f"{weighed.better}. Measured on {many(search.splits.judge, 'validation row')}; the "
        f"{many(search.splits.test, 'test row')} {are(search.splits.test, 'waits', 'wait')} for the one that you pick."
    )
    if not on:
        st.info(none_on(search))
        draw.table(table(search, on))
        return
    left, right = st.columns([1.15, 1], gap="medium")
    kinds = (
        ("front", [_point(t, str(t.trial), name_of_trial(t)) for t in on]),
        ("original", [_point(search.original, "", "original")]),
        (
            "original, threshold moved",
            [_point(t.matched, "", f"threshold moved, as {t.trial}") for t in on if t.matched],
        ),
        ("other candidates", [_point(t, "", name_of_trial(t)) for t in others(search)]),
    )
    parts.chart(
        charts.front(kinds, title=f"Wrong decisions and {weighed.short}, 95 % intervals", gap=gap),
        key="front", alt=alt_of(search, on), place=left,
    )  # fmt: skip
    with right:
        draw.table(table(search, on))
        st.caption("The original may have learned from these rows, which flatters it here; the test rows tell.")
    with st.expander("How it was searched"):
        for note in search.notes:
            st.caption(state.escape(unquoted(note)))


def others(search: Search) -> list[Trial]:
    """Candidates that could be made and are not on the front."""
    return [t for t in search.trials if not t.front and not t.failed]


def choose(folder: CaseFolder, search: Search) -> None:
    """A person takes one and says why; only then are the test rows used."""
    short = words_of(search.asked.constraint).short
    lost = {t.trial for t in beaten(search)}
    by_number = {t.trial: t for t in [*front_of(search), *others(search)]}
    with st.form("pick"):
        left, right = st.columns([3, 2])
        number = left.selectbox(
            "Candidate",
            list(by_number),
            format_func=lambda n: _option(by_number[n], short, lost),
            key="pick-trial",
        )
        by = right.text_input("Who picks it", key="pick-by", max_chars=120)
        reason = st.text_area("Why this one", key="pick-reason", max_chars=1000, height=80)
        go = st.form_submit_button("Pick it and measure it on the test rows")
    if not go or parts.busy():
        return
    if not by.strip() or not reason.strip():
        st.error("A choice needs a name and a reason: both go into the record and the report.")
        return
    # With an equals sign, a reason may begin with a dash.
    args = ["mitigate", str(folder.file), "--pick", str(number), f"--reason={reason}", f"--by={by}"]
    parts.start(folder, [*args, "--out", str(folder.run)])


def chosen(choice: Choice | None) -> None:
    """Who picked the candidate that is compared, and why."""
    if choice is not None:
        st.info(state.escape(choice_words(choice)))


def name_of_trial(trial: Trial) -> str:
    """Constrained boosting, tolerance 0.05."""
    parameters = [f"{k} {brief(trial.parameters[k])}" for k in ("tolerance", "strength") if k in trial.parameters]
    return ", ".join([trial.title, *parameters])


def points(value: float) -> str:
    """6.1 points."""
    return f"{fixed(100 * value, 1)}\u00a0pts"


def _option(trial: Trial, short: str, lost: set[int]) -> str:
    loss, gap = place_of(trial)
    why = ": the original beats it" if trial.trial in lost else ""
    beside = "" if trial.front else f" (not on the front{why})"
    figures = f"{percent(loss.value)} wrong, {short} at most {points(gap.high)}"
    return f"{trial.trial}: {name_of_trial(trial)}; {figures}{beside}"


def _point(entry: Place | Trial, name: str, words: str) -> charts.Point:
    loss, gap = place_of(entry)
    return charts.Point(name, gap.low, gap.high, loss.value, loss.low, loss.high, words)
