"""What the loop does about what it sees: confirm, build, shadow, promote, roll back, freeze, judge anew. Pure.

The ways from state to state are the table in modes.py; `enter` refuses any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
import numpy as np

from audit.cube import Cube
from audit.documents.watch import GroupNow
from audit.numbers import fixed, many
from audit.policy import Policy
from audit.values import UNKNOWN
from audit.watch.counted import Counted
from audit.watch.harm import Standing, bounds, open_harm, standing
from audit.watch.monitor import open_monitor
from audit.watch.moves import anew, open_moves
from audit.watch.watched import Watched
from debias.loop import modes
from debias.loop.gate import HARM, Verdict, judge_gate, judge_tally, norm_attributes, norm_key, plan
from debias.loop.heard import words as silent_words
from debias.loop.modes import QUIET, Mode
from debias.loop.sentences import why_broken
from debias.loop.state import Built, Decision, Event, NewPolicy, ShadowModel, State, Tally

QUIET_BATCHES = 3
"""So many batches without drift end a suspicion."""

HARM_PART = 0.33
"""So much of the policy's alpha harm may spend, beside what challengers spend."""
BARREN = 3
"""So many batches in a row without usable outcomes, and what outcomes would say is not known any more."""

Stepped = tuple[State, tuple[Event, ...]]


def open_live_harm(state: State, policy: Policy) -> State:
    """Harm from here on: against the model's own counts where it has some, else against the first batches."""
    rules = policy.loop
    opened = open_harm(
        rules.reference_batches,
        tolerance=rules.harm,
        alpha=rules.alpha * HARM_PART,
        people=rules.people,
        reference=state.source,
    )
    return replace(state, harm=opened)


def fresh_moves(state: State, policy: Policy) -> State:
    """Who comes and what is decided, from the next batch on."""
    rules = policy.loop
    moves: dict[str, Any] = {
        name: open_moves(rules.reference_batches, alpha=rules.drift_alpha, people=rules.people)
        for name in ("people", "decisions")
    }
    return replace(state, **moves)


def broken_norms(state: State) -> tuple[Watched, ...]:
    """Norms whose e-process or detector has spoken since the running model started."""
    return tuple(w for w in state.monitor.watched if w.crossed_at is not None or w.alarm_at is not None)


def decide(state: State, policy: Policy, sensitive: Sequence[str], judged: Sequence[Counted]) -> Stepped:
    """What follows from where the loop and its norms stand after a batch."""
    act: dict[Mode, Callable[[], Stepped]] = {
        Mode.SHADOW: lambda: _shadow(state, policy, sensitive),
        Mode.APPROVAL: lambda: _shadow(state, policy, sensitive),
        Mode.PROBATION: lambda: _probation(state, policy, sensitive),
        Mode.CONFIRMED: lambda: _confirmed(state, policy),
    }
    if state.mode in act:
        return act[state.mode]()
    if state.mode not in QUIET:
        return state, ()
    broken = broken_norms(state)
    harmed = state.harm.alarm if state.harm else ()
    if broken or harmed:
        return _confirm(state, why_broken(broken, harmed), _reasons(broken, harmed), policy)
    return _quiet(state, judged, policy.loop.people)


def open_changes(state: State) -> list[dict[str, Any]]:
    """What has changed about who comes and what is decided, and still is so."""
    changes = [dict(f) for m in (state.people, state.decisions) if m is not None for f in m.open.values()]
    return changes if state.served is None else [dict(state.served), *changes]


def undecided(state: State) -> list[GroupNow]:
    """Every group that has come, and whether it is judged (audit/watch/harm.py)."""
    people = {} if state.people is None else {
        (k[1], k[2]): x for k, (_, x) in state.people.history.whole().items() if k[0] == "share"
    }  # fmt: skip
    judged = {(g.attribute, g.group): g for g in standing(state.harm)} if state.harm is not None else {}
    out = []
    silent = state.heard.silent(0)
    for attribute, group in sorted({*people, *judged}):
        current = judged.get((attribute, group)) or Standing(attribute, group)
        gone = silent.get((attribute, group))
        if gone is not None and current.status == "watched":
            current = replace(current, status="undecided", reason=silent_words((attribute, group), gone))
        out.append(GroupNow(people=people.get((attribute, group), 0), **asdict(current)))
    return out


def _reasons(broken: Sequence[Watched], harmed: Sequence[tuple[str, str]]) -> list[str]:
    return [w.key for w in broken] + [f"{HARM}{a}={g}" for a, g in harmed]


def _confirm(state: State, why: str, keys: Sequence[str], policy: Policy) -> Stepped:
    now = replace(
        enter(state, Mode.CONFIRMED, "confirmed"),
        trigger=(state.since, state.batch - 1),
        reason=tuple(keys),
        fresh=0,
        fresh_from=state.batch,
        attempts=0,
        tried=(),
    )
    facts = {"norms": list(keys), "trigger": list(now.trigger or ())}
    return now, (Event("confirmed", facts, {"why": why, "build_rows": policy.loop.build_rows}),)


