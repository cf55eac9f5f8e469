"""Why: SHAP beside LIME for everyone, by group and for one person; what to trust, and what would turn the decision."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.findings import name_of
from audit.values import Measures
from screens import charts, letters, parts, state, turn
from screens.data import attribute_choice
from screens.workspace import CaseFolder

REASONS = {True: "What counted most against the person", False: "What counted most for the person"}


def show(folder: CaseFolder, evidence: dict[str, Any], measures: Measures) -> None:
    """The lower half of the model's screen."""
    st.header("Why: SHAP beside LIME")
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
        st.session_state.pop("why-section", None)
        st.session_state["why-section-kept"] = PARTS[3]
        parts.start(folder, ["explain", str(folder.file), "--out", str(folder.run), "--row", str(int(row))])
    if explained is None:
        return
    if not explained.get("global"):
        st.info(state.plain(str(explained.get("reason") or "The decisions could not be explained.")))
        return
    alarm(explained)
    part = parts.sections("why-section", [p for p in PARTS if p != PARTS[3] or explained.get("people")])
    if part == PARTS[0]:
        overall(explained, measures)
    elif part == PARTS[1]:
        dependence(explained)
    elif part == PARTS[2]:
        recourse_gap(explained)
    elif part == PARTS[3]:
        if (one := person(explained)) is not None:
            letters.show(folder, evidence, explained, one)
        turn.show(folder, evidence)
    else:
        trust(explained)
        st.markdown("### Limits")
        for limit in explained.get("limits", []):
            st.markdown(f"- {state.plain(limit)}")


PARTS = ("For everyone", "Column by column", "What turns a refusal", "One person", "How far to trust it")


def alarm(explained: dict[str, Any]) -> None:
    """What must be read first: signs that the model hides, and a method that was given up."""
    hiding = explained.get("hiding") or {}
    if hiding.get("alarm"):
        st.error(state.plain(hiding["notice"]))
    if not explained["additivity"]["passed"]:
        st.error("The attributions do not add up to what the model answers. Do not rely on them.")
    if explained.get("rerouted"):
        st.warning(state.plain(explained["rerouted"]))


def overall(explained: dict[str, Any], measures: Measures | None = None) -> None:
    """Global importance and what the gap between groups is made of."""
    if measures is not None:
        attribute_choice(measures)
    top = explained["global"][:12]
    left, right = st.columns(2)
    takeaway = "The model leans most on " + ", ".join(e["feature"] for e in top[:3]) + "."
    figure = charts.bars(
        [e["feature"] for e in top],
        [e["mean_abs"] for e in top],
        title=f"Mean |SHAP| of the {explained['output']}, 95 % intervals",
        ranges=[(e["low"], e["high"]) for e in top],
    )
    left.write(state.plain(takeaway))
    left.plotly_chart(figure, config=charts.CONFIG, key="global-chart", alt=takeaway)
    with left.expander("The same as a table"):
        rows = [
            {
                "Column": e["feature"],
                "Mean |SHAP|": f"{e['mean_abs']:.4f}",
                "95 %": f"{e['low']:.4f} to {e['high']:.4f}",
            }
            for e in explained["global"]
        ]
        parts.table(pd.DataFrame(rows), alt="Mean absolute attribution of each column")
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
        [f["feature"] for f in shown],
        [f["value"] for f in shown],
        title="Share of the gap in decisions, 95 % intervals",
        signed=True,
        ranges=[(f["low"], f["high"]) for f in shown],
    )
    st.plotly_chart(figure, config=charts.CONFIG, key="gap-chart", alt=words)
    with st.expander("The same as a table"):
        rows = [
            {
                "Column": f["feature"],
                "Points of the gap": f"{100 * f['value']:+.2f}",
                "95 %": f"{100 * f['low']:+.2f} to {100 * f['high']:+.2f}",
            }
            for f in sorted(one["features"], key=lambda f: -abs(f["value"]))
        ]
        parts.table(pd.DataFrame(rows), alt="What the gap in decisions is made of, by column")
    unseen = [f["feature"] for f in one["features"] if not f.get("seen", True)]
    if unseen:
        st.caption(state.plain(f"The model never saw {', '.join(unseen)}; its share is 0. See the proxies."))
    if sentence := proxy_sentence(one):
        st.caption(state.plain(sentence))


def proxy_sentence(split: dict[str, Any]) -> str:
    """The columns that go along with the attribute and widen its gap, with how closely they do."""
    strength = {f["feature"]: f.get("association") for f in split["features"]}
    found = [
        f"{name} ({strength[name]:.2f})" if strength.get(name) is not None else name
        for name in split.get("proxies", [])[:5]
    ]
    if not found:
        return ""
    by = " and ".join(split["attribute"])
    return f"Possible proxies, columns that go along with {by} (association 0 to 1) and widen it: {', '.join(found)}."


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
    st.markdown(f"### Mean attributions by {state.plain(' and '.join(attribute))}")
    parts.table(table, alt="Mean attribution of the leading columns in each group")


