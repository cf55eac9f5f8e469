"""The version of what a trail keeps, and how an older one goes on.

kept "schema": {"version": 2}   none: version 1, before it was watched who comes and what is decided
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from audit.policy import Policy
from audit.watch.cells import cube_from_json
from audit.watch.changes import History, Key, Pair
from audit.watch.harm import Harm, counts_of
from audit.watch.moves import Moves, composition_of, decisions_of, open_moves
from debias.loop.state import State
from debias.loop.trail import Trail
from debias.loop.transitions import HARM_PART

VERSION = 2


def version_of(trail: Trail) -> int:
    """The version of what is kept; 1 where it does not say."""
    kept = trail.kept("schema")
    return msgspec.convert(kept, _Version).version if kept else 1


class _Version(msgspec.Struct):
    version: int


def state_in(trail: Trail, policy: Policy) -> State | None:
    """Where the loop stands, in today's form; None before it began."""
    kept = trail.kept("state")
    if kept is None:
        return None
    return State.from_json(kept if version_of(trail) >= VERSION else _from_1(kept, trail, policy))


def _from_1(old: Mapping[str, Any], trail: Trail, policy: Policy) -> dict[str, Any]:
    """Version 1 kept e-values of harm beside counts of the first batches, and the counts of every batch."""
    rules, first = policy.loop, msgspec.convert(old, _First)
    new = {k: v for k, v in old.items() if k != "source_batches"} | {"barren": 0, "waiting": [], "served": None}
    people = open_moves(rules.reference_batches, alpha=rules.drift_alpha, people=rules.people)
    decision_moves = open_moves(rules.reference_batches, alpha=rules.drift_alpha, people=rules.people)
    for number, kept in trail.cubes():
        if kept is not None:
            cube = cube_from_json(kept)
            people = _with_batch(people, number, composition_of(cube))
            decision_moves = (
                _with_batch(decision_moves, number, decisions_of(cube)) if number >= first.since else decision_moves
            )
    harm = _harm_from_1(first, policy)
    return new | {"people": people.to_json(), "decisions": decision_moves.to_json(), "harm": harm.to_json()}


class _FirstHarm(msgspec.Struct):
    """Harm in version 1: attribute, group and six figures of each; the last two are people and wrong decisions."""

    risks: list[tuple[str, str, list[Any]]]
    alarm: list[tuple[str, str]]
    alpha: int | float


class _First(msgspec.Struct):
    """What of a state of version 1 has another form now."""

    since: int
    matured: int
    source: dict[str, Any] | None
    harm: _FirstHarm | None
    source_batches: int = 0


def _with_batch(moves: Moves, number: int, counts: Mapping[Key, Pair]) -> Moves:
    return Moves(moves.history.add(number, counts), moves.alpha, moves.people)


def _harm_from_1(old: _First, policy: Policy) -> Harm:
    rules, kept = policy.loop, old.harm
    first: dict[Key, Pair] = {} if old.source is None else counts_of(cube_from_json(old.source))
    last = old.matured - 1
    if kept is None:
        history = History.begin(first, last, rules.reference_batches, old.source_batches)
        if not old.source_batches:
            history = History.begin(first=rules.reference_batches)
        return Harm(history, rules.harm, rules.alpha * HARM_PART, rules.people)
    history = History.begin(first)
    later: dict[Key, Pair] = {(a, g): (int(v[4]), int(v[5])) for a, g, v in kept.risks}
    if any(n for n, _ in later.values()):
        history = history.add(last, later)
    alarm = tuple(kept.alarm)
    harmed = []
    for k in alarm:
        pairs = {"before": list(first.get(k, (0, 0))), "after": list(later.get(k, (0, 0)))}
        harmed.append({"key": list(k), "since": -1, **pairs, "p": None, "alpha": kept.alpha})
    done = history.batches
    return Harm(history, rules.harm, rules.alpha * HARM_PART, rules.people, alarm, tuple(harmed), {}, done)