def _quiet(state: State, judged: Sequence[Counted], people: int) -> Stepped:
    known = [c for c in judged if c.value is not None]
    barren = state.barren >= BARREN
    silent = state.heard.silent(people)
    if (
        not known
        or barren
        or silent
        or (state.live.matured is None and any("no outcomes" in (c.reason or "") for c in judged))
    ):
        reasons = sorted({c.reason for c in judged if c.reason})
        if silent:
            reasons = [silent_words(g, counts) for g, counts in silent.items()]
        if barren:
            reasons = [f"{many(state.barren, 'batch')} in a row came due without outcomes that can be used"]
        if state.mode == Mode.UNDECIDABLE:
            return state, ()
        return enter(state, Mode.UNDECIDABLE, "undecidable"), (Event("undecidable", {}, {"reasons": reasons}),)
    moved = open_changes(state)
    if moved:
        if state.mode in (Mode.HEALTHY, Mode.UNDECIDABLE, Mode.ROLLED_BACK):
            facts = {"moved": moved}
            return enter(state, Mode.SUSPECT, "suspect"), (Event("suspect", facts),)
        return state, ()
    if state.mode in (Mode.UNDECIDABLE, Mode.ROLLED_BACK) or (
        state.mode == Mode.SUSPECT and state.batch - state.entered >= QUIET_BATCHES
    ):
        unsure = [c for c in judged if c.value is None]
        groups = [g for g in undecided(state) if g.status == "undecided"]
        about = {"known": len(known), "unsure": unsure, "groups": groups}
        return enter(state, Mode.HEALTHY, "healthy"), (Event("healthy", {}, about),)
    return state, ()


def _confirmed(state: State, policy: Policy) -> Stepped:
    rules = policy.loop
    left = [m for m in rules.methods if m not in state.tried]
    if state.attempts >= rules.attempts or not left:
        facts: dict[str, Any] = {"tried": list(state.tried), "attempts": state.attempts}
        return enter(state, Mode.FROZEN, "frozen"), (Event("frozen", facts),)
    if state.batch < state.cooldown or state.fresh < rules.build_rows:
        return state, ()
    facts = {"method": left[0], "from": state.fresh_from, "rows": state.fresh}
    return enter(state, Mode.BUILD, "build"), (Event("build", facts),)


def next_method(state: State, policy: Policy) -> str:
    """The cheapest method that was not tried since the alarm."""
    return next(m for m in policy.loop.methods if m not in state.tried)


def built(state: State, built: Built, policy: Policy) -> Stepped:
    tried = (*state.tried, built.method)
    facts = {"method": built.method, **(built.facts or {})}
    if built.model is None:
        # Nothing was tried on people and no alpha spent: it is no attempt. Each method has one turn, so this ends.
        now = replace(enter(state, Mode.CONFIRMED, "not_built"), tried=tried)
        return now, (Event("not_built", facts, {"problem": built.problem}),)
    due = [i for i in range(state.since, state.matured) if i not in state.left_out]
    delay = state.batch - state.matured
    planned = plan(state.live.matured, len(due), max(policy.loop.shadow_batches - delay, 1))
    now = replace(
        enter(state, Mode.SHADOW, "shadow"),
        tried=tried,
        attempts=state.attempts + 1,
        challengers=state.challengers + 1,
        beside=ShadowModel(built.model, built.method, state.batch, planned=planned),
    )
    expected = [{"attribute": a, "group": g, "expected": n} for (a, g), n in planned.items()]
    return now, (Event("shadow", facts | {"model": built.model, "planned": expected}),)


def verdict(state: State, policy: Policy, sensitive: Sequence[str]) -> Verdict:
    """Where the model beside the running one stands."""
    assert state.beside is not None
    return judge_gate(policy, state.beside, at_fault(state), state.challengers, sensitive)


def at_fault(state: State) -> tuple[str, ...]:
    """What a challenger is to mend: what raised the alarm, and what the running model has been found to break since."""
    reasons = [*state.reason, *_reasons(broken_norms(state), state.harm.alarm if state.harm else ())]
    return tuple(dict.fromkeys(reasons))


def beside_failed(state: State, why: str) -> Stepped:
    """The model beside the running one could not decide a batch: a challenger is dropped, a predecessor too."""
    assert state.beside is not None
    facts = {"model": state.beside.model, "method": state.beside.method}
    if state.mode == Mode.PROBATION:
        return replace(state, beside=None), (Event("predecessor_failed", facts, {"failure": why}),)
    return replace(enter(state, Mode.CONFIRMED, "rejected"), beside=None), (Event("rejected", facts, {"failure": why}),)