def dependence(explained: dict[str, Any]) -> None:
    """How one column's values move the output, and the pairs that work together."""
    found = {d["feature"]: d for d in explained.get("dependence") or [] if d["parts"]}
    pairs = (explained.get("interactions") or {}).get("pairs") or []
    if not found:
        return
    st.markdown("### How a column's values count")
    feature = st.selectbox("Column", list(found), key="dependence-column")
    one = found[feature]
    high, low = (f(one["parts"], key=lambda p: p["mean"]) for f in (max, min))
    words = (
        f"{feature} raises the {explained['output']} most at {high['value']} ({high['mean']:+.3f}) and lowers it most "
        f"at {low['value']} ({low['mean']:+.3f})."
        if high["mean"] > 0 > low["mean"]
        else f"{feature}: {low['mean']:+.3f} at {low['value']} to {high['mean']:+.3f} at {high['value']}."
    )
    left, right = st.columns([3, 2])
    left.write(state.plain(words))
    dots = [charts.Dot(p["value"], p["mean"], p["low"], p["high"], p["rows"]) for p in one["parts"]]
    left.plotly_chart(
        charts.dots(dots, title=f"Mean attribution by {feature}, 95 % intervals", percent=False, mark=0.0),
        config=charts.CONFIG,
        key="dependence-chart",
        alt=words,
    )
    with right:
        rows = [{"Value": p["value"], "Mean": f"{p['mean']:+.4f}", "Of people": p["rows"]} for p in one["parts"]]
        parts.table(pd.DataFrame(rows), alt=f"Mean attribution by {feature}")
        if one["left_out"]:
            who = "1 person" if one["left_out"] == 1 else f"{one['left_out']:,} people"
            st.caption(f"{who} with rarer values left out, to protect them.")
        mine = [p for p in pairs if feature in p["features"]][:3] or pairs[:3]
        if mine:
            st.caption(
                state.plain(
                    f"Columns that work together ({explained['interactions']['method']}, in the "
                    f"{explained['interactions']['output']}): "
                    + "; ".join(f"{' × '.join(p['features'])} {p['strength']:.3f}" for p in mine)
                )
            )


def trust(explained: dict[str, Any]) -> None:
    """How far the explanations can be trusted: fit by group, additivity, signs of hiding."""
    fits = explained.get("fidelity") or []
    st.markdown("### How far these explanations can be trusted")
    gate = explained["additivity"]
    if gate["passed"] and gate["max_error"] is not None:
        st.write(
            f"The shares add up to the model's answer on all {gate['rows']:,} rows (largest error "
            f"{gate['max_error']:.1e})."
        )
    hiding = explained.get("hiding") or {}
    if hiding and not hiding.get("alarm"):
        st.caption(state.plain(hiding["notice"]))
    if fits:
        table = pd.DataFrame(
            [
                {
                    "Group": name_of(f["group"]),
                    "By": " and ".join(f["attribute"]),
                    "Fit of LIME's line (R²)": f"{f['r2']:.2f}",
                    "95 % interval": "–" if f["r2_low"] is None else f"{f['r2_low']:.2f} to {f['r2_high']:.2f}",
                    "Of people": f["rows"],
                }
                for f in fits
            ]
        )
        parts.table(table, alt="How well LIME's line fits, by group")
        st.caption("Near 1 the line fits; near 0 it says little. A group with a worse fit gets worse explanations.")


def recourse_gap(explained: dict[str, Any]) -> None:
    """What turning the decision costs one group against another."""
    found = explained.get("recourse")
    if not found:
        return
    st.markdown("### What it takes to turn a refusal, by group")
    if not found["sought"]:
        st.info(state.plain(found["reason"]))
        return
    for sentence in found["notice"]:
        st.markdown(f"- {state.plain(sentence)}")
    table = pd.DataFrame(
        [
            {
                "Group": name_of(g["group"]),
                "By": " and ".join(g["attribute"]),
                "With recourse": f"{g['found']} of {g['rows']} ({100 * g['share']:.0f} %)",
                "Mean cost": "–" if g["cost"] is None else f"{g['cost']:.2f}",
                "95 % interval": "–" if g["cost_low"] is None else f"{g['cost_low']:.2f} to {g['cost_high']:.2f}",
                "Refused": g["refused"],
            }
            for g in found["groups"]
        ]
    )
    parts.table(table, alt="Cost of recourse by group")
    st.caption(
        state.plain(
            f"Changes allowed: {', '.join(found['actionable'])}. {found['cost']} For "
            f"{100 * (found['complete'] or 0):.0f} % of the {found['rows']:,} people every cheaper combination was "
            "tried; for the others the cost is the least that was found."
        )
    )


def person(explained: dict[str, Any]) -> dict[str, Any] | None:
    """One person's decision by both methods, with reasons, recourse, and what the methods agree on; who was picked."""
    people = explained.get("people", [])
    if not people:
        return None
    st.markdown("### One person's decision")
    labels = [f"row {p['row']:,}: score {p['score']:.2f}, {p['decision']}" for p in people]
    picked = st.selectbox("Person", range(len(people)), format_func=lambda i: labels[i], key="explained-person")
    one: dict[str, Any] = people[picked]
    notice = one["agreement"].get("notice")
    if notice:
        (st.warning if one["agreement"].get("disagree") else st.caption)(state.plain(notice))
    in_words(one)
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
    if one.get("lime_stability") is not None:
        seeds = len((explained.get("lime") or {}).get("seeds", []))
        right.caption(
            f"LIME's stability: over {seeds} seeds its first five columns stay the same to "
            f"{100 * one['lime_stability']:.0f} %."
        )
    return one


def in_words(one: dict[str, Any]) -> None:
    """Reasons and recourse of one person."""
    left, right = st.columns(2)
    with left:
        st.markdown(f"**{REASONS[not one['favourable']]}**")
        for reason in one.get("reasons", []):
            st.markdown(f"- {state.plain(reason)}")
        if not one.get("reasons"):
            st.write("No column counted that way.")
    with right:
        found = one.get("recourse")
        if found:
            st.markdown("**What would turn the decision**")
            st.write(state.plain(found["words"]))
            st.caption("A statement about this model, not a promise: the model may change, and so may other values.")
