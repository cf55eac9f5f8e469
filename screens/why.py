"""Why: SHAP beside LIME for everyone, by group and for one person; what to trust, and what would turn the decision."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from audit.documents.evidence import Evidence
from audit.documents.explanations import Explanations, Interactions, Person
from audit.findings import name_of
from audit.numbers import fixed, many, percent, points, power, signed
from reports.blocks import Points
from reports.sections.explanations import fidelity, importance, means, parts_of, proxies_of, recourse, unexplained
from screens import charts, draw, letters, parts, state, turn
from screens.data import attribute_choice
from screens.workspace import CaseFolder

REASONS = {True: "What counted most against the person", False: "What counted most for the person"}


def show(folder: CaseFolder, evidence: Evidence) -> None:
    """The lower half of the model's screen."""
    st.header("Why: SHAP beside LIME")
    if evidence.model.kind != "path":
        st.info("This case has decisions but no model; what led to them cannot be explained.")
        return
    explained = state.documents(folder).explanations
    people = evidence.data.audited_rows
    with st.form("explain", border=False):
        row = st.number_input(
            f"Explain a person (row 0 to {people - 1:,} of the audited rows)", 0, people - 1, 0, key="person"
        )
        go = st.form_submit_button("Explain", type="primary" if explained is None else "secondary")
    if go and not parts.busy():
        st.session_state.pop("why-section", None)
        st.session_state["why-section-kept"] = PARTS[3]
        parts.start(folder, ["explain", str(folder.file), "--out", str(folder.run), "--row", str(int(row))])
    if explained is None:
        return
    if not explained.overall:
        st.info(state.escape(unexplained(explained)))
        return
    alarm(explained)
    part = parts.sections("why-section", [p for p in PARTS if p != PARTS[3] or explained.people])
    if part == PARTS[0]:
        overall(explained, evidence)
    elif part == PARTS[1]:
        dependence(explained)
    elif part == PARTS[2]:
        recourse_gap(explained)
    elif part == PARTS[3]:
        if (one := person(explained)) is not None:
            letters.show(folder, evidence.presets or [], one)
        turn.show(folder)
    else:
        trust(explained)
        st.markdown("### Limits")
        draw.blocks([Points(explained.limits)])


PARTS = ("For everyone", "Column by column", "What turns a refusal", "One person", "How far to trust it")


def alarm(explained: Explanations) -> None:
    """What must be read first: signs that the model hides, and a method that was given up."""
    if explained.hiding is not None and explained.hiding.alarm:
        st.error(state.escape(str(explained.hiding.notice)))
    if explained.additivity is not None and not explained.additivity.passed:
        st.error("The attributions do not add up to what the model answers. Do not rely on them.")
    if explained.rerouted:
        st.warning(state.escape(explained.rerouted))


def overall(explained: Explanations, evidence: Evidence | None = None) -> None:
    """Global importance and what the gap between groups is made of."""
    if evidence is not None:
        attribute_choice(evidence)
    top = explained.overall[:12]
    left, right = st.columns(2)
    takeaway = "The model leans most on " + ", ".join(e.feature for e in top[:3]) + "."
    figure = charts.bars(
        [e.feature for e in top],
        [e.mean_abs for e in top],
        title=f"Mean |SHAP| of the {explained.output}, 95 % intervals",
        ranges=[(e.low, e.high) for e in top],
    )
    left.write(state.escape(takeaway))
    parts.chart(figure, key="global-chart", alt=takeaway, place=left)
    with left.expander("The same as a table"):
        draw.table(importance(explained))
    chosen = tuple(st.session_state.get("attribute", ()))
    with right:
        parts_of_gap(explained, chosen)
    mine = replace(explained, groups=tuple(g for g in explained.groups if g.attribute == chosen))
    draw.blocks(means(mine, [e.feature for e in top[:6]]))


def parts_of_gap(explained: Explanations, attribute: tuple[str, ...]) -> None:
    """The gap in decisions between the extreme groups of the chosen attribute, divided over columns."""
    decompositions = [d for d in explained.decomposition if d.kind == "extreme" and d.output == "decision"]
    one = next((d for d in decompositions if d.attribute == attribute), decompositions[0] if decompositions else None)
    if one is None:
        return
    shown = sorted(one.features, key=lambda f: -abs(f.value))[:12]
    words = (
        f"The {points(one.total)} between {name_of(one.highest)} and {name_of(one.lowest)}, divided "
        f"over columns: most to {', '.join(f.feature for f in shown[:2])}."
    )
    st.write(state.escape(words))
    figure = charts.bars(
        [f.feature for f in shown],
        [f.value for f in shown],
        title="Share of the gap in decisions, 95 % intervals",
        signed=True,
        ranges=[(f.low, f.high) for f in shown],
    )
    parts.chart(figure, key="gap-chart", alt=words)
    with st.expander("The same as a table"):
        draw.table(parts_of(one))
    unseen = [f.feature for f in one.features if not f.seen]
    if unseen:
        st.caption(state.escape(f"The model never saw {', '.join(unseen)}; its share is 0. See the proxies."))
    draw.blocks(proxies_of(one))


