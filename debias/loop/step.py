"""The loop's one step: state + input + policy -> state + events. No clock, no disk, no model.

    state, events = step(state, batch, policy, sensitive)

The same inputs give the same states and the same words, so that a run that was killed and resumed is the run that was
never disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from audit.cube import UNLABELLED, Coded, Cube, cube_of
from audit.policy import Policy
from audit.watch.cells import cube_to_json
from audit.watch.counted import Counted
from audit.watch.harm import feed_harm, log_values
from audit.watch.monitor import feed, joint_groups, open_monitor
from audit.watch.watched import Watched
from debias.loop import state as at
from debias.loop.act import Stepped, beside_failed, built, decide, decision, enter, new_policy, open_live_harm
from debias.loop.gate import judge_tally, norm_key
from debias.loop.state import Batch, Beside, Built, Decision, Event, Input, Matured, State


def first_state(policy: Policy, sensitive: Sequence[str], running: str, meaning: Any, groups: Any = None) -> State:
    """The loop before its first batch."""
    monitor = open_monitor(policy.norms, sensitive, meaning, groups=groups, average_run=policy.loop.average_run)
    return State(mode=at.UNDECIDABLE, running=running, policy=policy.sha256, monitor=monitor)


def step(state: State, given: Input, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """One input. Raises nothing on bad data: what is wrong with a batch is in the batch."""
    if isinstance(given, Batch):
        return _batch(state, given, policy, sensitive)
    if isinstance(given, Built):
        return built(state, given, policy)
    if isinstance(given, Decision):
        return decision(state, given, policy)
    return new_policy(state, given, policy, sensitive)


# -- a batch --------------------------------------------------------------------------------------------------


def _batch(state: State, batch: Batch, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    events: list[Event] = []
    now = state
    if batch.incident is None and batch.rows and batch.decided is not None:
        now = _arrive(now, batch, policy, sensitive)
    for matured in batch.matured:
        now, said = _mature(now, matured, policy)
        events += said
    counted = batch.rows if batch.incident is None and batch.same_as is None else 0
    now = replace(now, batch=state.batch + 1, rows=state.rows + counted)
    facts: dict[str, Any] = {"batch": batch.id, "number": state.batch, "rows": batch.rows, "sha256": batch.sha256}
    facts |= {"first": batch.first, "last": batch.last, "due": _due_counts(state, batch)}
    if batch.same_as is not None:
        now = replace(now, left_out=(*now.left_out, state.batch))
        words = f"Batch {batch.id} has the same bytes as batch {batch.same_as}: it was counted once already."
        return now, (*events, Event("duplicate", words, facts | {"same_as": batch.same_as}))
    if batch.incident is not None:
        now = replace(now, left_out=(*now.left_out, state.batch))
        events.append(Event("incident", f"Batch {batch.id} is not used: {batch.incident}", facts))
        if now.mode != at.DATA_INCIDENT:
            now = enter(replace(now, before=now.mode), at.DATA_INCIDENT)
        return now, tuple(events)
    if batch.rows == 0:
        words = f"Batch {batch.id} is empty: nobody was decided, so nothing is known; this says nothing good."
        events.append(Event("empty", words, facts))
        return (enter(now, at.UNDECIDABLE) if now.mode in at.QUIET else now), tuple(events)
    if now.mode == at.DATA_INCIDENT:
        back = now.before or at.UNDECIDABLE
        events.append(Event("restored", f"Batch {batch.id} can be used; the data incident is over.", facts))
        now = replace(enter(now, back), before=None)
    judged = judge_tally(policy, now.live, sensitive, people=policy.loop.people)
    facts |= figures(now, batch, judged)
    now, said = _drift(now, batch)
    events += said
    if batch.failed is not None and now.beside is not None:
        now, said = beside_failed(now, batch.failed)
    else:
        now, said = decide(now, policy, sensitive, judged)
    events += said
    events.insert(0, Event("batch", _batch_words(batch, now, judged), facts))
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
    log_e, log_m = log_values(state.harm) if state.harm else (0.0, -np.inf)
    return {
        "groups": {
            a: {level: int((coded.codes[:, i] == k).sum()) for k, level in enumerate(coded.levels[i])}
            for i, a in enumerate(coded.attributes)
        },
        "norms": [{k: v for k, v in asdict(c).items() if v is not None} | {"key": norm_key(c)} for c in judged],
        "window": window_gaps(coded),
        "streams": [_stream_facts(w) for w in state.monitor.watched],
        "harm": {
            "log_e": log_e,
            "log_m": _number(log_m),
            "named": [list(n) for n in state.harm.alarm] if state.harm else [],
        },
        "drift": [asdict(d) for d in batch.drift if d.shifted],
        "drift_tests": len(batch.drift),
        "estimate": batch.estimate,
        "running": state.running,
    }


def window_gaps(coded: Coded) -> dict[str, dict[str, float]]:
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


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else float(value)


def _stream_facts(w: Watched) -> dict[str, Any]:
    return {
        "key": w.key,
        "people": w.seen,
        "log_e": _number(w.log_e),
        "log_m": _number(w.log_m),
        "peak": w.peak_e,
        "crossed_at": w.crossed_at,
        "alarm_at": w.alarm_at,
        "alpha": w.norm.alpha,
    }


def _batch_words(batch: Batch, state: State, judged: Sequence[Counted]) -> str:
    outside = [c for c in judged if c.status == "outside"]
    known = [c for c in judged if c.value is not None]
    if not known:
        return f"Batch {batch.id}, {batch.rows:,} people: no norm can be judged yet."
    stand = (
        f"{len(outside)} of {len(known)} norms clearly outside"
        if outside
        else f"no norm of {len(known)} clearly outside"
    )
    return f"Batch {batch.id}, {batch.rows:,} people: {stand} its limit; the loop is {state.mode}."


def _add(total: Cube | None, coded: Coded) -> Cube:
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
    """A whole batch comes of age at once, whatever became of whom: early outcomes alone would mislead."""
    now = replace(state, matured=state.matured + 1)
    if matured.problem is not None:
        words = f"The outcomes of batch {matured.id} are not used: {matured.problem}"
        now = replace(now, left_out=(*now.left_out, matured.index))
        return now, (Event("outcomes", words, {"batch": matured.id}),)
    rules, events = policy.loop, []
    mine = matured.decided.get(state.running)
    if mine is not None and matured.index >= state.since:
        now = replace(
            now,
            monitor=feed(now.monitor, mine, labelled=True),
            live=replace(now.live, matured=_add(now.live.matured, mine)),
        )
        if now.harm is not None:
            now = replace(now, harm=feed_harm(now.harm, mine))
        else:
            now = replace(now, source=_add(now.source, mine), source_batches=now.source_batches + 1)
            if now.source_batches >= rules.reference_batches:
                now = open_live_harm(now, policy)
                events.append(_source_event(now))
    beside = now.beside
    if beside is not None and mine is not None and beside.model in matured.decided and matured.index >= beside.since:
        now = replace(now, beside=_mature_beside(beside, mine, matured.decided[beside.model]))
    if now.trigger is not None and matured.index >= now.fresh_from and mine is not None:
        now = replace(now, fresh=now.fresh + int((mine.label != UNLABELLED).sum()))
    return now, tuple(events)


def _source_event(state: State) -> Event:
    assert state.harm is not None
    bounds = {f"{a}={g}": r.bound for (a, g), r in state.harm.risks.items()}
    shown = ", ".join(f"{k.partition('=')[2]} {100 * v:.1f} %" for k, v in bounds.items())
    words = f"The share of wrong decisions is held against what it was at first: harm is more than {shown}."
    return Event("reference", words, {"bounds": bounds})


def _mature_beside(beside: Beside, ours: Coded, theirs: Coded) -> Beside:
    known = ours.label != UNLABELLED
    label = np.where(known, (ours.label == ours.decision).astype(np.int64), UNLABELLED)
    right = replace(ours, label=label, decision=(theirs.label == theirs.decision).astype(np.int64))
    return replace(
        beside,
        ours=replace(beside.ours, matured=_add(beside.ours.matured, ours)),
        theirs=replace(beside.theirs, matured=_add(beside.theirs.matured, theirs)),
        paired=_add(beside.paired, right),
    )


def _drift(state: State, batch: Batch) -> Stepped:
    """Drift is a reason to look: SUSPECT, never more."""
    now = replace(state, drift_tests=state.drift_tests + 1)
    shifted = [d for d in batch.drift if d.shifted]
    poor = bool(batch.estimate and batch.estimate.get("suspect"))
    if shifted or poor:
        worst = sorted(shifted, key=lambda d: d.q)[:3]
        names = "; ".join(f"{d.feature} ({d.group}, PSI {d.psi:.2f})" for d in worst)
        words = f"{len(shifted)} of {len(batch.drift)} tests see drift, most in {names}. " if shifted else ""
        words += "By its own scores the model is expected to be wrong more often than before. " if poor else ""
        facts = {"batch": batch.id, "drift": [asdict(d) for d in worst]}
        if now.mode in (at.HEALTHY, at.UNDECIDABLE):
            event = Event("suspect", words + "Nothing is retrained for that: the norms and the harm decide.", facts)
            return enter(now, at.SUSPECT), (event,)
        return replace(now, entered=now.batch if now.mode == at.SUSPECT else now.entered), ()
    return now, ()
