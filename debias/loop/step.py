"""The loop's one step: state + input + policy -> state + events. No clock, no disk, no model.

    state, events = step(state, batch, policy, sensitive)

The same inputs give the same states and figures, so that a run that was killed and resumed is the run that was never
disturbed. Sentences stand in sentences.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from audit.cube import UNLABELLED, CodedRows, Cube, cube_of
from audit.policy import Policy
from audit.watch.cells import cube_to_json
from audit.watch.counted import Counted
from audit.watch.harm import bounds, feed_harm, look
from audit.watch.monitor import feed, joint_groups, open_monitor
from audit.watch.moves import composition, decisions, scores, seen
from audit.watch.watched import Watched
from debias.loop.gate import judge_tally, norm_key
from debias.loop.modes import QUIET, Mode
from debias.loop.served import narrowed
from debias.loop.state import Batch, Built, Decision, Event, Input, Matured, ShadowModel, State
from debias.loop.transitions import (
    BARREN,
    Stepped,
    beside_failed,
    built,
    decide,
    decision,
    enter,
    fresh_moves,
    new_policy,
    open_live_harm,
)


def first_state(policy: Policy, sensitive: Sequence[str], running: str, meaning: Any, groups: Any = None) -> State:
    """The loop before its first batch."""
    monitor = open_monitor(policy.norms, sensitive, meaning, groups=groups, average_run=policy.loop.average_run)
    state = State(mode=Mode.UNDECIDABLE, running=running, policy=policy.sha256, monitor=monitor)
    return open_live_harm(fresh_moves(state, policy), policy)


def step(state: State, incoming: Input, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """One input. Raises nothing on bad data: what is wrong with a batch is in the batch."""
    if isinstance(incoming, Batch):
        return _batch(state, incoming, policy, sensitive)
    if isinstance(incoming, Built):
        return built(state, incoming, policy)
    if isinstance(incoming, Decision):
        return decision(state, incoming, policy, sensitive)
    return new_policy(state, incoming, policy, sensitive)


# -- a batch --------------------------------------------------------------------------------------------------


def _batch(state: State, batch: Batch, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    events: list[Event] = []
    now = state
    if batch.incident is None and batch.rows and batch.decided is not None:
        now = _arrive(now, batch, policy, sensitive)
    for matured in batch.matured:
        now, new_events = _mature(now, matured, policy)
        events += new_events
    counted = batch.rows if batch.incident is None and batch.same_as is None else 0
    now = replace(now, batch=state.batch + 1, rows=state.rows + counted)
    facts: dict[str, Any] = {"batch": batch.id, "number": state.batch, "rows": batch.rows, "sha256": batch.sha256}
    facts |= {"again": batch.again} if batch.again else {}
    facts |= {} if batch.poor is None else {"poor": dict(batch.poor)}
    facts |= {"first": batch.first, "last": batch.last, "due": _due_counts(state, batch)}
    facts |= {} if batch.released is None else {"released": dict(batch.released)}
    if batch.same_as is not None:
        now = replace(now, left_out=(*now.left_out, state.batch))
        return now, (*events, Event("duplicate", facts | {"same_as": batch.same_as}))
    if batch.incident is not None:
        now = replace(now, left_out=(*now.left_out, state.batch))
        events.append(Event("incident", facts, {"incident": batch.incident}))
        if now.mode != Mode.DATA_INCIDENT:
            now = enter(replace(now, before=now.mode), Mode.DATA_INCIDENT, "incident")
        return now, tuple(events)
    if batch.rows == 0 and batch.again:
        now = replace(now, left_out=(*now.left_out, state.batch))
        return now, (*events, Event("duplicate", facts | {"same_as": None}))
    if batch.rows == 0:
        events.append(Event("empty", facts))
        return (enter(now, Mode.UNDECIDABLE, "empty") if now.mode in QUIET else now), tuple(events)
    if now.mode == Mode.DATA_INCIDENT:
        events.append(Event("restored", facts))
        now = replace(enter(now, now.before or Mode.UNDECIDABLE, "restored"), before=None)
    judged = judge_tally(policy, now.live, sensitive, people=policy.loop.people)
    facts |= figures(now, batch, judged)
    now, new_events = _moved(now, batch, policy)
    events += new_events
    now, new_events = _drift(now, batch)
    events += new_events
    if batch.failed is not None and now.beside is not None:
        now, new_events = beside_failed(now, batch.failed)
    else:
        now, new_events = decide(now, policy, sensitive, judged)
    events += new_events
    events.insert(0, Event("batch", facts, {"judged": judged, "mode": now.mode}))
    return now, tuple(events)


def _due_counts(state: State, batch: Batch) -> dict[str, Any] | None:
    """What came due with this batch about the running model: what a figure on outcomes is computed again from."""
    total: Cube | None = None
    for matured in batch.matured:
        mine = matured.decided.get(state.running)
        if matured.problem is None and mine is not None and matured.index >= state.since:
            total = _add(total, mine)
    return None if total is None else cube_to_json(total)


def figures(state: State, batch: Batch, judged: Sequence[Counted]) -> dict[str, Any]:
    """Every statistic of a batch, for the trail."""
    assert batch.decided is not None
    coded = batch.decided[state.running]
    return {
        "groups": {
            a: {level: int((coded.codes[:, i] == k).sum()) for k, level in enumerate(coded.levels[i])}
            for i, a in enumerate(coded.attributes)
        },
        "norms": [{k: v for k, v in asdict(c).items() if v is not None} | {"key": norm_key(c)} for c in judged],
        "window": window_gaps(coded),
        "streams": [_stream_facts(w) for w in state.monitor.watched],
        "harm": {
            "log_e": None,
            "log_m": None,
            "named": [list(n) for n in state.harm.alarm] if state.harm else [],
            "found": [dict(f) for f in state.harm.found] if state.harm else [],
        },
        "drift": [asdict(d) for d in batch.drift if d.shifted],
        "drift_tests": len(batch.drift),
        "estimate": batch.estimate,
        "running": state.running,
    }


def window_gaps(coded: CodedRows) -> dict[str, dict[str, float]]:
    """The share with the favourable decision in this batch alone, by group."""
    good = 1 if coded.meaning.favourable_is_positive else 0
    out: dict[str, dict[str, float]] = {}
    for i, attribute in enumerate(coded.attributes):
        rates = {}
        for k, level in enumerate(coded.levels[i]):
            mine = coded.decision[coded.codes[:, i] == k]
            if len(mine):
                rates[level] = float((mine == good).mean())
        out[attribute] = rates
    return out


def _finite_or_none(value: float) -> float | None:
    return None if not np.isfinite(value) else float(value)


def _stream_facts(w: Watched) -> dict[str, Any]:
    return {
        "key": w.key,
        "people": w.seen,
        "log_e": _finite_or_none(w.log_e),
        "log_m": _finite_or_none(w.log_m),
        "peak": w.peak_e,
        "crossed_at": w.crossed_at,
        "alarm_at": w.alarm_at,
        "alpha": w.norm.alpha,
    }


def _add(total: Cube | None, coded: CodedRows) -> Cube:
    cube = cube_of(replace(coded, score=None))
    return cube if total is None else total + cube


def _arrive(state: State, batch: Batch, policy: Policy, sensitive: Sequence[str]) -> State:
    """Count decisions as they were made, for the running model and for the one beside it."""
    assert batch.decided is not None
    mine = batch.decided[state.running]
    monitor = state.monitor
    if state.live.arrived is None and not any(w.groups for w in monitor.watched):
        # Groups of the first people share the wealth from the start. Who came says nothing about what was decided.
        groups = {w.attribute: joint_groups(mine, w.attribute)[1] for w in monitor.watched}
        monitor = open_monitor(
            policy.norms, sensitive, mine.meaning, groups=groups, average_run=policy.loop.average_run
        )
    monitor = feed(monitor, mine, labelled=False)
    live = replace(state.live, arrived=_add(state.live.arrived, mine))
    beside = state.beside
    if beside is not None and beside.model in batch.decided:
        theirs = batch.decided[beside.model]
        beside = replace(
            beside,
            ours=replace(beside.ours, arrived=_add(beside.ours.arrived, mine)),
            theirs=replace(beside.theirs, arrived=_add(beside.theirs.arrived, theirs)),
            batches=beside.batches + 1,
        )
    return replace(state, monitor=monitor, live=live, beside=beside)


def _mature(state: State, matured: Matured, policy: Policy) -> Stepped:
    """A whole batch comes of age at once, whatever became of whom: early outcomes alone would mislead. What comes later
    is counted when it comes, in the batch where it belongs."""
    others = tuple(i for i in state.waiting if i != matured.index)
    now = replace(state, waiting=(*others, matured.index) if matured.missing else others)
    if not matured.late:
        now = replace(now, matured=state.matured + 1)
    if matured.problem is not None:
        now = replace(now, left_out=(*now.left_out, matured.index), barren=now.barren + 1)
        new_events = [Event("outcomes", {"batch": matured.id}, {"problem": matured.problem})]
        if now.barren == BARREN:
            new_events.append(Event("no_outcomes", {"batches": now.barren}, {"problem": matured.problem}))
        return now, tuple(new_events)
    events = []
    mine = matured.decided.get(state.running)
    if matured.decided:
        now = replace(now, barren=0, left_out=tuple(i for i in now.left_out if i != matured.index))
    if matured.late and matured.decided:
        known = int((next(iter(matured.decided.values())).label != UNLABELLED).sum())
        events.append(Event("late", {"batch": matured.id, "outcomes": known, "missing": matured.missing}))
    if mine is not None:
        before_silent = now.heard.silent(policy.loop.people)
        now = replace(now, heard=now.heard.after(mine, late=matured.late))
        for group, counts in now.heard.silent(policy.loop.people).items():
            if group not in before_silent:
                facts = {"batches": counts[0], "attribute": group[0], "group": group[1], "people": counts[1]}
                events.append(Event("no_outcomes", facts))
    if mine is not None and matured.index >= state.since:
        now = replace(
            now,
            monitor=feed(now.monitor, mine, labelled=True),
            live=replace(now.live, matured=_add(now.live.matured, mine)),
        )
        if now.harm is not None:
            before = now.harm
            now = replace(now, harm=look(feed_harm(before, matured.index, mine)))
            if not before.ready or (matured.late and matured.index <= before.history.ends[0]):
                now = replace(now, source=_add(now.source, mine))
                if not before.ready and now.harm is not None and now.harm.ready:
                    events.append(_source_event(now))
    beside = now.beside
    if beside is not None and mine is not None and beside.model in matured.decided and matured.index >= beside.since:
        now = replace(now, beside=_mature_beside(beside, mine, matured.decided[beside.model]))
    if now.trigger is not None and matured.index >= now.fresh_from and mine is not None:
        now = replace(now, fresh=now.fresh + int((mine.label != UNLABELLED).sum()))
    return now, tuple(events)


def _source_event(state: State) -> Event:
    assert state.harm is not None
    return Event("reference", {"bounds": {f"{a}={g}": v for (a, g), v in bounds(state.harm).items()}})


def _mature_beside(beside: ShadowModel, ours: CodedRows, theirs: CodedRows) -> ShadowModel:
    known = ours.label != UNLABELLED
    label = np.where(known, (ours.label == ours.decision).astype(np.int64), UNLABELLED)
    right = replace(ours, label=label, decision=(theirs.label == theirs.decision).astype(np.int64))
    return replace(
        beside,
        ours=replace(beside.ours, matured=_add(beside.ours.matured, ours)),
        theirs=replace(beside.theirs, matured=_add(beside.theirs.matured, theirs)),
        paired=_add(beside.paired, right),
    )


def _moved(state: State, batch: Batch, policy: Policy) -> Stepped:
    """Who comes and what is decided: a change is an event of its own, and a reason to look while it lasts."""
    assert batch.decided is not None
    assert state.people is not None
    assert state.decisions is not None
    mine = batch.decided[state.running]
    people, who = seen(state.people, state.batch - 1, composition(mine))
    decision_moves, what = seen(
        state.decisions, state.batch - 1, decisions(mine) | scores(state.decisions, mine, batch.score)
    )
    now = replace(
        state, people=people, decisions=decision_moves, served=batch.served, cut=narrowed(state.cut, batch.cut)
    )
    events = []
    before = state.served
    about = ("model", "threshold")
    if (
        batch.served is not None and [(before or {}).get(k) for k in about] != [batch.served.get(k) for k in about]
    ) or (before is None and batch.served is not None):
        events.append(Event("served", {"batch": batch.id, **batch.served}))
    if before is not None and batch.served is None:
        events.append(Event("served_back", {"batch": batch.id}))
    events += [
        Event(kind if how == "moved" else f"{kind}_back", {"batch": batch.id, **facts})
        for kind, changes in (("composition", who), ("decisions", what))
        for how, facts in changes
    ]
    return now, tuple(events)


def _drift(state: State, batch: Batch) -> Stepped:
    """Drift is a reason to look: SUSPECT, never more."""
    now = replace(state, drift_tests=state.drift_tests + 1)
    shifted = [d for d in batch.drift if d.shifted]
    poor = bool(batch.estimate and batch.estimate.get("suspect"))
    if shifted or poor:
        worst = sorted(shifted, key=lambda d: d.q)[:3]
        facts = {"batch": batch.id, "drift": [asdict(d) for d in worst]}
        if now.mode in (Mode.HEALTHY, Mode.UNDECIDABLE):
            about = {"worst": worst, "shifted": len(shifted), "tests": len(batch.drift), "poor": poor}
            return enter(now, Mode.SUSPECT, "suspect"), (Event("suspect", facts, about),)
        return replace(now, entered=now.batch if now.mode == Mode.SUSPECT else now.entered), ()
    return now, ()
