"""Watch: where the loop stands, how the gaps moved, why it did what it did, and the word of a person."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from audit.documents import record_in
from audit.documents.watch import BatchPoint, NormNow, Watch
from audit.errors import AssayError
from audit.metrics import SELECTION_RATE
from audit.numbers import fixed, many
from debias.loop import events as loop_events
from reports.sections import watching
from screens import charts_watch, draw, parts, quiet, state
from screens.workspace import CaseFolder

FILE = "watch.json"


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
    document = state.result(folder, FILE)
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
        trail = check_trail(folder.run, None)
    except AssayError as error:
        state.show_error(error)
        return
    st.success(f"The trail is whole: {many(trail['entries'], 'entry')}, head {trail['head'][:16]}.")


@st.fragment(run_every="2s")
def live(folder: CaseFolder) -> None:
    """The same, drawn again while the loop runs."""
    path = folder.run / FILE
    quiet.until(lambda: state.digest(path), state.digest(path))
    document = state.result(folder, FILE)
    if document is not None:
        show(folder, document, deciding=False)


def watch_of(document: dict[str, Any]) -> Watch:
    """The record in watch.json. Raises DataError where it has another form."""
    return record_in(Watch, document, FILE)


def show(folder: CaseFolder, document: dict[str, Any], *, deciding: bool = True) -> None:
    """Where the loop stands, then the timeline, then what it did."""
    watch = watch_of(document)
    for blocks in (watching.standing(watch), watching.noticed(watch.notices), watching.changes(watch.changes)):
        draw.blocks(blocks)
    if deciding:
        decide(folder, watch)
    for blocks in (watching.norms(watch), watching.groups(watch.groups), watching.aside(watch.quarantine)):
        draw.blocks(blocks)
    timeline(watch)
    events(watch)


def timeline(watch: Watch) -> None:
    """One norm's gap over the batches, with what happened."""
    norms = {n.key: n for n in watch.norms}
    if not norms or not watch.timeline:
        return
    names = {k: watching.norm_name(n) for k, n in norms.items()}
    worst = max(norms, key=lambda k: norms[k].log_e or 0.0)
    key = st.selectbox("Norm", list(names), index=list(names).index(worst), format_func=names.get, key="watch-norm")
    points = points_of(watch, key)
    takeaway = watching.takeaway(names[key], norms[key])
    st.write(state.escape(takeaway))
    figure = charts_watch.timeline(points, title=names[key], limit=norms[key].limit, marks=marks_of(watch))
    parts.chart(figure, key="watch-chart", alt=takeaway)
    st.caption(
        "After a promotion the measure begins anew, with the promoted model. Hover over a mark for its sentence."
    )
    with st.expander("The same as a table"):
        rows = [
            {
                "Batch": p.batch,
                "Times": p.when.strip("()") or "–",
                "Measured": fixed(p.value, 3),
                "95 %": "–" if p.low is None else f"{fixed(p.low, 3)} to {fixed(p.high, 3)}",
                "This batch alone": fixed(p.window, 3),
                "People": p.people,
                "The loop is": p.state,
            }
            for p in reversed(points)
        ]
        parts.table(pd.DataFrame(rows[:200]), alt=f"{names[key]} by batch")


def points_of(watch: Watch, key: str) -> list[charts_watch.Point]:
    """The batches with this norm's figures."""
    out = []
    for number, batch in enumerate(watch.timeline):
        n = next((n for n in batch.norms if n.key == key), None)
        at = number if batch.number is None else batch.number
        ends = dict.fromkeys(str(time)[:16] for time in (batch.first, batch.last) if time)
        figures = (None,) * 4 if n is None else (n.value, n.low, n.high, n.people)
        when = f"({' to '.join(ends)})" if ends else ""
        out.append(charts_watch.Point(at, *figures, batch.state, window_of(n, batch), when))
    return out


def window_of(norm: NormNow | None, batch: BatchPoint) -> float | None:
    """The gap in one batch alone, between the two groups that are furthest apart so far; None where it does not say."""
    if norm is None or norm.metric != SELECTION_RATE or norm.value is None or len(norm.attribute) != 1:
        return None
    shares = (batch.window or {}).get(norm.attribute[0], {})
    high, low = shares.get(str(norm.highest)), shares.get(str(norm.lowest))
    if high is None or low is None:
        return None
    if norm.kind == "difference":
        return float(high - low)
    return float(low / high) if high else None


def marks_of(watch: Watch) -> list[charts_watch.Mark]:
    """Events placed at the batch during which they happened: the first one written no earlier."""
    times = [(b.time, i if b.number is None else b.number) for i, b in enumerate(watch.timeline)]
    out = []
    for event in watch.events:
        if loop_events.row(event.kind).mark:
            at = next((n for t, n in times if t >= event.time), times[-1][1])
            out.append(charts_watch.Mark(at, event.kind, event.words))
    return out


def events(watch: Watch) -> None:
    """Why the loop did what it did: a sentence each, newest first."""
    st.markdown("### What the loop did, and why")
    kinds = sorted({e.kind for e in watch.events})
    chosen = st.multiselect("Only these", kinds, key="watch-kinds", placeholder="everything")
    draw.blocks(watching.events([e for e in watch.events if not chosen or e.kind in chosen]))


def decide(folder: CaseFolder, watch: Watch) -> None:
    """The conditions of the gate in words, and the word of a person, with a reason."""
    pending, frozen = watch.pending, watch.state == "FROZEN"
    draw.blocks(watching.gate(watch.beside))
    known = watch.state == "SUSPECT" and bool(watch.changes)
    if not pending and not frozen and not known:
        return
    subject = pending.model if pending else watch.running
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
