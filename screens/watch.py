"""Watch: where the loop stands, how the gaps moved, why it did what it did, and the word of a person."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.errors import AssayError
from audit.findings import p_words
from audit.metrics import SELECTION_RATE
from screens import charts_watch, parts, quiet, state, watch_groups
from screens.workspace import CaseFolder

Record = dict[str, Any]

STANDS = {
    "UNDECIDABLE": "It cannot be told yet whether a norm is kept: too few people, or no outcomes. No good news.",
    "HEALTHY": "The norms can be judged, and none is found broken.",
    "SUSPECT": "The data have changed. That is a reason to look; nothing is retrained for it.",
    "CONFIRMED": "A norm is broken or a group is harmed. A challenger is built once enough later people have outcomes.",
    "BUILD": "A challenger is being built from people who came after the alarm.",
    "SHADOW": "A challenger decides beside the running model, for the record only, until the gate can judge it.",
    "APPROVAL": "A challenger meets every condition. A person must approve or reject it.",
    "PROBATION": "A promoted model runs; its predecessor decides beside it and can come back.",
    "ROLLED_BACK": "The promoted model was taken back; its predecessor runs again.",
    "FROZEN": "The loop has stopped trying. A person must look before it goes on.",
    "DATA_INCIDENT": "The last batch could not be used. Nothing is learned from broken data.",
}
SERIOUS = ("CONFIRMED", "FROZEN", "DATA_INCIDENT", "APPROVAL", "ROLLED_BACK")
MARKED = ("confirmed", "incident", "promoted", "rolled_back", "policy", "frozen", "shadow")
NORM = {
    "inside": "inside",
    "outside": "clearly outside",
    "undecided": "cannot be told",
    "not_estimable": "not estimable",
}
LAST = 40


def panel(folder: CaseFolder) -> None:
    """The loop of the open case: start, look, decide."""
    case = state.case_of(folder)
    if case.data.time is None and not (case.watch.source or case.watch.objects or case.watch.table):
        st.info(
            "Watching needs batches in the order of time: a time column (`time` under [data]) or files that come one "
            "after another (`source` under [watch]). Open the sample “A model that is watched” to see it."
        )
        return
    start(folder)
    document = state.result(folder, "watch.json")
    if document is None:
        if not parts.busy():
            st.write("Nothing has been watched yet.")
        return
    live(folder) if parts.busy() else show(folder, document)


def start(folder: CaseFolder) -> None:
    """Take the batches that are there, or follow until stopped; check the trail."""
    left, middle, right = st.columns([2, 2, 3])
    if left.button("Take the batches that are there", type="primary", key="watch-go", disabled=parts.busy()):
        run(folder, [])
    if middle.button("Follow until stopped", key="watch-follow", disabled=parts.busy()):
        run(folder, ["--follow"])
    if right.button("Check the trail", key="watch-check"):
        check(folder)


def run(folder: CaseFolder, more: list[str]) -> None:
    """`assay watch` as a job."""
    parts.start(folder, ["watch", str(folder.file), "--out", str(folder.run), *more, *folder.allow])


def check(folder: CaseFolder) -> None:
    """Follow both chains of the trail now; needs no lock."""
    from debias.loop.decisions import check_trail

    try:
        found = check_trail(folder.run, None)
    except AssayError as error:
        state.show_error(error)
        return
    st.success(f"The trail is whole: {found['entries']:,} entries, head {found['head'][:16]}.")


@st.fragment(run_every="2s")
def live(folder: CaseFolder) -> None:
    """The same, drawn again while the loop runs."""
    path = folder.run / "watch.json"
    quiet.until(lambda: state.digest(path), state.digest(path))
    document = state.result(folder, "watch.json")
    if document is not None:
        show(folder, document, deciding=False)


def show(folder: CaseFolder, document: Record, *, deciding: bool = True) -> None:
    """Where the loop stands, then the timeline, then what it did."""
    words = f"**{document['state'].replace('_', ' ')}.** {STANDS[document['state']]}"
    (st.warning if document["state"] in SERIOUS else st.info)(words)
    st.caption(
        state.plain(
            f"{document['batches']:,} batches, {document['rows']:,} people; outcomes of {document['matured']:,} "
            f"batches are in. Policy {document['policy']['version']}. Running model {document['running'][:12]}."
            + (" The policy lets the loop promote without a person." if document["policy"]["automatic"] else "")
        )
    )
    noticed(document)
    watch_groups.changes(document)
    if deciding:
        decide(folder, document)
    norms(document)
    watch_groups.groups(document)
    watch_groups.aside(document)
    timeline(document)
    events(document)


def noticed(document: Record) -> None:
    """What went wrong beside the feed, the newest in full: a file passed over, an alert that was not taken."""
    found = list(reversed(document.get("notices", [])))
    if not found:
        return
    st.warning(state.plain(f"Noticed on {found[0]['last'][:19].replace('T', ' ')} (UTC): {found[0]['words']}"))
    if len(found) > 1:
        with st.expander(f"All {len(found)} things that were noticed"):
            rows = [
                {"Last": n["last"][:19].replace("T", " "), "What": n["words"], "How often": n["times"]} for n in found
            ]
            parts.table(pd.DataFrame(rows), alt="What was noticed beside the feed, newest first")


def norms(document: Record) -> None:
    """Where each norm stands under the running model."""
    rows = [
        {
            "Norm": f"{n['metric'].replace('_', ' ')}, {n['kind']}",
            "By": " and ".join(n["attribute"]),
            "Limit": f"{n['limit']:g}",
            "Measured": "–" if n["value"] is None else f"{n['value']:.3f}",
            "At all times together, 95 %": n["reason"] if n["value"] is None else f"{n['low']:.3f} to {n['high']:.3f}",
            "Where it stands": NORM[n["status"]],
            "People in the smaller group": n["people"],
        }
        for n in document["norms"]
    ]
    if rows:
        parts.table(pd.DataFrame(rows), alt="Norms and where the running model stands")


def timeline(document: Record) -> None:
    """One norm's gap over the batches, with what happened."""
    norms = {n["key"]: n for n in document["norms"]}
    if not norms or not document["timeline"]:
        return
    names = {
        k: f"{n['metric'].replace('_', ' ')} {n['kind']} by {' and '.join(n['attribute'])}" for k, n in norms.items()
    }
    worst = max(norms, key=lambda k: norms[k]["log_e"] or 0.0)
    key = st.selectbox("Norm", list(names), index=list(names).index(worst), format_func=names.get, key="watch-norm")
    points = points_of(document, key)
    takeaway = takeaway_of(names[key], norms[key])
    st.write(state.plain(takeaway))
    figure = charts_watch.timeline(points, title=names[key], limit=norms[key]["limit"], marks=marks_of(document))
    parts.chart(figure, key="watch-chart", alt=takeaway)
    st.caption(
        "After a promotion the measure begins anew, with the promoted model. Hover over a mark for its sentence."
    )
    with st.expander("The same as a table"):
        rows = [
            {
                "Batch": p.batch,
                "Times": p.when.strip("()") or "–",
                "Measured": "–" if p.value is None else f"{p.value:.3f}",
                "95 %": "–" if p.low is None else f"{p.low:.3f} to {p.high:.3f}",
                "This batch alone": "–" if p.window is None else f"{p.window:.3f}",
                "People": p.people,
                "The loop is": p.state,
            }
            for p in reversed(points)
        ]
        parts.table(pd.DataFrame(rows[:200]), alt=f"{names[key]} by batch")


