"""What could go wrong: is the data what it should be, the worst corruptions that were found, other ways to build it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from audit.documents.contract import ContractHeld
from audit.documents.stress import Finding, VariantResult
from audit.findings import name_of, percent
from audit.metrics import ACCURACY
from audit.numbers import are, brief, fixed, many, signed
from audit.stress.spec import LEARNERS
from audit.stress.words import best_of, figure_name, nothing_worse, noticed, plausible, words_of
from debias.whatif.table import KINDS
from reports.sections.stress import fed, learned, multiverse, not_understood
from reports.words import unquoted
from screens import charts, draw, parts, state
from screens.workspace import CaseFolder

PARTS = ("Corrupted data", "Other pipelines", "The contract")
MOST = 6
MOST_ROWS = 12


def show() -> None:
    """The screen."""
    folder = parts.need_case("What could go wrong")
    if folder is None:
        return
    parts.job_panel("The stress test")
    part = parts.sections("stress-part", PARTS)
    if part == PARTS[0]:
        corrupted(folder)
    elif part == PARTS[1]:
        pipelines(folder)
    else:
        contract(folder)
    parts.next_step("report", "the report")
    parts.help_on("stress")


# -- corrupted data -------------------------------------------------------------------------------------------------


def corrupted(folder: CaseFolder) -> None:
    """The form, and what was found."""
    st.write(
        "Which plausible error in the data would hurt whom most? One half of the people is searched, the other says "
        "whether it is so."
    )
    left, middle, right = st.columns([2, 2, 3], vertical_alignment="bottom")
    budget = left.number_input("At most so many rows wrong, %", 0.5, 50.0, 5.0, 0.5, key="stress-budget")
    fits = middle.number_input("Fits that confirm", 1, 200, 24, 4, key="stress-fits")
    train = right.checkbox("Fit the model again on corrupted data too", True, key="stress-train")
    if st.button("Search for the worst", type="primary", key="stress-go") and not parts.busy():
        args = ["stress", str(folder.file), "--out", str(folder.run), "--budget", str(budget / 100)]
        parts.start(folder, [*args, "--fits", str(fits), *([] if train else ["--no-train"])])
    document = state.documents(folder).stress
    if document is None:
        return
    s, t = document.serving, document.training
    draw.blocks(fed(document))
    _findings(s.entries, "serving", True)
    draw.blocks(learned(document))
    if not t.measured:
        st.caption(state.escape(f"Not measured: {t.reason}"))
        return
    _findings(t.entries, "training", False)
    with st.expander("How it was searched"):
        for note in dict.fromkeys([*s.notes, *t.notes]):
            st.caption(state.escape(unquoted(note)))


def _findings(entries: Sequence[Finding], key: str, noticing: bool) -> None:
    findings = best_of(entries)
    if rest := nothing_worse(entries):
        st.write(state.escape(rest))
    if not findings:
        return
    values = []
    for number, e in enumerate(findings[:MOST], 1):
        name = f"{number}. {figure_name(e)}"
        values += [
            charts.Dot(name, e.before, e.before, e.before, e.of, "now"),
            charts.Dot(name, e.after, *_ends(e), e.rows, "the worst found"),
        ]
        if e.random_worst is not None:
            worst = e.random_worst
            values.append(charts.Dot(name, worst, worst, worst, e.rows, "random errors"))
    alt = "; ".join(
        f"{figure_name(e)} {fixed(e.before, 3)} to {fixed(e.after, 3)} {words_of(e)}" for e in findings[:MOST]
    )
    title = "Each figure now, with as many random errors, and with the worst that was found (95 % interval)"
    figure = charts.dots(values, title=title, percent=False)
    parts.chart(figure, key=f"stress-{key}", alt=alt)
    for number, e in enumerate(findings[:MOST], 1):
        what = words_of(e)
        with st.expander(
            state.escape(f"{number}. {figure_name(e)}: {fixed(e.before, 3)} to {fixed(e.after, 3)} {what}")
        ):
            st.write(
                state.escape(
                    f"Change {signed(e.change, 3)} (95 % interval {signed(e.low, 3)} to {signed(e.high, 3)}), "
                    f"{e.rows:,} of {many(e.of, 'row')}. It comes about by: {plausible(e)}."
                )
            )
            if e.names_person:
                st.caption("Who is hit is said by a sensitive attribute or by the outcome.")
            if noticing:
                st.write(state.escape(f"Noticed by: {noticed(e)}."))
                if e.caught is not None:
                    st.code(_toml(e.caught.line), language="toml")
    if len(findings) > MOST:
        rows = [
            {"Figure": figure_name(e), "Now": e.before, "Worst found": e.after, "Where": words_of(e)}
            for e in findings[MOST : MOST + MOST_ROWS]
        ]
        with st.expander(f"{len(findings) - MOST} more"):
            parts.table(pd.DataFrame(rows), alt="Further findings")


def _ends(e: Finding) -> tuple[float, float]:
    """The interval of the change, about the figure itself."""
    low, high = e.before + e.low, e.before + e.high
    return (max(0.0, low), min(1.0, high)) if e.lowest is None else (low, high)


def _toml(line: dict[str, Any]) -> str:
    from audit.load.toml import write

    return "\n".join(["[[check]]", *(f"{k} = {write(v)}" for k, v in line.items())])


# -- other pipelines ------------------------------------------------------------------------------------------------


def pipelines(folder: CaseFolder) -> None:
    """The form, the chart (a point a variant) and the table."""
    st.write("Had the pipeline been built otherwise: which choices move accuracy, and which move a gap?")
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    learner = left.selectbox(
        "What is fitted", list(LEARNERS), format_func=lambda n: LEARNERS[n].words, key="whatif-learner"
    )
    if right.button("Try the variants", type="primary", key="whatif-go") and not parts.busy():
        args = ["whatif", str(folder.file), "--out", str(folder.run), "--learner", str(learner)]
        parts.start(folder, args)
    document = state.documents(folder).whatif
    if document is None:
        return
    aims = document.aims
    names = [figure_name(a) for a in aims if a.kind != "rate"]
    accuracy = next((i for i, a in enumerate(aims) if a.metric == ACCURACY), None)
    if not names or accuracy is None:
        st.write("There is no gap to hold against accuracy.")
        return
    chosen = st.selectbox("Gap", names, key="whatif-gap")
    steps = sorted({v.kind for v in document.variants})
    choices = sorted({v.kind for v in document.variants if v.side != "test"})
    only = st.multiselect("Kinds of variants", steps, default=choices, key="whatif-kinds")
    at = [figure_name(a) for a in aims].index(chosen)
    shown = [v for v in document.variants if not only or v.kind in only]
    st.caption(
        state.escape(
            f"{many(len(document.variants), 'variant')} of {document.learner}, each measured on the same "
            f"{many(document.data.measured_rows, 'row')}."
        )
    )
    built = f"{fixed(aims[accuracy].base, 3)} and {fixed(aims[at].base, 3)}"
    words = f"{many(len(shown), 'variant')}: accuracy against {chosen}; as built {built}"
    figure = charts.variants(
        [_point(v, accuracy, at) for v in shown if v.figures[at].value is not None],
        (aims[at].base, aims[accuracy].base),
        limit=aims[at].limit,
        title=f"A point a variant: accuracy and {chosen}",
        gap=chosen,
    )
    parts.chart(figure, key="whatif-chart", alt=words)
    moved = [v for v in shown if v.figures[at].change is not None]
    moved.sort(key=lambda v: -abs(v.figures[at].change or 0.0))
    rows = [_row(v, accuracy, at) for v in moved[:MOST_ROWS]]
    parts.table(pd.DataFrame(rows), alt=f"The variants that move {chosen} most")
    draw.blocks(multiverse(document))
    if document.failed:
        with st.expander(
            f"{many(len(document.failed), 'variant')} {are(len(document.failed), 'was', 'were')} not made"
        ):
            rows = [{"Variant": f.variant, "Why": f.reason} for f in document.failed[:40]]
            parts.table(pd.DataFrame(rows), alt="Variants that were not made, and why")


def _point(v: VariantResult, accuracy: int, at: int) -> tuple[float, float, str, str, bool]:
    p, step = v.figures[at].p_adjusted, KINDS[v.kind].step
    return v.figures[at].value, v.figures[accuracy].value, v.variant, step, p is not None and p <= 0.05


def _row(v: VariantResult, accuracy: int, at: int) -> dict[str, Any]:
    f, a = v.figures[at], v.figures[accuracy]
    return {
        "Variant": v.variant,
        "Gap [change, 95 %]": f"{fixed(f.value, 3)} [{signed(f.low, 3)}, {signed(f.high, 3)}]",
        "Clear": "yes" if f.p_adjusted is not None and f.p_adjusted <= 0.05 else "no",
        "Accuracy": "–" if a.change is None else signed(a.change, 3),
    }


# -- the contract ---------------------------------------------------------------------------------------------------


def contract(folder: CaseFolder) -> None:
    """What the contract found in the audited rows; without one, a proposal to copy."""
    labelled_again()
    evidence = state.evidence(folder)
    validation = evidence.contract if evidence is not None else None
    if validation:
        held(validation)
        return
    st.write(
        "The case names no contract: what its data must be like. One can be proposed from the rows that the model "
        "learned from; a person reads it, changes it, and names it in the case file."
    )
    if st.button("Propose one", type="primary", key="contract-go"):
        from audit import access
        from audit.contract.run import proposed
        from audit.errors import AssayError

        try:
            access.demand("work", folder.place)
            with st.spinner("Reading the data"):
                st.session_state["contract-text"] = proposed(folder.file, None)[1]
        except AssayError as error:
            state.show_error(error)
    text = st.session_state.get("contract-text")
    if text:
        st.download_button(
            "Download contract.toml", text, file_name="contract.toml", key="contract-file", on_click="ignore"
        )
        with st.expander("Read it"):
            st.code(text, language="toml")


def labelled_again() -> None:
    """How large a sample people must label again to know how many outcomes are wrong."""
    from audit.contract.labels import NOT_A_RATE, sample_size

    with st.expander("Are the outcomes right?"):
        within = st.number_input("Within so many points, for each group", 0.5, 20.0, 2.0, 0.5, key="labels-within")
        st.write(
            f"Label {many(sample_size(within / 100), 'random row')} of each group again, without looking at what is "
            f"recorded: the share of wrong outcomes is then known within {brief(within)} points (95 %), "
            "at about 5 % wrong."
        )
        st.caption(state.escape(f"`assay contract CASE.toml --labels FILE` draws them. {NOT_A_RATE}"))


def held(validation: ContractHeld) -> None:
    """Every check, what failed first, by group."""
    failed = [c for c in validation.checks if not c.passed]
    st.write(
        f"**{validation.kept} of {many(len(validation.checks), 'check')} kept** on {many(validation.rows, 'row')}."
    )
    for c in failed[:MOST_ROWS]:
        failures = "" if c.share is None else f": {c.failed:,} of {many(c.rows, 'row')} ({percent(c.share)})"
        (st.error if c.severity == "error" else st.warning)(state.escape(f"Not kept: {c.words}{failures}"))
        values = [
            charts.Dot(name_of(g.group), g.share, g.low, g.high, g.rows)
            for g in c.by_group
            if c.failed and g.share is not None
        ]
        if values:
            title = f"Share that fails, by group: {' and '.join(c.columns)}"
            alt = "; ".join(f"{d.row} {percent(d.value)}" for d in values)
            key = f"contract-{validation.checks.index(c)}"
            parts.chart(charts.dots(values, title=title), key=key, alt=alt)
    if validation.not_understood:
        draw.blocks([not_understood(validation)])
    with st.expander("Every check"):
        rows = [
            {"Check": c.words, "Kept": "yes" if c.passed else "no", "Rows that fail": c.failed}
            for c in validation.checks
        ]
        parts.table(pd.DataFrame(rows), alt="Every check of the contract")
