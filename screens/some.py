"""Some of the people only: who they are, by any column, and the evidence that is about them alone."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from audit.case import Case
from audit.cohort import Looked, cohort
from audit.cohort_rows import Condition, Kept, cohort_of_rows, kept_rows, outcome_columns, ranged, values_to_ask
from audit.documents.evidence import Evidence
from audit.engines import MEMORY
from audit.errors import AssayError
from audit.findings import findings, judge, percent
from audit.numbers import many
from audit.policy import Norm, Policy
from audit.sizes import behind
from audit.values import Measures
from screens import parts, state, takeaway
from screens.look import margins, settings_of
from screens.workspace import CaseFolder

ASKED = "cohort-asked"
MOST_COLUMNS = 6


@st.cache_resource(max_entries=2, show_spinner="Reading the rows and asking the model once", ttl=1800)
def _kept(path: str, digest: str, run: str, measured: str, allow: tuple[str, ...]) -> Kept:
    from pathlib import Path

    from audit.documents import Documents
    from audit.load import load_case

    content = (Path(run) / "evidence.json").read_bytes()
    return kept_rows(load_case(Path(path)), Path(run), Documents({"evidence.json": content}).evidence, allow=allow)


def kept(folder: CaseFolder) -> Kept:
    """The rows of the run, read once while case file and evidence are the same."""
    measured = state.digest(folder.run / "evidence.json")
    return _kept(str(folder.file), state.digest(folder.file), str(folder.run), measured, tuple(folder.allow[1::2]))


@st.cache_resource(max_entries=8, show_spinner="Counting them", ttl=1800)
def _looked(
    path: str, digest: str, measured: str, conditions: tuple[Condition, ...], _evidence: Evidence, _folder: CaseFolder
) -> Looked:
    how = settings_of(_evidence)
    if all(c.groups for c in conditions):
        columns = [a for a in _evidence.data.sensitive if isinstance(a, str)]
        return cohort(margins(_folder), columns, {c.column: c.groups for c in conditions}, how)
    return cohort_of_rows(kept(_folder), conditions, how, _folder.place)


def chosen(folder: CaseFolder, evidence: Evidence) -> Evidence:
    """The evidence of the people that are chosen here; of everyone until somebody is left out."""
    asked: tuple[Condition, ...] = st.session_state.get(f"{ASKED}-{folder.id}", ())
    with st.expander("Look at some of the people only", expanded=bool(asked)):
        try:
            asked = _ask(folder, evidence, asked)
        except AssayError as error:
            state.show_error(error)
    st.session_state[f"{ASKED}-{folder.id}"] = asked
    if not asked:
        return evidence
    try:
        place = str(folder.file), state.digest(folder.file), state.digest(folder.run / "evidence.json")
        subset = _looked(*place, asked, evidence, folder)
    except AssayError as error:
        state.show_error(error)
        st.warning("Below are the figures of everyone.")
        return evidence
    finally:
        st.button("Everyone again", key="cohort-all", on_click=_everyone, args=(folder.id,))
    named = "; ".join(c.words() for c in asked)
    st.info(
        state.escape(f"{many(subset.people, 'person')}: {named}. Every figure here is of them, and of nobody else.")
    )
    for note in subset.notes:
        st.caption(state.escape(note))
    about = measured(evidence, subset.measures, subset.people)
    takeaway.keep(f"Every rate of this cohort: {named}", _rates(about))
    takeaway.keep(f"Every gap of this cohort: {named}", _gaps(about))
    return about


def _everyone(case_id: str) -> None:
    for key in [k for k in st.session_state if str(k).startswith("cohort-")]:
        del st.session_state[key]
    st.session_state[f"{ASKED}-{case_id}"] = ()


def _ask(folder: CaseFolder, evidence: Evidence, before: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The form; what is asked for stands once its button is pressed."""
    case = state.case_of(folder)
    old = {(bool(c.groups), c.column): c for c in before}
    columns = [a for a in evidence.data.sensitive if isinstance(a, str)]
    others = _columns(case, evidence)
    further = st.multiselect(
        "By which other columns", others, default=[c for g, c in old if not g and c in others], key="cohort-columns",
        max_selections=MOST_COLUMNS, placeholder="any column of the data",
    )  # fmt: skip
    with st.form("cohort"):
        conditions = []
        for a in columns:
            levels = [c.group[0] for c in evidence.counts if c.attribute == (a,)]
            last = old.get((True, a))
            some = st.multiselect(
                f"{a.capitalize()} among", levels, key=f"cohort-{a}", placeholder="everyone",
                default=[v for v in (last.groups if last else ()) if v in levels],
            )  # fmt: skip
            if some and set(some) != set(levels):
                conditions.append(Condition(a, groups=tuple(some)))
        rows = kept(folder).frame if further else None
        for c in further:
            assert rows is not None
            conditions += _condition(rows[c], c, old.get((False, c)))
        go = st.form_submit_button("Look at them", key="cohort-go", type="primary")
    st.caption(
        "Groups of fewer than ten people are withheld, and so is a cohort that differs by fewer than ten from one that "
        "was shown before: the difference would tell what became of them."
    )
    return tuple(conditions) if go else before