def points_of(document: Record, key: str) -> list[charts_watch.Point]:
    """The batches with this norm's figures."""
    out = []
    for number, batch in enumerate(document["timeline"]):
        n = next((n for n in batch["norms"] if n["key"] == key), {})
        at = number if batch["number"] is None else batch["number"]
        ends = dict.fromkeys(str(batch.get(k))[:16] for k in ("first", "last") if batch.get(k))
        out.append(
            charts_watch.Point(
                at,
                n.get("value"),
                n.get("low"),
                n.get("high"),
                n.get("people"),
                batch["state"],
                window_of(n, batch.get("window") or {}),
                f"({' to '.join(ends)})" if ends else "",
            )
        )
    return out


def window_of(norm: Record, window: Record) -> float | None:
    """The gap in one batch alone, between the two groups that are furthest apart so far; None where it does not say."""
    columns = norm.get("attribute") or ()
    if norm.get("metric") != SELECTION_RATE or norm.get("value") is None or len(columns) != 1:
        return None
    shares = window.get(columns[0], {})
    high, low = shares.get(norm.get("highest")), shares.get(norm.get("lowest"))
    if high is None or low is None:
        return None
    if norm.get("kind") == "difference":
        return float(high - low)
    return float(low / high) if high else None


def marks_of(document: Record) -> list[charts_watch.Mark]:
    """Events placed at the batch during which they happened: the first one written no earlier."""
    times = [(b["time"], i if b["number"] is None else b["number"]) for i, b in enumerate(document["timeline"])]
    out = []
    for event in document["events"]:
        if event["kind"] in MARKED:
            at = next((n for t, n in times if t >= event["time"]), times[-1][1])
            out.append(charts_watch.Mark(at, event["kind"], event["words"]))
    return out


