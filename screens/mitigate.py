"""Mitigate and watch: a candidate beside the original and the matched baseline, what got worse first, a decision."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import streamlit as st

from audit import access
from audit.errors import AssayError
from audit.findings import name_of, percent
from audit.sizes import rows_behind
from debias.methods import METHODS
from debias.mitigate import record_decision
from reports.words import unquoted
from screens import charts, parts, search, state, watch
from screens.workspace import CaseFolder

PARTS = ("Beside the original", "Where the norms stand", "What got worse, and for whom", "Your decision")
WAYS = ("One candidate", "Search", "Watch")
ARMS = {"original": "original", "matched": "original, threshold moved", "candidate": "candidate"}
AIMS = {
    "demographic_parity": "Equal shares receive the favourable decision",
    "equal_opportunity": "Those who merit it receive it equally often",
    "equalized_odds": "Equal error rates among those with and without the positive outcome",
    "bounded_loss": "No group's loss above a bound",
}


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
        search.panel(folder, AIMS)
    document = state.result(folder, "mitigation.json")
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
    st.caption(state.plain(method.words))
    if method.notice:
        st.warning(state.plain(method.notice))
    with st.form("mitigate", border=False):
        left, middle, right = st.columns([3, 2, 3])
        aim = left.selectbox("Aim", method.constraints, format_func=lambda a: AIMS.get(a, a), key="aim")
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


def comparison(document: dict[str, Any]) -> None:
    """All groups before and after, side by side, on rows that neither model saw."""
    st.header(state.plain(document["title"]))
    if document.get("notice"):
        st.warning(state.plain(document["notice"]))
    search.chosen(document)
    splits = document["splits"]
    st.write(
        f"Learned from {splits['train']:,} rows, chosen on {splits['validation']:,}, and measured here on "
        f"{splits['test']:,} rows that neither model saw."
    )
    arms = {k: document["arms"][k] for k in ARMS if document["arms"].get(k)}
    metric = document["constraint"]["metric"]
    rows = []
    for key, arm in arms.items():
        row = {
            "Model": ARMS[key],
            "Accuracy": percent(arm["accuracy"]),
            "Selection rate": percent(arm["selection_rate"]),
        }
        for entry in document["constraint"]["by"]:
            gap = gap_of(arm, metric, entry["attribute"])
            by = " and ".join(entry["attribute"])
            row[f"{metric.replace('_', ' ').capitalize()} gap by {by}"] = interval_words(gap) + withheld(arm, gap)
        rows.append(row)
    parts.table(
        pd.DataFrame(rows), alt="Accuracy, selection rate and gaps of the original, the baseline and the candidate"
    )
    st.caption(
        "The second row is the original model with nothing changed but its threshold, moved to select as many of "
        "these rows as the candidate, without a look at outcomes: a gain that it shares is a moved threshold, not "
        "mitigation."
    )
    attributes = list(
        dict.fromkeys(tuple(r["attribute"]) for r in next(iter(arms.values()))["rates"] if r["attribute"])
    )
    by = st.segmented_control(
        "Groups by",
        [" and ".join(a) for a in attributes],
        default=" and ".join(attributes[0]),
        required=True,
        key="mby",
    )
    chosen = next(a for a in attributes if " and ".join(a) == by)
    values = []
    for key, arm in arms.items():
        for rate in arm["rates"]:
            if rate["metric"] == "selection_rate" and tuple(rate["attribute"]) == chosen:
                shown = (rate["value"], rate["low"], rate["high"], rows_behind(rate))
                values.append(charts.Dot(name_of(rate["group"]), *shown, ARMS[key]))
    values.sort(key=lambda d: d.row)
    words = f"Selection rate by {by}, original, baseline and candidate"
    figure = charts.dots(values, title=f"{words}, 95 % intervals")
    st.plotly_chart(figure, config=charts.CONFIG, key="before-after", alt=words)
    table = pd.DataFrame(
        [
            {"Group": d.row, "Model": d.series, "Selection rate": percent(d.value), "95 % interval":
             f"{percent(d.low)} to {percent(d.high)}", "Counted": d.people}
            for d in values
        ]
    )  # fmt: skip
    with st.expander("The same as a table"):
        parts.table(table, alt=words)


def gap_of(arm: dict[str, Any], metric: str, attribute: list[str]) -> dict[str, Any] | None:
    """One difference of one arm."""
    for gap in arm["gaps"]:
        if gap["metric"] == metric and gap["kind"] == "difference" and gap["attribute"] == attribute:
            found: dict[str, Any] = gap
            return found
    return None


def interval_words(gap: dict[str, Any] | None) -> str:
    """17.1 points (16.0 to 18.2)."""
    if gap is None or gap["value"] is None:
        return "not estimable"
    return f"{100 * gap['value']:.1f} points ({100 * gap['low']:.1f} to {100 * gap['high']:.1f})"


RATES = {
    "equal_opportunity": ("true_positive_rate", "true_negative_rate"),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
"""The rates behind a norm that is not one rate; equal opportunity is about either, by which outcome is favourable."""


def withheld(arm: dict[str, Any], gap: dict[str, Any] | None) -> str:
    """How many of the groups are not behind this gap, because they are too small to be shown; or nothing."""
    if gap is None or gap["value"] is None:
        return ""
    named = RATES.get(gap["metric"], (gap["metric"],))
    mine = [r for r in arm["rates"] if r["attribute"] == gap["attribute"] and r["metric"] in named]
    lacking = {tuple(r["group"]) for r in mine if r["value"] is None}
    groups = {tuple(r["group"]) for r in mine}
    return f", without {len(lacking)} of {len(groups)} groups" if lacking else ""


STATUS = {
    "inside": "inside", "outside": "outside", "undecided": "undecided", "not_estimable": "not estimable",
}  # fmt: skip


def judged(document: dict[str, Any]) -> None:
    """Every norm for what stands today and for each option, side by side; those that turned first."""
    arms = {k: document["arms"][k] for k in ARMS if document["arms"].get(k)}
    st.header("Where the norms stand")
    keys = [(n["metric"], n["kind"], tuple(n["attribute"])) for n in arms["original"]["norms"]]
    if not keys:
        st.write("The policy has no norm for these attributes.")
        return
    by = {
        k: {(n["metric"], n["kind"], tuple(n["attribute"])): n for n in arm["norms"]} for k, arm in arms.items()
    }  # fmt: skip
    turned = [k for k in keys if _rank(by["candidate"][k]) > _rank(by["original"][k])]
    if turned:
        named = "; ".join(_norm_words(k) for k in turned)
        st.warning(state.plain(f"Against the original the candidate stands worse in {len(turned)}: {named}."))
    rows = []
    for key in sorted(keys, key=lambda k: k not in turned):
        limit = by["original"][key]["limit"]
        cells = {ARMS[arm].capitalize(): _judged_cell(found[key], arms[arm]) for arm, found in by.items()}
        rows.append(
            {"Norm": f"{_norm_words(key)}, {'at most' if key[1] == 'difference' else 'at least'} {limit:g}"} | cells
        )
    parts.table(pd.DataFrame(rows), alt="Each norm for the original, the baseline and the candidate")
    st.caption(f"Norms of policy {state.plain(document['policy']['version'])}, on rows that none of the models saw.")


def _norm_words(key: tuple[str, str, tuple[str, ...]]) -> str:
    return f"{key[0].replace('_', ' ').capitalize()}, {key[1]}, by {' and '.join(key[2])}"


def _rank(norm: dict[str, Any]) -> int:
    return ("inside", "undecided", "not_estimable", "outside").index(norm["status"])


def _judged_cell(norm: dict[str, Any], arm: dict[str, Any]) -> str:
    if norm["value"] is None:
        return f"not estimable: {norm['reason']}"
    return (
        f"{STATUS[norm['status']]}: {norm['value']:.3f} ({norm['low']:.3f} to {norm['high']:.3f}){withheld(arm, norm)}"
    )


def worse(document: dict[str, Any]) -> None:
    """What got worse, before anything that got better."""
    st.header("What got worse")
    found = [c for c in document["changes"] if c["worse"]]
    clear = [c for c in found if c.get("clear")]
    if not found:
        st.write("No measured figure got worse on these rows.")
        return
    st.write(f"{len(found)} figures got worse, {len(clear)} of them by more than chance explains.")
    rows = [
        {
            "Figure": c["metric"].replace("_", " ") + ("" if c["kind"] == "rate" else f", {c['kind']}"),
            "Of": name_of(c["group"]) if c["group"] or not c["attribute"] else f"by {' and '.join(c['attribute'])}",
            "Before": c["before"],
            "After": c["after"],
            "Change, 95 % interval": "–" if c["low"] is None else f"{c['low']:+.3f} to {c['high']:+.3f}",
            "Beyond chance": "yes" if c.get("clear") else "no",
        }
        for c in found[:15]
    ]  # fmt: skip
    parts.table(pd.DataFrame(rows), alt="Figures that got worse, the worst first")


def affected(document: dict[str, Any]) -> None:
    """How many decisions change, for whom and in which direction."""
    st.header("Who is affected")
    rows = [
        {
            "Group": f"{name_of(f['group'])}" if f["attribute"] else "everyone",
            "People": f["rows"],
            "Newly favourable": f["to_favourable"],
            "No longer favourable": f["to_unfavourable"],
        }
        for f in document["flips"]
        if len(f["attribute"]) <= 1
    ]
    parts.table(pd.DataFrame(rows), alt="Decisions that change, by group and direction")
    for note in document["notes"]:
        st.caption(state.plain(unquoted(note)))


def decide(folder: CaseFolder, document: dict[str, Any]) -> None:
    """A person accepts or rejects, with a reason; nothing is deployed by Assay."""
    st.header("Your decision")
    model = folder.run / document["model"]["file"]
    if model.exists() and access.may("work", folder.place):
        st.download_button(
            "Download the candidate model", model.read_bytes(), file_name=model.name, key="download-model",
            on_click="ignore",
        )  # fmt: skip
    if document["decision"]:
        done = document["decision"]
        word = "Accepted" if done["accepted"] else "Rejected"
        st.info(state.plain(f"{word} by {done['by']} on {done['time'][:10]}: {done['reason']}"))
    with st.form("decide"):
        choice = st.radio("The candidate is", ["accepted", "rejected"], index=None, horizontal=True, key="decision")
        by = st.text_input("Who decides", key="decision-by", max_chars=120)
        reason = st.text_area("Why", key="decision-reason", max_chars=1000, height=80)
        go = st.form_submit_button("Record the decision")
        wanted = ((choice, "the decision"), (by.strip(), "who decides"), (reason.strip(), "why"))
        lacks = [words for given, words in wanted if not given] if go else []
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
