"""Search: many candidates, wrong decisions against the gap, and a person who takes one and says why."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.findings import percent
from debias.methods.method import CONSTRAINTS, SENSITIVE_NOTICE
from debias.methods.table import METHODS
from debias.pareto_figures import aims_for, words_of
from debias.pareto_space import methods_to_search
from reports.words import unquoted
from screens import charts, parts, state
from screens.workspace import CaseFolder

LIKELY = 30


def panel(folder: CaseFolder) -> None:
    """The form, and the front of the last search."""
    ask(folder)
    document = state.result(folder, "search.json")
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
        st.warning(state.plain(SENSITIVE_NOTICE))
    go = st.button("Search", type="primary", disabled=not (methods and attributes), key="search-go")
    st.caption("A search that is stopped goes on where it was. It does not see the test rows.")
    if go and not parts.busy():
        args = ["mitigate", str(folder.file), "--search", "--trials", str(trials), "--constraint", aim]
        args += ["--out", str(folder.run)]
        for name in methods:
            args += ["--method", name]
        for attribute in attributes:
            args += ["--attribute", attribute]
        parts.start(folder, args)


def shown(document: dict[str, Any]) -> None:
    """The front as a chart and, beside it, as a table."""
    on = on_front(document)
    tried, judged = len(document["trials"]), document["splits"]["judge"]
    weighed = words_of(document["asked"]["constraint"])
    gap = f"{weighed.full.removeprefix('the ').capitalize()}, at most"
    st.write(
        f"**{tried} candidates tried, {len(on)} on the front**: no other errs less {weighed.better}. Measured on "
        f"{judged:,} validation rows; the {document['splits']['test']:,} test rows wait for the one that you pick."
    )
    left, right = st.columns([1.15, 1], gap="medium")
    words = f"Wrong decisions against {weighed.full}, {tried} candidates"
    best, narrow = on[0], min(on, key=lambda t: t["gap"]["high"])
    alt = (
        f"{words}. The front goes from candidate {best['trial']} ({percent(best['loss']['value'])} wrong, "
        f"{weighed.short} at most {points(best['gap']['high'])}) to candidate {narrow['trial']} "
        f"({percent(narrow['loss']['value'])} wrong, {weighed.short} at most {points(narrow['gap']['high'])})."
    )
    kinds = (
        ("front", [_point(t, str(t["trial"]), name_of_trial(t)) for t in on]),
        ("original", [_point(document["original"], "", "original")]),
        (
            "original, threshold moved",
            [_point(t["matched"], "", f"threshold moved, as {t['trial']}") for t in on if t["matched"]],
        ),
        (
            "other candidates",
            [_point(t, "", name_of_trial(t)) for t in document["trials"] if not t["front"] and not t["failed"]],
        ),
    )
    left.plotly_chart(
        charts.front(kinds, title=f"Wrong decisions and {weighed.short}, 95 % intervals", gap=gap),
        config=charts.CONFIG, key="front", alt=alt,
    )  # fmt: skip
    rows = [{"No.": "–", "Method": "original", **_cells(document["original"], weighed.short), "Threshold moved": "–"}]
    rows += [
        {
            "No.": str(t["trial"]),
            "Method": name_of_trial(t),
            **_cells(t, weighed.short),
            "Threshold moved": "–" if t["matched"] is None else points(t["matched"]["gap"]["high"]),
        }
        for t in on
    ]
    with right:
        parts.table(pd.DataFrame(rows), alt=words)
        st.caption(
            f"{weighed.short.capitalize()}: the upper end of its interval. Last column: the same for the original "
            "with only its threshold moved to select as many; a candidate no better than that has moved a threshold. "
            "The original may have learned from these rows, which flatters it here; the test rows tell."
        )
    with st.expander("How it was searched"):
        for note in document["notes"]:
            st.caption(state.plain(unquoted(note)))


def choose(folder: CaseFolder, document: dict[str, Any]) -> None:
    """A person takes one and says why; only then are the test rows used."""
    on = on_front(document)
    others = [t for t in document["trials"] if not t["front"] and not t["failed"]]
    short = words_of(document["asked"]["constraint"]).short
    by_number = {t["trial"]: t for t in [*on, *others]}
    with st.form("pick"):
        left, right = st.columns([3, 2])
        number = left.selectbox(
            "Candidate",
            list(by_number),
            format_func=lambda n: _option(by_number[n], short),
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


def chosen(document: dict[str, Any]) -> None:
    """Who picked the candidate that is compared, and why."""
    choice = document.get("choice")
    if choice:
        st.info(
            state.plain(
                f"Candidate {choice['trial']} of {choice['looked_at']}, picked by {choice['by']} on "
                f"{choice['time'][:10]}: {choice['reason']}"
            )
        )


def on_front(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The front, the fewest wrong decisions first."""
    return sorted((t for t in document["trials"] if t["front"]), key=lambda t: float(t["loss"]["value"]))


def name_of_trial(trial: dict[str, Any]) -> str:
    """Constrained boosting, 0.05."""
    words = {"tolerance": "tolerance", "strength": "strength"}
    said = [f"{w} {trial['parameters'][k]:g}" for k, w in words.items() if k in trial["parameters"]]
    return ", ".join([str(trial["title"]), *said])


def points(value: float) -> str:
    """6.1 points."""
    return f"{100 * value:.1f}\u00a0pts"


def _cells(entry: dict[str, Any], short: str) -> dict[str, str]:
    # A space that does not break keeps the sign on the line of its number.
    wrong = percent(entry["loss"]["value"]).replace(" ", "\u00a0")
    return {"Wrong": wrong, f"{short.capitalize()} at most": points(entry["gap"]["high"])}


def _option(trial: dict[str, Any], short: str) -> str:
    beside = "" if trial["front"] else " (not on the front)"
    return (
        f"{trial['trial']}: {name_of_trial(trial)}; {percent(trial['loss']['value'])} wrong, {short} at most "
        f"{points(trial['gap']['high'])}{beside}"
    )


def _point(entry: dict[str, Any], name: str, words: str) -> charts.Point:
    loss, gap = entry["loss"], entry["gap"]
    return charts.Point(name, gap["low"], gap["high"], loss["value"], loss["low"], loss["high"], words)