def _shadow(state: State, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    assert state.beside is not None
    beside, rules = state.beside, policy.loop
    gate = verdict(state, policy, sensitive)
    facts = {"model": beside.model, "method": beside.method, "gate": gate.to_json(), "batches": beside.batches}
    if gate.failed or (beside.batches >= rules.shadow_batches and not gate.passed):
        against = [c.words for c in gate.checks if c.holds is not True]
        now = replace(enter(state, Mode.CONFIRMED, "rejected"), beside=None)
        return now, (Event("rejected", facts, {"against": against[0], "failed": gate.failed}),)
    if gate.passed and state.mode == Mode.SHADOW:
        event = Event("gate", facts, {"automatic": rules.automatic})
        if rules.automatic:
            word = Decision(beside.model, True, "the policy promotes by itself", "policy")
            now, new_events = _promote(state, word, policy, gate)
            return now, (event, *new_events)
        return enter(state, Mode.APPROVAL, "gate"), (event,)
    if state.mode == Mode.APPROVAL and not gate.passed:
        return _reopened(state, gate)
    return state, ()


def _reopened(state: State, gate: Verdict, **more: Any) -> Stepped:
    """What waited for a person waits no longer: not every condition holds."""
    assert state.beside is not None
    against = next(c.words for c in gate.checks if c.holds is not True)
    facts = {"model": state.beside.model, "method": state.beside.method, "gate": gate.to_json(), **more}
    return enter(state, Mode.SHADOW, "reopened"), (Event("reopened", facts, {"against": against}),)


def decision(state: State, decision: Decision, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """A person's word. The gate is judged again on the people up to now: what does not meet it is not approved."""
    facts = {"model": decision.model, "approve": decision.approve, **_who(decision)}
    if state.mode == Mode.SUSPECT:
        changes = open_changes(state)
        batches = policy.loop.reference_batches
        fresh: dict[str, Any] = {
            n: anew(m, batches) for n in ("people", "decisions") if (m := getattr(state, n)) is not None and m.open
        }
        return replace(state, cut=None, **fresh), (Event("known", facts | {"changes": changes}),)
    if state.mode == Mode.FROZEN:
        now = enter(state, Mode.CONFIRMED, "unfrozen")
        now = replace(now, attempts=0, tried=(), rollbacks=0, fresh=0, fresh_from=state.batch)
        return now, (Event("unfrozen", facts),)
    if decision.approve:
        gate = verdict(state, policy, sensitive)
        if not gate.passed:
            return _reopened(state, gate, **_who(decision))
        return _promote(state, decision, policy, gate)
    return replace(enter(state, Mode.CONFIRMED, "rejected"), beside=None), (Event("rejected", facts),)


def _who(decision: Decision) -> dict[str, Any]:
    signed = {} if decision.signed is None else {"signed": dict(decision.signed)}
    return {"by": decision.by, "reason": decision.reason, **signed}


def _promote(state: State, decision: Decision, policy: Policy, gate: Verdict) -> Stepped:
    """The challenger runs; the predecessor stays warm beside it."""
    assert state.beside is not None
    beside = state.beside
    now = _run_model(state, beside.model, beside.theirs.matured, policy)
    now = replace(enter(now, Mode.PROBATION, "promoted"), beside=ShadowModel(state.running, "predecessor", state.batch))
    facts = {"model": beside.model, "predecessor": state.running, **_who(decision)}
    return now, (Event("promoted", facts | {"gate": gate.to_json()}),)


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
        decisions=open_moves(policy.loop.reference_batches, alpha=policy.loop.drift_alpha, people=policy.loop.people),
        cut=None,
        trigger=None,
        reason=(),
        cooldown=state.batch + policy.loop.cooldown_batches,
    )
    return open_live_harm(now, policy)


def _probation(state: State, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    broken = broken_norms(state)
    harmed = state.harm.alarm if state.harm else ()
    if broken or harmed:
        return _roll_back(state, why_broken(broken, harmed), policy, sensitive, _reasons(broken, harmed))
    batches = state.batch - state.entered
    if batches >= policy.loop.probation_batches:
        now = replace(enter(state, Mode.HEALTHY, "settled"), beside=None, rollbacks=0)
        return now, (Event("settled", {}, {"batches": batches}),)
    return state, ()


def _roll_back(state: State, why: str, policy: Policy, sensitive: Sequence[str], keys: Sequence[str]) -> Stepped:
    if state.beside is None:
        now, new_events = _confirm(state, why, keys, policy)
        return now, (Event("both_hurt", {"norms": []}, {"why": why}), *new_events)
    beside = state.beside
    old = judge_tally(policy, beside.theirs, sensitive, people=policy.loop.people)
    both = [norm_key(c) for c in old if norm_key(c) in keys and _breaks(c)] + _harmed_too(state, keys)
    if both:
        now, new_events = _confirm(replace(state, beside=None), why, keys, policy)
        return now, (Event("both_hurt", {"norms": both}, {"why": why}), *new_events)
    now = _run_model(state, beside.model, beside.theirs.matured, policy)
    now = replace(now, beside=None, rollbacks=state.rollbacks + 1)
    facts = {"model": beside.model, "from": state.running, "rollbacks": now.rollbacks}
    event = Event("rolled_back", facts, {"why": why})
    if now.rollbacks >= 2:
        return enter(now, Mode.FROZEN, "frozen"), (event, Event("frozen", facts))
    return enter(now, Mode.ROLLED_BACK, "rolled_back"), (event,)


class _HarmedGroup(msgspec.Struct):
    """A group that was found harmed: people and wrong decisions before."""

    key: tuple[str, str]
    before: tuple[int, int]


def _harmed_too(state: State, keys: Sequence[str]) -> list[str]:
    """Which of the harmed groups the model beside is wrong about just as often, on the same people."""
    assert state.beside is not None
    cube = state.beside.theirs.matured
    out: list[str] = []
    if state.harm is None or cube is None:
        return out
    levels = bounds(state.harm)
    for kept in state.harm.found:
        harmed = msgspec.convert(kept, _HarmedGroup)
        attribute, group = harmed.key
        key = f"{HARM}{attribute}={group}"
        if key not in keys or attribute not in cube.attributes:
            continue
        margin = cube.margin((attribute,))
        n = margin.n[margin.groups.index((group,))] if (group,) in margin.groups else np.zeros((3, 2))
        people, wrong = harmed.before
        level = levels.get((attribute, group), wrong / max(people, 1) + state.harm.tolerance)
        if n[:2].sum() and (n[0, 1] + n[1, 0]) / n[:2].sum() > level:
            out.append(key)
    return out


def _breaks(c: Counted) -> bool:
    return c.value is not None and (c.value > c.limit if c.kind == "difference" else c.value < c.limit)


def enter(state: State, mode: Mode, event: str) -> State:
    """The state with another mode. Raises LookupError for a way that the table of transitions does not have."""
    return replace(state, mode=modes.check(state.mode, mode, event), entered=state.batch)


# -- a new policy ---------------------------------------------------------------------------------------------


def new_policy(state: State, update: NewPolicy, policy: Policy, sensitive: Sequence[str]) -> Stepped:
    """Norms that did not change keep their streams; the others start anew, and the stored counts judge them at once."""
    known = {(w.key, w.norm): w for w in state.monitor.watched}
    groups = {w.attribute: w.groups for w in state.monitor.watched}
    if state.live.arrived is not None:
        wanted = {a for norm in policy.norms for a in norm_attributes(norm, sensitive)}
        groups |= {a: _groups_of(state.live.arrived, a) for a in sorted(wanted - set(groups))}
    fresh = open_monitor(policy.norms, sensitive, update.meaning, groups=groups, average_run=policy.loop.average_run)
    monitor = replace(fresh, watched=tuple(known.get((w.key, w.norm), w) for w in fresh.watched))
    now = replace(state, monitor=monitor, policy=policy.sha256)
    judged = judge_tally(policy, state.live, sensitive, people=policy.loop.people)
    outside = [c for c in judged if c.value is not None and c.log_e >= np.log(1 / _alpha(policy, c))]
    shown = "; ".join(
        f"{c.metric.replace('_', ' ')} {c.kind} by {' and '.join(c.attribute)}: {fixed(c.value, 3)}" for c in outside
    )
    facts = {"policy": policy.sha256, "version": policy.version, "norms": [asdict(c) for c in judged]}
    events: tuple[Event, ...] = (Event("policy", facts, {"given": update.words, "shown": shown if outside else ""}),)
    if outside and state.mode in QUIET:
        now, new_events = _confirm(now, f"The new norm is broken: {shown}.", [norm_key(c) for c in outside], policy)
        events += new_events
    if now.mode == Mode.APPROVAL and not (gate := verdict(now, policy, sensitive)).passed:
        now, new_events = _reopened(now, gate)
        events += new_events
    return now, events


def _groups_of(cube: Cube, attribute: tuple[str, ...]) -> tuple[str, ...]:
    """Groups with people in them, named as the monitor names them."""
    margin = cube.margin(attribute)
    return tuple(" / ".join(g) for g, n in zip(margin.groups, margin.rows, strict=True) if n and UNKNOWN not in g)


def _alpha(policy: Policy, c: Counted) -> float:
    return next(n.alpha for n in policy.norms if (n.metric, n.kind, n.limit) == (c.metric, c.kind, c.limit))