def dependence(explained: Explanations) -> None:
    """How one column's values move the output, and the pairs that work together."""
    by_feature = {d.feature: d for d in explained.dependence or () if d.parts}
    if not by_feature:
        return
    st.markdown("### How a column's values count")
    feature = st.selectbox("Column", list(by_feature), key="dependence-column")
    one = by_feature[feature]
    high, low = (f(one.parts, key=lambda p: p.mean) for f in (max, min))
    words = (
        f"{feature} raises the {explained.output} most at {high.value} ({signed(high.mean, 3)}) and lowers it most "
        f"at {low.value} ({signed(low.mean, 3)})."
        if high.mean > 0 > low.mean
        else f"{feature}: {signed(low.mean, 3)} at {low.value} to {signed(high.mean, 3)} at {high.value}."
    )
    left, right = st.columns([3, 2])
    left.write(state.escape(words))
    dots = [charts.Dot(p.value, p.mean, p.low, p.high, p.rows) for p in one.parts]
    parts.chart(
        charts.dots(dots, title=f"Mean attribution by {feature}, 95 % intervals", percent=False, mark=0.0),
        key="dependence-chart",
        alt=words,
        place=left,
    )
    with right:
        rows = [{"Value": p.value, "Mean": signed(p.mean, 4), "Of people": p.rows} for p in one.parts]
        parts.table(pd.DataFrame(rows), alt=f"Mean attribution by {feature}")
        if one.left_out:
            who = many(one.left_out, "person")
            st.caption(f"{who} with rarer values left out, to protect them.")
        _together(explained.interactions, feature)


def _together(interactions: Interactions | None, feature: str) -> None:
    """The pairs of columns that do more together than each alone; those with this column first."""
    if interactions is None or not interactions.pairs:
        return
    mine = [p for p in interactions.pairs if feature in p.features][:3] or interactions.pairs[:3]
    named = "; ".join(f"{' × '.join(p.features)} {fixed(p.strength, 3)}" for p in mine)
    st.caption(
        state.escape(f"Columns that work together ({interactions.method}, in the {interactions.output}): {named}")
    )


def trust(explained: Explanations) -> None:
    """How far the explanations can be trusted: fit by group, additivity, signs of hiding."""
    st.markdown("### How far these explanations can be trusted")
    gate = explained.additivity
    if gate is not None and gate.passed and gate.max_error is not None:
        st.write(
            f"The shares add up to the model's answer on all {many(gate.rows, 'row')} "
            f"(largest error {power(gate.max_error, 1)})."
        )
    if explained.hiding is not None and not explained.hiding.alarm:
        st.caption(state.escape(str(explained.hiding.notice)))
    draw.blocks(fidelity(explained))


def recourse_gap(explained: Explanations) -> None:
    """What turning the decision costs one group against another."""
    draw.blocks(recourse(explained))


def person(explained: Explanations) -> Person | None:
    """One person's decision by both methods, with reasons, recourse, and what the methods agree on; who was picked."""
    if not explained.people:
        return None
    st.markdown("### One person's decision")
    labels = [f"row {p.row:,}: score {fixed(p.score, 2)}, {p.decision}" for p in explained.people]
    picked = st.selectbox("Person", range(len(labels)), format_func=lambda i: labels[i], key="explained-person")
    one = explained.people[picked]
    if one.agreement.notice:
        (st.warning if one.agreement.disagree else st.caption)(state.escape(one.agreement.notice))
    in_words(one)
    left, right = st.columns(2)
    for side, attributions, title in ((left, one.shap, "SHAP"), (right, one.lime, "LIME")):
        entries = attributions[:10]
        figure = charts.bars(
            [f"{e.feature} = {one.values.get(e.feature, '')}" for e in entries],
            [e.value for e in entries],
            title=f"{title}: for (solid) and against (hatched) the positive decision",
            signed=True,
        )
        words = f"{title}: most weight on {', '.join(e.feature for e in entries[:3])}"
        parts.chart(figure, key=f"{title.lower()}-chart", alt=words, place=side)
    if one.lime_r2 is not None:
        right.caption(f"LIME's local fit: weighted R² {fixed(one.lime_r2, 2)}. Near 0 its line says little.")
    if one.lime_stability is not None:
        seeds = len(explained.lime.seeds) if explained.lime is not None else 0
        right.caption(
            f"LIME's stability: over {seeds} seeds its first five columns stay the same to "
            f"{percent(one.lime_stability, 0)}."
        )
    return one


def in_words(one: Person) -> None:
    """Reasons and recourse of one person."""
    left, right = st.columns(2)
    with left:
        st.markdown(f"**{REASONS[not one.favourable]}**")
        draw.blocks([Points(one.reasons or ("No column counted that way.",))])
    with right:
        if one.recourse is not None:
            st.markdown("**What would turn the decision**")
            st.write(state.escape(one.recourse.words))
            st.caption("No promise: the model may change, and so may other values.")
