"""The loop's one step: state + input + policy -> state + events. No clock, no disk, no model.

    state, events = step(state, batch, policy, sensitive)

The same inputs give the same states and the same words, so that a run that was killed and resumed is the run that was
never disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from audit.cube import UNLABELLED, Coded, Cube, cube_of
from audit.policy import Policy
from audit.watch.counted import Counted
from audit.watch.harm import feed_harm, log_values, open_harm
from audit.watch.monitor import Watched, feed, open_monitor
from debias.loop import state as at
from debias.loop.gate import Verdict, judge_gate, judge_tally, norm_key
from debias.loop.state import Batch, Beside, Built, Decision, Event, Input, Matured, NewPolicy, State, Tally

QUIET_BATCHES = 3
"""So many batches without drift end a suspicion."""

Stepped = tuple[State, tuple[Event, ...]]


def first_state(policy: Policy, sensitive: Sequence[str], running: str, meaning: Any, groups: Any = None) -> State:
    """The loop before its first batch."""
    monitor = open_monitor(policy.norms, sensitive, meaning, groups=groups, average_run=policy.loop.average_run)
    return State(mode=at.UNDECIDABLE, running=running, policy=policy.sha256, monitor=monitor)


def step(state: State, given: Input, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """One input. Raises nothing on bad data: what is wrong with a batch is in the batch."""
    if isinstance(given, Batch):
        return _batch(state, given, policy, sensitive)
    if isinstance(given, Built):
        return _built(state, given, policy)
    if isinstance(given, Decision):
        return _decision(state, given, policy)
    return _new_policy(state, given, policy, sensitive)


# -- a batch --------------------------------------------------------------------------------------------------


def _batch(state: State, batch: Batch, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    events: list[Event] = []
    now = state
    if batch.incident is None and batch.rows and batch.decided is not None:
        now = _arrive(now, batch)
    for matured in batch.matured:
        now, said = _mature(now, matured, policy)
        events += said
    now = replace(now, batch=state.batch + 1, rows=state.rows + batch.rows)
    facts: dict[str, Any] = {"batch": batch.id, "number": state.batch, "rows": batch.rows, "sha256": batch.sha256}
    facts |= {"first": batch.first, "last": batch.last}
    if batch.incident is not None:
        events.append(Event("incident", f"Batch {batch.id} is not used: {batch.incident}", facts))
        if now.mode != at.DATA_INCIDENT:
            now = _enter(replace(now, before=now.mode), at.DATA_INCIDENT)
        return now, tuple(events)
    if batch.rows == 0:
        words = f"Batch {batch.id} is empty: nobody was decided, so nothing is known; this says nothing good."
        events.append(Event("empty", words, facts))
        return (_enter(now, at.UNDECIDABLE) if now.mode in at.QUIET else now), tuple(events)
    if now.mode == at.DATA_INCIDENT:
        back = now.before or at.UNDECIDABLE
        events.append(Event("restored", f"Batch {batch.id} can be used; the data incident is over.", facts))
        now = replace(_enter(now, back), before=None)
    judged = judge_tally(policy, now.live, sensitive, people=policy.loop.people)
    facts |= figures(now, batch, judged)
    now, said = _drift(now, batch)
    events += said
    now, said = _decide(now, batch, policy, sensitive, judged)
    events += said
    events.insert(0, Event("batch", _batch_words(batch, now, judged), facts))
    return now, tuple(events)


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


def _arrive(state: State, batch: Batch) -> State:
    """Count decisions as they were made, for the running model and for the one beside it."""
    assert batch.decided is not None
    mine = batch.decided[state.running]
    monitor = feed(state.monitor, mine, labelled=False)
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
                now = _open_harm(now, policy)
                events.append(_source_event(now))
    beside = now.beside
    if beside is not None and mine is not None and beside.model in matured.decided and matured.index >= beside.since:
        now = replace(now, beside=_mature_beside(beside, mine, matured.decided[beside.model]))
    if now.trigger is not None and matured.index >= now.fresh_from and mine is not None:
        now = replace(now, fresh=now.fresh + int((mine.label != UNLABELLED).sum()))
    return now, tuple(events)


def _open_harm(state: State, policy: Policy) -> State:
    rules = policy.loop
    if state.source is None:
        return state
    opened = open_harm(
        state.source, tolerance=rules.harm, alpha=rules.alpha, average_run=rules.average_run, people=rules.people
    )
    return replace(state, harm=opened)


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
        words = f"{len(shifted)} of {len(batch.drift)} tests see drift, first {names}. " if shifted else ""
        words += "By its own scores the model is expected to be wrong more often than before. " if poor else ""
        facts = {"batch": batch.id, "drift": [asdict(d) for d in worst]}
        if now.mode in (at.HEALTHY, at.UNDECIDABLE):
            event = Event("suspect", words + "Nothing is retrained for that: the norms and the harm decide.", facts)
            return _enter(now, at.SUSPECT), (event,)
        return replace(now, entered=now.batch if now.mode == at.SUSPECT else now.entered), ()
    return now, ()


# -- what to do about it --------------------------------------------------------------------------------------


def broken_norms(state: State) -> tuple[Watched, ...]:
    """Norms whose e-process or detector has spoken since the running model started."""
    return tuple(w for w in state.monitor.watched if w.crossed_at is not None or w.alarm_at is not None)


def _decide(state: State, batch: Batch, policy: Policy, sensitive: Sequence[str], judged: Sequence[Counted]) -> Stepped:
    act: dict[str, Callable[[], Stepped]] = {
        at.SHADOW: lambda: _shadow(state, policy, sensitive),
        at.APPROVAL: lambda: _shadow(state, policy, sensitive),
        at.PROBATION: lambda: _probation(state, policy, sensitive),
        at.CONFIRMED: lambda: _confirmed(state, policy),
    }
    if state.mode in act:
        return act[state.mode]()
    if state.mode not in at.QUIET:
        return state, ()
    broken = broken_norms(state)
    harmed = state.harm.alarm if state.harm else ()
    if broken or harmed:
        return _confirm(state, why_broken(broken, harmed), [w.key for w in broken], policy)
    return _quiet(state, judged)


def why_broken(broken: Sequence[Watched], harmed: Sequence[tuple[str, str]]) -> str:
    """One sentence on what raised the alarm."""
    parts = []
    for w in broken[:3]:
        by = " and ".join(w.attribute)
        who = "; ".join(f"{a} and {b}" for a, b in w.named()[:3])
        how = (
            f"evidence {np.exp(min(w.peak_e, 50.0)):,.0f} to 1 at most {1 / w.norm.alpha:,.0f} by chance"
            if w.crossed_at is not None
            else "the detector of changes has spoken"
        )
        parts.append(
            f"the {w.norm.metric.replace('_', ' ')} {w.norm.kind} by {by} breaks {w.norm.limit:g} ({how}"
            + (f"; between {who})" if who else ")")
        )
    if harmed:
        parts.append("decisions are wrong more often than is tolerated for " + ", ".join(g for _, g in harmed[:4]))
    words = "; ".join(parts)
    return words[0].upper() + words[1:] + "." if words else ""


def _confirm(state: State, why: str, keys: Sequence[str], policy: Policy) -> Stepped:
    now = replace(
        _enter(state, at.CONFIRMED),
        trigger=(state.since, state.batch - 1),
        reason="|".join(keys),
        fresh=0,
        fresh_from=state.batch,
        attempts=0,
        tried=(),
    )
    words = (
        f"{why} A challenger is built once {policy.loop.build_rows:,} people who came after the alarm have known "
        "outcomes; nothing is learned from the rows that raised it."
    )
    return now, (Event("confirmed", words, {"norms": list(keys), "trigger": list(now.trigger or ())}),)


def _quiet(state: State, judged: Sequence[Counted]) -> Stepped:
    known = [c for c in judged if c.value is not None]
    if not known or (state.live.matured is None and any("no outcomes" in (c.reason or "") for c in judged)):
        reasons = sorted({c.reason for c in judged if c.reason})
        if state.mode == at.UNDECIDABLE:
            return state, ()
        return _enter(state, at.UNDECIDABLE), (Event("undecidable", f"Not decidable: {'; '.join(reasons)}.", {}),)
    if state.mode in (at.UNDECIDABLE, at.ROLLED_BACK) or (
        state.mode == at.SUSPECT and state.batch - state.entered >= QUIET_BATCHES
    ):
        unsure = [c for c in judged if c.value is None]
        words = f"{len(known)} norms can be judged and none is broken" + (
            f"; {len(unsure)} cannot be judged yet ({unsure[0].reason})." if unsure else "."
        )
        return _enter(state, at.HEALTHY), (Event("healthy", words, {}),)
    return state, ()


def _confirmed(state: State, policy: Policy) -> Stepped:
    rules = policy.loop
    left = [m for m in rules.methods if m not in state.tried]
    if state.attempts >= rules.attempts or not left:
        words = f"{state.attempts} challengers did not earn their place. The loop stops trying: a person must look."
        return _enter(state, at.FROZEN), (Event("frozen", words, {"tried": list(state.tried)}),)
    if state.batch < state.cooldown or state.fresh < rules.build_rows:
        return state, ()
    method = left[0].replace("_", " ")
    words = f"{state.fresh:,} people since the alarm have known outcomes: a challenger is built by {method}."
    facts = {"method": left[0], "from": state.fresh_from, "rows": state.fresh}
    return _enter(state, at.BUILD), (Event("build", words, facts),)


def next_method(state: State, policy: Policy) -> str:
    """The cheapest method that was not tried since the alarm."""
    return next(m for m in policy.loop.methods if m not in state.tried)


def _built(state: State, built: Built, policy: Policy) -> Stepped:
    tried = (*state.tried, built.method)
    facts = {"method": built.method, **(built.facts or {})}
    if built.model is None:
        words = f"No challenger by {built.method.replace('_', ' ')}: {built.problem}"
        now = replace(_enter(state, at.CONFIRMED), tried=tried, attempts=state.attempts + 1)
        return now, (Event("not_built", words, facts),)
    now = replace(
        _enter(state, at.SHADOW),
        tried=tried,
        attempts=state.attempts + 1,
        challengers=state.challengers + 1,
        beside=Beside(built.model, built.method, state.batch),
    )
    words = f"A challenger by {built.method.replace('_', ' ')} decides beside the running model, on later people only."
    return now, (Event("shadow", words, facts | {"model": built.model}),)


def verdict(state: State, policy: Policy, sensitive: Sequence[str]) -> Verdict:
    """Where the model beside the running one stands."""
    assert state.beside is not None
    return judge_gate(policy, state.beside, state.reason.split("|"), state.challengers, sensitive)


def _shadow(state: State, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    assert state.beside is not None
    beside, rules = state.beside, policy.loop
    found = verdict(state, policy, sensitive)
    facts = {"model": beside.model, "method": beside.method, "gate": found.to_json(), "batches": beside.batches}
    if found.failed or (beside.batches >= rules.shadow_batches and not found.passed):
        against = [c.words for c in found.checks if c.holds is not True]
        why = "" if found.failed else f" after {beside.batches} batches it is still open."
        words = f"The challenger did not earn its place: {against[0]}{why}"
        now = replace(_enter(state, at.CONFIRMED), beside=None)
        return now, (Event("rejected", words, facts),)
    if found.passed and state.mode == at.SHADOW:
        method = beside.method.replace("_", " ")
        words = f"The challenger by {method} meets every condition on {beside.batches} later batches."
        if rules.automatic:
            now, said = _promote(state, Decision(beside.model, True, "the policy promotes by itself", "policy"), policy)
            return now, (Event("gate", words + " The policy lets the loop promote without a person.", facts), *said)
        return _enter(state, at.APPROVAL), (Event("gate", words + " A person must approve.", facts),)
    return state, ()


def _decision(state: State, given: Decision, policy: Policy) -> Stepped:
    facts = {"model": given.model, "by": given.by, "reason": given.reason, "approve": given.approve}
    if state.mode == at.FROZEN:
        words = f"{given.by} has looked and lets the loop go on: {given.reason}"
        now = replace(_enter(state, at.CONFIRMED), attempts=0, tried=(), rollbacks=0, fresh=0, fresh_from=state.batch)
        return now, (Event("unfrozen", words, facts),)
    if given.approve:
        return _promote(state, given, policy)
    words = f"{given.by} rejects the challenger: {given.reason}"
    return replace(_enter(state, at.CONFIRMED), beside=None), (Event("rejected", words, facts),)


def _promote(state: State, given: Decision, policy: Policy) -> Stepped:
    """The challenger runs; the predecessor stays warm beside it."""
    assert state.beside is not None
    beside = state.beside
    now = _run_model(state, beside.model, beside.theirs.matured, policy)
    now = replace(_enter(now, at.PROBATION), beside=Beside(state.running, "predecessor", state.batch))
    words = f"Promoted by {given.by}: {given.reason} The predecessor stays warm and decides beside it."
    facts = {"model": beside.model, "predecessor": state.running, "by": given.by, "reason": given.reason}
    return now, (Event("promoted", words, facts),)


def _run_model(state: State, model: str, source: Cube | None, policy: Policy) -> State:
    """Another model runs: its own streams, its own reference."""
    w = state.monitor.watched
    meaning = next(c.meaning for c in (state.live.arrived, state.live.matured, source) if c is not None)
    groups = {x.attribute: x.groups for x in w}
    sensitive = tuple(dict.fromkeys(a for x in w for a in x.attribute))
    monitor = open_monitor(policy.norms, sensitive, meaning, groups=groups, average_run=policy.loop.average_run)
    now = replace(
        state,
        running=model,
        since=state.batch,
        monitor=monitor,
        live=Tally(),
        source=source,
        source_batches=0,
        harm=None,
        trigger=None,
        cooldown=state.batch + policy.loop.cooldown_batches,
    )
    return _open_harm(now, policy)


def _probation(state: State, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    assert state.beside is not None
    broken = broken_norms(state)
    harmed = state.harm.alarm if state.harm else ()
    if broken or harmed:
        return _roll_back(state, why_broken(broken, harmed), policy, sensitive, [w.key for w in broken])
    if state.beside.batches >= policy.loop.probation_batches:
        words = f"The promoted model has kept every norm for {state.beside.batches} batches."
        return replace(_enter(state, at.HEALTHY), beside=None, rollbacks=0), (Event("settled", words, {}),)
    return state, ()


def _roll_back(state: State, why: str, policy: Policy, sensitive: Sequence[str], keys: Sequence[str]) -> Stepped:
    assert state.beside is not None
    beside = state.beside
    old = judge_tally(policy, beside.theirs, sensitive, people=policy.loop.people)
    both = [norm_key(c) for c in old if norm_key(c) in keys and c.value is not None and _breaks(c)]
    if both:
        now, said = _confirm(replace(state, beside=None), why, keys, policy)
        words = f"{why} The predecessor breaks the same on the same people: rolling back would not help."
        return now, (Event("both_hurt", words, {"norms": both}), *said)
    now = _run_model(state, beside.model, beside.theirs.matured, policy)
    now = replace(now, beside=None, rollbacks=state.rollbacks + 1)
    facts = {"model": beside.model, "from": state.running, "rollbacks": now.rollbacks}
    event = Event("rolled_back", f"{why} The predecessor decides again.", facts)
    if now.rollbacks >= 2:
        words = "Two promotions in a row were rolled back. The loop stops: a person must look."
        return _enter(now, at.FROZEN), (event, Event("frozen", words, facts))
    return _enter(now, at.ROLLED_BACK), (event,)


def _breaks(c: Counted) -> bool:
    return c.value is not None and (c.value > c.limit if c.kind == "difference" else c.value < c.limit)


def _enter(state: State, mode: str) -> State:
    return replace(state, mode=mode, entered=state.batch)


# -- a new policy ---------------------------------------------------------------------------------------------


def _new_policy(state: State, given: NewPolicy, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """Norms that did not change keep their streams; the others start anew, and the stored counts judge them at once."""
    known = {(w.key, w.norm): w for w in state.monitor.watched}
    meaning = next((c.meaning for c in (state.live.arrived, state.live.matured) if c is not None), None)
    monitor = state.monitor
    if meaning is not None:
        groups = {w.attribute: w.groups for w in state.monitor.watched}
        fresh = open_monitor(policy.norms, sensitive, meaning, groups=groups, average_run=policy.loop.average_run)
        monitor = replace(fresh, watched=tuple(known.get((w.key, w.norm), w) for w in fresh.watched))
    now = replace(state, monitor=monitor, policy=policy.sha256)
    judged = judge_tally(policy, state.live, sensitive, people=policy.loop.people)
    outside = [c for c in judged if c.value is not None and c.log_e >= np.log(1 / _alpha(policy, c))]
    shown = "; ".join(
        f"{c.metric.replace('_', ' ')} {c.kind} by {' and '.join(c.attribute)}: {c.value:.3f}" for c in outside
    )
    words = f"{given.words} The running model is judged on the new norms at once, from stored counts: " + (
        f"broken: {shown}." if outside else "none is clearly broken."
    )
    facts = {"policy": policy.sha256, "version": policy.version, "norms": [asdict(c) for c in judged]}
    events: tuple[Event, ...] = (Event("policy", words, facts),)
    if outside and state.mode in at.QUIET:
        now, said = _confirm(now, f"The new norm is broken: {shown}.", [norm_key(c) for c in outside], policy)
        events += said
    return now, events


def _alpha(policy: Policy, c: Counted) -> float:
    return next(n.alpha for n in policy.norms if (n.metric, n.kind, n.limit) == (c.metric, c.kind, c.limit))