def _columns(case: Case, evidence: Evidence) -> list[str]:
    """What can be asked by, beside groups: any column of the data but outcomes; where the audit read no rows, none."""
    if evidence.data.engine != MEMORY:
        return []
    banded = set(case.data.bins)
    groups = set(evidence.data.sensitive) - banded
    return [c for c in evidence.data.columns if c not in groups and c not in outcome_columns(case)]


def _condition(column: pd.Series, name: str, last: Condition | None) -> list[Condition]:
    if not ranged(column):
        names = values_to_ask(column)
        some = st.multiselect(
            f"{name} among", names, default=[v for v in (last.values if last else ()) if v in names],
            key=f"cohort-values-{name}", placeholder="every value", help="Values of fewer than ten are not listed",
        )  # fmt: skip
        return [Condition(name, values=tuple(some))] if some else []
    left, right = st.columns(2)
    date = pd.api.types.is_datetime64_any_dtype(column)
    if date:
        low = _days(left, f"{name} from", None if last is None else last.low)
        high = _days(right, f"{name} to", None if last is None else last.high)
    else:
        low = left.number_input(f"{name} from", value=None if last is None else last.low, key=f"cohort-from-{name}")
        high = right.number_input(f"{name} to", value=None if last is None else last.high, key=f"cohort-to-{name}")
    return [] if low is None and high is None else [Condition(name, low=low, high=high, date=date)]


def _days(place: Any, words: str, last: float | None) -> float | None:
    """A date, in days since 1970."""
    start = pd.Timestamp(0)
    value = None if last is None else (start + pd.Timedelta(days=last)).date()
    chosen = place.date_input(words, value=value, key=f"cohort-{words}")
    return None if chosen is None else float((pd.Timestamp(chosen) - start).days)


def measured(evidence: Evidence, figures: Measures, people: int) -> Evidence:
    """The evidence with the figures of some of its people; what was counted on rows of everyone is left out."""
    norms = tuple(Norm(n.metric, n.kind, n.attribute, n.limit, n.limit) for n in evidence.norms)
    columns = sorted({a for n in norms for a in n.attribute})
    return replace(
        evidence, rates=figures.rates, gaps=figures.gaps, dataset=figures.dataset, counts=figures.counts, law=None,
        pairs=figures.pairs, power=figures.power, family=figures.family, notes=figures.notes, bounds=None, presets=None,
        norms=judge(Policy(evidence.policy.version, norms, ""), figures, columns), findings=tuple(findings(figures)),
        data=replace(evidence.data, audited_rows=people),
    )  # fmt: skip


def undivided(evidence: Evidence) -> None:
    """The rates of people who are all of one group: there is nobody to compare them with."""
    st.write("All of them are of one group, so there is no gap among them.")
    rates = [r for r in evidence.rates if not r.attribute]
    shown = {
        "Rate": [r.metric.replace("_", " ").capitalize() for r in rates],
        "Value": [percent(r.value) if r.value is not None else f"not estimable: {r.reason}" for r in rates],
        "95 % interval": ["–" if r.low is None else f"{percent(r.low)} to {percent(r.high)}" for r in rates],
        "Of": [behind(r) for r in rates],
    }
    parts.table(pd.DataFrame(shown), alt="Rates of these people", figures=_rates(evidence))


def _records(records: Any, fields: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [{f: " and ".join(v) if isinstance(v := getattr(r, f), tuple) else v for f in fields} for r in records],
        columns=list(fields),
    )


def _rates(evidence: Evidence) -> pd.DataFrame:
    return _records(
        evidence.rates,
        ("metric", "attribute", "group", "value", "low", "high", "numerator", "denominator", "interval", "reason"),
    )


def _gaps(evidence: Evidence) -> pd.DataFrame:
    return _records(
        evidence.gaps,
        ("metric", "attribute", "kind", "value", "low", "high", "highest", "lowest", "p_value", "p_adjusted", "method",
         "reason"),
    )  # fmt: skip
