"""A look of one's own at what was counted: another threshold, another run beside this one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.cohort import at_threshold, edges
from audit.cube import Margin
from audit.documents.evidence import Evidence
from audit.documents.read import CUBE
from audit.errors import AssayError
from audit.evidence import pick
from audit.findings import name_of
from audit.gaps import Settings
from audit.metrics import (
    ACCURACY,
    EQUAL_OPPORTUNITY,
    FALSE_POSITIVE_RATE,
    POSITIVE_PREDICTIVE_VALUE,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
)
from audit.numbers import brief, percent, points
from audit.sizes import rows_behind
from audit.values import Measures
from debias.methods.method import SENSITIVE_NOTICE
from reports.blocks import Table
from reports.sections.compared import between
from reports.sections.measures import sentence
from screens import charts, draw, parts, state
from screens.data import attribute_choice
from screens.workspace import CaseFolder, all_cases

DRAWS = 300
"""For figures that follow a slider; those of a cohort are drawn as often as the audit's."""
SHOWN = (SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE, ACCURACY)
MOST_GROUPS = 8


@st.cache_resource(max_entries=4, show_spinner=False, ttl=1800)
def _margins(path: str, digest: str) -> tuple[Margin, ...]:
    import json
    from pathlib import Path

    from audit.cube_json import margins_from_json

    return margins_from_json(json.loads(Path(path).read_bytes()))


def margins(folder: CaseFolder) -> tuple[Margin, ...]:
    """The counts of the run, read once while their bytes are the same."""
    path = folder.run / CUBE
    return _margins(str(path), state.digest(path))


def settings_of(evidence: Evidence, **other: Any) -> Settings:
    """How the audit measured."""
    return Settings.from_json({k: getattr(evidence.settings, k) for k in Settings().to_json()} | other)


def threshold(folder: CaseFolder, evidence: Evidence) -> None:
    """A threshold that moves, for all or by group, with every rate following it."""
    st.header("Move the threshold")
    attribute = attribute_choice(evidence)
    counted = margins(folder)
    margin = next((m for m in counted if m.attribute == attribute), None)
    try:
        if margin is None:
            raise AssayError("these groups were not counted", todo="choose other groups")
        *within, above = edges(margin)
        cuts = [*[*{_four_digits(c): c for c in reversed(within)}.values()][::-1], above]
    except AssayError as error:
        state.show_error(error)
        return

    def cut_label(cut: float) -> str:
        return "above all" if cut == above else _four_digits(cut)

    positive = outcome_words(folder, evidence)
    usual = evidence.model.threshold if evidence.model.threshold is not None else 0.5
    now = min(cuts, key=lambda c: (abs(c - usual), c))
    groups = [g for g, hidden in zip(margin.groups, margin.people < evidence.settings.floor, strict=True) if not hidden]
    separate = len(groups) <= MOST_GROUPS and st.toggle("One threshold for each group", key="threshold-apart")
    at: float | dict[tuple[str, ...], float] = now
    if separate:
        st.warning(state.escape(SENSITIVE_NOTICE))
        columns = st.columns(2)
        at = dict.fromkeys(margin.groups, now)
        for number, group in enumerate(groups):
            at[group] = columns[number % 2].select_slider(
                f"{name_of(group)}: {positive} from",
                cuts,
                now,
                format_func=cut_label,
                key=f"threshold-{name_of(group)}",
            )
    else:
        at = st.select_slider(f"{positive} from this score on", cuts, now, format_func=cut_label, key="threshold-all")
    how = settings_of(evidence, draws=DRAWS)
    measures, before = at_threshold(counted, attribute, at, how), at_threshold(counted, attribute, now, how)
    _rates(measures, attribute)
    for metric in (SELECTION_RATE, EQUAL_OPPORTUNITY):
        gap, was = (pick(m.gaps, metric=metric, attribute=attribute, kind="difference") for m in (measures, before))
        name = metric.replace("_", " ").capitalize()
        left = "" if was is None or was.value is None else f" At {_four_digits(now)} for all it is {points(was.value)}."
        st.write(state.escape(f"{name}: {sentence(gap)}{left}"))
    exact = margin.scores is not None and margin.scores.exact
    st.caption(
        "Nothing is changed by this: it says what the scores that were measured would decide. "
        + ("" if exact else "Scores are counted in bins, and cut at their edges. ")
        + "A threshold that is chosen on these people looks better here than it will on others."
    )


def outcome_words(folder: CaseFolder, evidence: Evidence) -> str:
    """What a score from the threshold on decides, in the code book's words; else the value of which column."""
    label, value = evidence.data.label, str(evidence.data.positive)
    meaning = state.case_of(folder).data.codes.get(label or "", {}).get(value)
    return state.escape(meaning[:1].upper() + meaning[1:] if meaning else f"{label} {value}" if label else value)


def _rates(measures: Measures, attribute: tuple[str, ...]) -> None:
    mine = [r for r in measures.rates if r.attribute == attribute]
    dots = [
        charts.Dot(name_of(r.group), r.value, r.low, r.high, rows_behind(r), r.metric.replace("_", " "), r.reason)
        for r in mine if r.metric in SHOWN[:3]
    ]  # fmt: skip
    title = "Selected, found and wrongly called positive, 95 % intervals"
    words = "Selection, true positive and false positive rate of each group at this threshold"
    parts.chart(charts.dots(dots, title=title), key="threshold-chart", alt=words)
    groups = list(dict.fromkeys(r.group for r in mine))
    values = {
        m: [pick(measures.rates, metric=m, attribute=attribute, group=g) for g in groups] for m in SHOWN
    }  # fmt: skip
    shown = pd.DataFrame(
        {"Group": [name_of(g) for g in groups]}
        | {
            m.replace("_", " ").capitalize(): ["–" if r is None or r.value is None else percent(r.value) for r in rs]
            for m, rs in values.items()
        }
    )
    figures = {"group": [name_of(g) for g in groups]}
    for m, rs in values.items():
        for part in ("value", "low", "high", "numerator", "denominator"):
            figures[f"{m} {part}"] = [None if r is None else getattr(r, part) for r in rs]
    parts.table(shown, alt="Rates of each group at this threshold", figures=pd.DataFrame(figures))


def _four_digits(value: float) -> str:
    return brief(value, 4)


def compare_runs(folder: CaseFolder, evidence: Evidence) -> None:
    """This run beside that of another case: other data, another model, another policy."""
    st.header("Beside another run")
    others: dict[str, CaseFolder] = {}
    for other in all_cases():
        if other.id == folder.id or other.sealed or not (other.run / "evidence.json").exists():
            continue
        try:
            entry = state.evidence(other)
        except AssayError:
            continue
        if entry is not None and entry.regression is None:
            others[f"{entry.case.name}, {str(entry.model.sha256 or entry.model.column)[:12]} ({other.id[:8]})"] = other
    if not others:
        st.info("No other case on this machine has been measured. Set up the other model or data as a case of its own.")
        return
    name = st.selectbox("Compare with", list(others), index=None, key="beside", placeholder="another run")
    if name is None:
        return
    before = state.evidence(others[name])
    assert before is not None
    st.caption("In the tables *earlier* is the run chosen here, and *now* is the one that is open.")
    blocks = between(evidence, before)
    last = next(
        (n for n, b in enumerate(blocks) if isinstance(b, Table) and b.caption.startswith("Rates")), len(blocks)
    )
    draw.blocks(blocks[:last])
    if blocks[last:]:
        with st.expander("Rate by rate"):
            draw.blocks(blocks[last:])
