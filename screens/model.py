"""What the model does: three sentences first, then rates and gaps by question, then why (SHAP beside LIME)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.cube import Meaning
from audit.evidence import measures_from_json, pick
from audit.findings import name_of, p_words, percent
from audit.metrics import SCORE_QUESTIONS, metrics_for
from audit.values import Gap, Measures
from screens import charts, law, parts, state
from screens.data import attribute_choice
from screens.workspace import CaseFolder


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
    for sentence in evidence["findings"][:3]:
        st.markdown(f"- {state.plain(sentence)}")
    norms(evidence)
    by_question(measures, evidence)
    law.show(evidence, st.session_state["attribute"])
    st.divider()
    why(folder, evidence)
    parts.next_step("mitigate", "mitigate what was found")


STATUS = {
    "inside": "inside the norm",
    "outside": "outside the norm",
    "undecided": "cannot be told: the limit lies within the interval",
    "not_estimable": "not estimable",
}


def norms(evidence: dict[str, Any]) -> None:
    """Where each norm of the policy stands."""
    st.subheader(f"The norms of policy {state.plain(evidence['policy']['version'])}")
    if not evidence["norms"]:
        st.write("The policy has no norm for these attributes.")
        return
    rows = [
        {
            "Norm": f"{n['metric'].replace('_', ' ')}, {n['kind']}",
            "By": " and ".join(n["attribute"]),
            "Limit": f"{'at most' if n['kind'] == 'difference' else 'at least'} {n['limit']:g}",
            "Measured": "–" if n["value"] is None else f"{n['value']:.3f}",
            "95 % interval": n["reason"] if n["value"] is None else f"{n['low']:.3f} to {n['high']:.3f}",
            "Where it stands": STATUS[n["status"]],
        }
        for n in evidence["norms"]
    ]
    parts.table(pd.DataFrame(rows), alt="Norms of the policy and where the measured gaps stand")


def by_question(measures: Measures, evidence: dict[str, Any]) -> None:
    """One question at a time: the chart, the table beside it, and the gap in a sentence."""
    data = evidence["data"]
    positive, favourable = str(data["positive"]), str(data["favourable"])
    negative = favourable if favourable != positive else f"not {positive}"
    questions = {m.question: m.name for m in metrics_for(Meaning(positive, negative, favourable))}
    questions |= {q: m for m, q in SCORE_QUESTIONS.items() if pick(measures.rates, metric=m) is not None}
    st.subheader("Ask of the decisions")
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
    share = metric != "mean_score" or all(r.value is None or 0 <= r.value <= 1 for r in rates)
    values = [charts.Dot(name_of(r.group), r.value, r.low, r.high, r.denominator, "", r.reason) for r in rates]
    overall = pick(measures.rates, metric=metric, attribute=())
    figure = charts.dots(
        values,
        title=f"{metric.replace('_', ' ')} by {' and '.join(attribute)}, 95 % intervals",
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
            "Of people": [r.denominator for r in rates],
        }
    )
    with table:
        parts.table(shown, alt=f"{metric} by group with intervals and counts")
    if (ratio := gaps.get("ratio")) is not None:
        st.caption(state.plain(ratio_sentence(ratio)))
    if (difference := gaps.get("difference")) is not None:
        st.caption(f"How it was made: {state.plain(difference.method)}")


def gap_sentence(gap: Gap | None) -> str:
    """The difference in words, with its interval and adjusted p-value."""
    if gap is None:
        return "There is no gap to measure."
    if gap.value is None:
        return f"The gap cannot be estimated: {gap.reason}."
    return (
        f"Highest in {name_of(gap.highest)}, lowest in {name_of(gap.lowest)}: {100 * gap.value:.1f} points apart "
        f"(95 % interval {100 * (gap.low or 0):.1f} to {100 * (gap.high or 0):.1f}; {p_words(gap.p_adjusted)} adjusted "
        f"for {gap.family} comparisons)."
    )


def ratio_sentence(gap: Gap) -> str:
    """The ratio in words."""
    if gap.value is None:
        return f"The ratio cannot be estimated: {gap.reason}."
    return (
        f"Lowest over highest: {gap.value:.2f} (95 % interval {gap.low or 0:.2f} to {gap.high or 0:.2f}). "
        "The four-fifths rule of thumb looks at 0.80; it is a rule of thumb, not a test and not the law."
    )


def why(folder: CaseFolder, evidence: dict[str, Any]) -> None:
    """SHAP beside LIME: globally, by group, and for one person."""
    st.subheader("Why: SHAP beside LIME")
    if evidence["model"]["kind"] != "path":
        st.info("This case has decisions but no model; what led to them cannot be explained.")
        return
    explained = state.result(folder, "explain.json")
    people = evidence["data"]["audited_rows"]
    with st.form("explain", border=False):
        row = st.number_input(
            f"Explain a person (row 0 to {people - 1:,} of the audited rows)", 0, people - 1, 0, key="person"
        )
        go = st.form_submit_button("Explain", type="primary" if explained is None else "secondary")
    if go and not parts.busy():
        parts.start(folder, ["explain", str(folder.file), "--out", str(folder.run), "--row", str(int(row))])
    if explained is None:
        return
    if explained.get("rerouted"):
        st.warning(state.plain(explained["rerouted"]))
    overall(explained)
    person(explained)
    for limit in explained.get("limits", []):
        st.caption(state.plain(limit))


def overall(explained: dict[str, Any]) -> None:
    """Global importance and what the gap between groups is made of."""
    top = explained["global"][:12]
    left, right = st.columns(2)
    takeaway = "The model leans most on " + ", ".join(e["feature"] for e in top[:3]) + "."
    figure = charts.bars(
        [e["feature"] for e in top], [e["mean_abs"] for e in top], title=f"Mean |SHAP| of the {explained['output']}"
    )
    left.write(state.plain(takeaway))
    left.plotly_chart(figure, config=charts.CONFIG, key="global-chart", alt=takeaway)
    chosen = list(st.session_state.get("attribute", ()))
    with right:
        parts_of_gap(explained, chosen)
    group_means(explained, chosen, [e["feature"] for e in top[:6]])


def parts_of_gap(explained: dict[str, Any], attribute: list[str]) -> None:
    """The gap in decisions between the extreme groups of the chosen attribute, divided over columns."""
    found = [d for d in explained.get("decomposition", []) if d["kind"] == "extreme" and d["output"] == "decision"]
    one = next((d for d in found if d["attribute"] == attribute), found[0] if found else None)
    if one is None:
        return
    shown = sorted(one["features"], key=lambda f: -abs(f["value"]))[:12]
    words = (
        f"The {100 * one['total']:.1f} points between {name_of(one['highest'])} and {name_of(one['lowest'])}, divided "
        f"over columns: most to {', '.join(f['feature'] for f in shown[:2])}."
    )
    st.write(state.plain(words))
    figure = charts.bars(
        [f["feature"] for f in shown], [f["value"] for f in shown], title="Share of the gap in decisions", signed=True
    )
    st.plotly_chart(figure, config=charts.CONFIG, key="gap-chart", alt=words)
    proxies = [p["feature"] if isinstance(p, dict) else str(p) for p in one.get("proxies", [])][:5]
    if proxies:
        by = " and ".join(one["attribute"])
        st.caption(
            state.plain(f"Possible proxies, columns that go along with {by} and widen it: {', '.join(proxies)}.")
        )


def group_means(explained: dict[str, Any], attribute: list[str], features: list[str]) -> None:
    """Mean attribution of the leading columns in each group: for whom a column speaks, and against whom."""
    means = [g for g in explained.get("groups", []) if g["attribute"] == attribute and g["feature"] in features]
    groups = list(dict.fromkeys(tuple(g["group"]) for g in means))
    if not groups:
        return
    value = {(tuple(g["group"]), g["feature"]): g["mean"] for g in means}
    rows = {tuple(g["group"]): g["rows"] for g in means}
    table = pd.DataFrame(
        [
            {"Group": name_of(g)}
            | {f: f"{value[g, f]:+.4f}" if (g, f) in value else "–" for f in features}
            | {"Of people": rows[g]}
            for g in groups
        ]
    )
    st.markdown(f"#### Mean attributions by {state.plain(' and '.join(attribute))}")
    parts.table(table, alt="Mean attribution of the leading columns in each group")


def person(explained: dict[str, Any]) -> None:
    """One person's decision by both methods, with what they agree on."""
    people = explained.get("people", [])
    if not people:
        return
    st.markdown("#### One person's decision")
    labels = [f"row {p['row']:,}: score {p['score']:.2f}, {p['decision']}" for p in people]
    picked = st.selectbox("Person", range(len(people)), format_func=lambda i: labels[i], key="explained-person")
    one = people[picked]
    notice = one["agreement"].get("notice")
    if notice:
        (st.warning if one["agreement"].get("disagree") else st.caption)(state.plain(notice))
    left, right = st.columns(2)
    for side, kind, title in ((left, "shap", "SHAP"), (right, "lime", "LIME")):
        entries = one[kind][:10]
        figure = charts.bars(
            [f"{e['feature']} = {one['values'].get(e['feature'], '')}" for e in entries],
            [e["value"] for e in entries],
            title=f"{title}: for (solid) and against (hatched) the positive decision",
            signed=True,
        )
        words = f"{title}: most weight on {', '.join(e['feature'] for e in entries[:3])}"
        side.plotly_chart(figure, config=charts.CONFIG, key=f"{kind}-chart", alt=words)
    if one.get("lime_r2") is not None:
        right.caption(f"LIME's local fit: weighted R² {one['lime_r2']:.2f}. Near 0 its line says little.")