def takeaway_of(name: str, norm: Record) -> str:
    """The chart in a sentence."""
    if norm["value"] is None:
        return f"{name}: not estimable ({norm['reason']})."
    return (
        f"{name}: {norm['value']:.3f} so far; the widest gap of all groups is between {norm['low']:.3f} and "
        f"{norm['high']:.3f} at all times together; limit {norm['limit']:g}: {NORM[norm['status']]}. {of_two(norm)}"
    )


def of_two(norm: Record) -> str:
    """The two groups named, with what is known of these two: their own interval and p-value, not the widest gap's."""
    named = f"Highest in {norm['highest']}, lowest in {norm['lowest']}"
    if norm.get("pair_low") is None:
        return f"{named}; nothing is said here of these two alone."
    return (
        f"{named}: of these two between {norm['pair_low']:.3f} and {norm['pair_high']:.3f}, "
        f"{p_words(norm['pair_p'])} for no difference between them, adjusted for all pairs of groups and all times."
    )


def events(document: Record) -> None:
    """Why the loop did what it did: a sentence each, newest first."""
    st.markdown("### What the loop did, and why")
    kinds = sorted({e["kind"] for e in document["events"]})
    chosen = st.multiselect("Only these", kinds, key="watch-kinds", placeholder="everything")
    found = [e for e in reversed(document["events"]) if not chosen or e["kind"] in chosen]
    rows = [
        {"When": e["time"][:19].replace("T", " "), "What": e["kind"].replace("_", " "), "Why": e["words"]}
        for e in found[:LAST]
    ]
    if rows:
        parts.table(pd.DataFrame(rows), alt="What the loop did, newest first")
    if len(found) > LAST:
        st.caption(f"{len(found) - LAST:,} earlier ones are in the trail.")


def both(beside: Record) -> None:
    """Before and after: the gaps of both models on the same people."""
    after = {n["key"]: n for n in beside.get("theirs") or []}
    rows = [
        {
            "On the same people": f"{n['metric'].replace('_', ' ')} {n['kind']} by {' and '.join(n['attribute'])}",
            "Running model": _gap(n),
            "Challenger": _gap(after.get(n["key"])),
            "Limit": f"{n['limit']:g}",
        }
        for n in beside.get("ours") or []
    ]
    if rows:
        parts.table(pd.DataFrame(rows), alt="Gaps of the running model and of the challenger on the same people")


def _gap(n: Record | None) -> str:
    if n is None or n["value"] is None:
        return "not estimable"
    return f"{n['value']:.3f} ({n['low']:.3f} to {n['high']:.3f})"


def _batches(n: int) -> str:
    return f"{n} batch" if n == 1 else f"{n} batches"


def decide(folder: CaseFolder, document: Record) -> None:
    """The conditions of the gate in words, and the word of a person, with a reason."""
    pending, frozen = document["pending"], document["state"] == "FROZEN"
    beside = document["beside"]
    if beside and beside.get("gate"):
        st.markdown(f"### The challenger by {beside['method'].replace('_', ' ')}, after {_batches(beside['batches'])}")
        checks = sorted(beside["gate"]["checks"], key=lambda c: {False: 0, None: 1, True: 2}[c["holds"]])
        holds = {True: "holds", False: "does not hold", None: "too early to say"}
        left = {c.get("name") for c in beside.get("gate", {}).get("undecided", ())}
        rows = [
            {"Condition": c["words"], "It": "undecided" if c.get("name") in left else holds[c["holds"]]} for c in checks
        ]
        parts.table(pd.DataFrame(rows), alt="Conditions of the gate, those not met first")
        both(beside)
    known = document.get("state") == "SUSPECT" and bool(document.get("changes"))
    if not pending and not frozen and not known:
        return
    subject = pending["model"] if pending else document["running"]
    with st.form("watch-decide"):
        words = ("approved", "rejected") if pending else ("known and meant",) if known else ("let go on",)
        about = "The challenger is" if pending else "What has changed is" if known else "The loop is"
        answer = st.radio(about, words, key="watch-answer", horizontal=True)
        who = st.text_input("Who decides", key="watch-who", max_chars=120)
        reason = st.text_area("Why", key="watch-reason", max_chars=2000)
        go = st.form_submit_button("Record the decision", type="primary")
    if go and not parts.busy():
        if not who.strip() or not reason.strip():
            st.error("Say who decides and why: both go into the trail.")
            return
        flag = "--reject" if answer == "rejected" else "--approve"
        run(folder, [flag, subject, f"--reason={reason.strip()}", f"--by={who.strip()}"])
