"""What the model does: three sentences first, then rates and gaps by question, then why (SHAP beside LIME)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.cube import Meaning
from audit.evidence import measures_from_json, pick
from audit.findings import interval_words, name_of, percent, policy_words, significance
from audit.metrics import MEAN_SCORE, METRICS, SCORE_METRICS, metrics_for
from audit.sizes import behind, rows_behind, unit
from audit.values import UNKNOWN, Gap, Measures
from reports.words import unquoted
from screens import beyond, bounds, charts, classes, law, pairs, parts, regression, state, why
from screens.data import attribute_choice


def show() -> None:
    """The screen."""
    folder = parts.need_case("What the model does")
    if folder is None:
        return
    parts.job_panel("The explanation" if (folder.run / "evidence.json").exists() else "The audit")
    evidence = state.result(folder, "evidence.json")
    if evidence is None:
        if not parts.busy():
            st.write("Nothing has been measured yet.")
            st.page_link(parts.PAGES["data"], label="Run the audit first")
        return
    measures = measures_from_json(evidence)
    if "regression" in evidence:
        for sentence in evidence["findings"][:3]:
            st.markdown(f"- {state.plain(sentence)}")
        regression.show(evidence)
        parts.next_step("report", "put it into the report")
        return
    section = parts.sections("model-section", SECTIONS)
    if section == SECTIONS[0]:
        overview(evidence)
    elif section == SECTIONS[1]:
        by_question(measures, evidence)
        classes.show(evidence, list(st.session_state["attribute"]))
        law.show(folder, evidence)
    elif section == SECTIONS[2]:
        attribute = attribute_choice(measures)
        beyond.show(evidence, list(attribute))
    else:
        why.show(folder, evidence, measures)
    parts.next_step("mitigate", "mitigate what was found")
    parts.help_on("model")


SECTIONS = ("Overview", "Question by question", "Beyond groups", "Why")


def overview(evidence: dict[str, Any]) -> None:
    """What was found, where each norm stands, what cannot be said, and what to do next."""
    st.header("What was found")
    for sentence in evidence["findings"][:3]:
        st.markdown(f"- {state.plain(sentence)}")
    if len(evidence["findings"]) > 3:
        with st.expander(f"{len(evidence['findings']) - 3} more findings"):
            for sentence in evidence["findings"][3:]:
                st.markdown(f"- {state.plain(sentence)}")
    norms(evidence)
    st.header("What cannot be said")
    silent = unsaid(evidence)
    for sentence in silent:
        st.markdown(f"- {state.plain(sentence)}")
    if not silent:
        st.write("Every norm could be measured, and every person's group and outcome are known.")
    st.header("What to do next")
    for sentence in ahead(evidence):
        st.markdown(f"- {sentence}")


def unsaid(evidence: dict[str, Any]) -> list[str]:
    """What this audit leaves open, with the counts at fault."""
    found = [f"{_norm_name(n)} cannot be judged: {n['reason']}." for n in evidence["norms"] if n["value"] is None]
    open_ = sum(n["status"] == "undecided" for n in evidence["norms"])
    if open_:
        found.append(
            f"For {open_} of {len(evidence['norms'])} norms the limit lies within the interval: so few people "
            "do not decide it."
        )
    total = evidence["data"]["audited_rows"]
    for counts in evidence["counts"]:
        if counts["attribute"] and counts["group"] == [UNKNOWN] and counts["rows"]:
            by = " and ".join(counts["attribute"])
            found.append(f"The {by} of {counts['rows']:,} of {total:,} people is not known.")
        if not counts["attribute"] and counts["unknown_label"]:
            found.append(f"The outcome of {counts['unknown_label']:,} of {total:,} people is not known.")
    return found + [unquoted(n) for n in evidence["notes"]]


def ahead(evidence: dict[str, Any]) -> list[str]:
    """The next steps that what was found asks for, in order."""
    broken = [n for n in evidence["norms"] if n["breached"]]
    steps = []
    if broken:
        steps.append(
            "Ask why: the section *Why* divides the gap over columns. Then look at what mitigation would change."
        )
    if any(n["status"] == "undecided" for n in evidence["norms"]):
        steps.append("Measure more people: `assay plan` says how many would decide what is undecided.")
    if any(n["value"] is None for n in evidence["norms"]):
        steps.append("Bring what is lacking (outcomes, groups), and audit again.")
    return [*steps, "Sign a report: it holds all of this, and anyone can check it."]


STATUS = {
    "inside": "inside the norm",
    "outside": "outside the norm",
    "undecided": "undecided",
    "not_estimable": "not estimable",
}


def norms(evidence: dict[str, Any]) -> None:
    """Where each norm of the policy stands."""
    st.header(f"The norms of policy {state.plain(evidence['policy']['version'])}")
    st.caption(state.plain(policy_words(evidence["policy"])))
    if not evidence["norms"]:
        st.write("The policy has no norm for these attributes.")
        return
    rows = [
        {
            "Norm": _norm_name(n),
            "Limit": f"{'at most' if n['kind'] == 'difference' else 'at least'} {n['limit']:g}",
            "Measured (95 % interval)": n["reason"]
            if n["value"] is None
            else f"{n['value']:.3f} ({n['low']:.3f} to {n['high']:.3f})",
            "Where it stands": STATUS[n["status"]],
        }
        for n in evidence["norms"]
    ]
    parts.table(pd.DataFrame(rows), alt="Norms of the policy and where the measured gaps stand")
    if any(n["status"] == "undecided" for n in evidence["norms"]):
        st.caption("Undecided: the limit lies within the interval.")


def _norm_name(n: dict[str, Any]) -> str:
    return f"{n['metric'].replace('_', ' ').capitalize()}, {n['kind']}, by {' and '.join(n['attribute'])}"


def by_question(measures: Measures, evidence: dict[str, Any]) -> None:
    """One question at a time: the chart, the table beside it, and the gap in a sentence."""
    data = evidence["data"]
    positive, favourable = str(data["positive"]), str(data["favourable"])
    negative = favourable if favourable != positive else f"not {positive}"
    questions = {m.question: m.name for m in metrics_for(Meaning(positive, negative, favourable))}
    questions |= {METRICS[m].question: m for m in SCORE_METRICS if pick(measures.rates, metric=m) is not None}
    st.header("Ask of the decisions")
    left, right = st.columns([2, 3])
    with left:
        attribute = attribute_choice(measures)
    with right:
        names = list(questions)
        chosen = state.selection([attribute], list(questions.values())).metric
        question = st.selectbox(
            "Question",
            names,
            index=list(questions.values()).index(chosen),
            key="question",
            format_func=lambda q: f"{q} ({questions[q].replace('_', ' ')})",
        )
    metric = questions[question]
    st.session_state["metric"] = metric
    rates = [r for r in measures.rates if r.metric == metric and r.attribute == attribute]
    gaps = {g.kind: g for g in measures.gaps if g.metric == metric and g.attribute == attribute}
    takeaway = gap_sentence(gaps.get("difference"))
    st.write(state.plain(takeaway))
    chart, table = st.columns([3, 2])
    share = metric != MEAN_SCORE or all(r.value is None or 0 <= r.value <= 1 for r in rates)
    values = [charts.Dot(name_of(r.group), r.value, r.low, r.high, rows_behind(r), "", r.reason) for r in rates]
    overall = pick(measures.rates, metric=metric, attribute=())
    figure = charts.dots(
        values,
        title=f"{metric.replace('_', ' ').capitalize()} by {' and '.join(attribute)}, 95 % intervals",
        percent=share,
        mark=overall.value if overall else None,
    )
    chart.plotly_chart(figure, config=charts.CONFIG, key="rates-chart", alt=takeaway)
    shown = pd.DataFrame(
        {
            "Group": [name_of(r.group) for r in rates],
            "Value": [percent(r.value) if share else r.value for r in rates],
            "95 % interval": [
                f"{percent(r.low)} to {percent(r.high)}" if r.estimable else str(r.reason) for r in rates
            ],
            f"Of {unit(evidence['data'])}": [behind(r) for r in rates],
        }
    )
    with table:
        parts.table(shown, alt=f"{metric} by group with intervals and counts")
    if (ratio := gaps.get("ratio")) is not None:
        st.caption(state.plain(ratio_sentence(ratio)))
    if (difference := gaps.get("difference")) is not None:
        st.caption(f"How it was made: {state.plain(difference.method)}")
    if words := could_be_seen(evidence, metric, attribute):
        st.caption(state.plain(words))
    pairs.show(evidence, metric, attribute)
    bounds.show(evidence, metric, attribute)


def could_be_seen(evidence: dict[str, Any], metric: str, attribute: tuple[str, ...]) -> str:
    """For each group the smallest gap that this audit could have told from chance; or nothing."""
    found = [r for r in evidence.get("power", []) if r["metric"] == metric and tuple(r["attribute"]) == attribute]
    if not found:
        return ""
    said = [
        f"{name_of(r['group'])} " + ("none" if r["detectable"] is None else f"{100 * r['detectable']:.1f} points")
        for r in found[:12]
    ]
    more = f" and {len(found) - 12} more groups" if len(found) > 12 else ""
    return (
        f"The smallest gap that would have been told from chance in {100 * found[0]['power']:.0f} of 100 such audits: "
        f"{', '.join(said)}{more}."
    )


def gap_sentence(gap: Gap | None) -> str:
    """The difference in words, with its interval and adjusted p-value."""
    if gap is None:
        return "There is no gap to measure."
    if gap.value is None:
        return f"The gap cannot be estimated: {gap.reason}."
    return (
        f"Highest in {name_of(gap.highest)}, lowest in {name_of(gap.lowest)}: {100 * gap.value:.1f} points apart "
        f"({interval_words(gap)}; {significance(gap)})."
        + (f" {gap.idle[:1].upper()}{gap.idle[1:]}." if gap.idle else "")
    )


def ratio_sentence(gap: Gap) -> str:
    """The ratio in words."""
    if gap.value is None:
        return f"The ratio cannot be estimated: {gap.reason}."
    return (
        f"{name_of(gap.lowest)} over {name_of(gap.highest)}: {gap.value:.2f} ({interval_words(gap, 1.0, 2)}). "
        "The four-fifths rule of thumb looks at 0.80; it is a rule of thumb, not a test and not the law."
    )
