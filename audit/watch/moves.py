"""Who comes, and what is decided: shares that have changed since the first batches, told with their size.

    moves = open_moves(3, alpha=0.05, people=50)
    moves, events = seen(moves, batch, composition(coded))     # or decisions(coded) | scores(moves, coded, score)

Composition: each group's share of those whose group is known, and the share whose group is not. Decisions: the share
with the favourable decision, of everyone and of each group. Scores: the shares with a score from the first batch's
quarters on, of everyone and of each group. Tests as in audit/watch/changes.py: valid however long one
looks, a group that is gone within a batch or two, a slow drift once it adds up. Told only where it is large enough to
matter: two points, or half as much again; of scores five points.

A change stays open until the newest batches are as before again, or until a person says that it is known; then what
comes from there on is the new reference, and the next plan has half as much to spend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from audit.cube import CodedRows, Cube, Floats
from audit.values import UNKNOWN
from audit.watch.cells import Number
from audit.watch.changes import History, Key, Pair, changes

POINTS = 0.02
TIMES = 1.5
"""A share has moved where it is so many points, or so many times, from what it was."""
NEWEST = 3
"""So many of the newest batches say whether a change is over."""
SCORES = 0.05
"""A share of scores has moved where it is so many points from what it was."""
QUARTERS = (0.25, 0.5, 0.75)
SHARE, ALL, MISSING, ACCEPTED, SCORE = "share", "all", "missing", "accepted", "scores"


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Counts by batch, and the changes that are open: key -> facts. turn: how often it was begun anew, from 1."""

    history: History
    alpha: float
    people: int
    open: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    turn: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "history": self.history.to_json(),
            "alpha": self.alpha,
            "people": self.people,
            "open": [[list(k), dict(v)] for k, v in self.open.items()],
            "turn": self.turn,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Moves:
        kept = msgspec.convert(data, _Kept)
        return Moves(History.from_json(kept.history), kept.alpha, kept.people, dict(kept.open), kept.turn)


class _Kept(msgspec.Struct):
    """Moves as they are kept."""

    history: dict[str, Any]
    alpha: Number
    people: int
    open: list[tuple[Key, dict[str, Any]]]
    turn: int


def open_moves(batches: int, *, alpha: float, people: int) -> Moves:
    """Nothing seen; the first `batches` are the reference."""
    return Moves(History.begin(first=batches), alpha, people)


def anew(moves: Moves, batches: int) -> Moves:
    """A person knows the changes: what comes next is the reference."""
    return Moves(History.begin(first=batches), moves.alpha, moves.people, {}, moves.turn + 1)


def composition(coded: CodedRows) -> dict[Key, Pair]:
    """People of one batch by group, and those whose group is not known."""
    out: dict[Key, Pair] = {}
    for axis, attribute in enumerate(coded.attributes):
        levels = coded.levels[axis]
        n = np.bincount(coded.codes[:, axis], minlength=len(levels))
        gone = int(n[levels.index(UNKNOWN)]) if UNKNOWN in levels else 0
        out[(MISSING, attribute)] = (int(n.sum()), gone)
        out[(ALL, attribute)] = (int(n.sum()) - gone, 0)
        out |= {(SHARE, attribute, g): (0, int(n[k])) for k, g in enumerate(levels) if g != UNKNOWN and n[k]}
    return out


def decisions(coded: CodedRows) -> dict[Key, Pair]:
    """People of one batch and those with the favourable decision, of everyone and by group."""
    good = coded.decision == (1 if coded.meaning.favourable_is_positive else 0)
    out: dict[Key, Pair] = {(ACCEPTED,): (len(good), int(good.sum()))}
    for axis, attribute in enumerate(coded.attributes):
        levels = coded.levels[axis]
        n, x = (np.bincount(codes, minlength=len(levels)) for codes in (coded.codes[:, axis], coded.codes[good, axis]))
        out |= {(ACCEPTED, attribute, g): (int(n[k]), int(x[k])) for k, g in enumerate(levels) if g != UNKNOWN and n[k]}
    return out


def scores(moves: Moves, coded: CodedRows, score: Floats | None) -> dict[Key, Pair]:
    """People of one batch with a score, (n,), and those with a score from each cut on, of everyone and by group. The
    cuts are the quarters of the first batch that has scores; NaN is none.
    """
    if score is None:
        return {}
    known = np.isfinite(score)
    cuts = sorted({float(k[1]) for k in moves.history.place if k[0] == SCORE})
    if not cuts:
        cuts = sorted(set(np.quantile(score[known], QUARTERS, method="higher").tolist())) if known.any() else []
    out: dict[Key, Pair] = {}
    for cut in cuts:
        above = known & (score >= cut)
        out[(SCORE, repr(cut))] = (int(known.sum()), int(above.sum()))
        for axis, attribute in enumerate(coded.attributes):
            levels = coded.levels[axis]
            n, x = (np.bincount(coded.codes[use, axis], minlength=len(levels)) for use in (known, above))
            out |= {
                (SCORE, repr(cut), attribute, g): (int(n[k]), int(x[k]))
                for k, g in enumerate(levels)
                if g != UNKNOWN and n[k]
            }
    return out


def composition_of(cube: Cube) -> dict[Key, Pair]:
    """As `composition`, from stored counts."""
    out: dict[Key, Pair] = {}
    for attribute in cube.attributes:
        margin = cube.margin((attribute,))
        n = {g[0]: int(v.sum()) for g, v in zip(margin.groups, margin.n, strict=True)}
        gone = n.pop(UNKNOWN, 0)
        out[(MISSING, attribute)] = (sum(n.values()) + gone, gone)
        out[(ALL, attribute)] = (sum(n.values()), 0)
        out |= {(SHARE, attribute, g): (0, k) for g, k in n.items() if k}
    return out


def decisions_of(cube: Cube) -> dict[Key, Pair]:
    """As `decisions`, from stored counts."""
    good = 1 if cube.meaning.favourable_is_positive else 0
    whole = cube.margin(()).n[0]
    out: dict[Key, Pair] = {(ACCEPTED,): (int(whole.sum()), int(whole[:, good].sum()))}
    for attribute in cube.attributes:
        margin = cube.margin((attribute,))
        for group, n in zip(margin.groups, margin.n, strict=True):
            if group[0] != UNKNOWN and n.sum():
                out[(ACCEPTED, attribute, group[0])] = (int(n.sum()), int(n[:, good].sum()))
    return out


Changes = tuple[tuple[str, Mapping[str, Any]], ...]


def seen(moves: Moves, batch: int, counts: Mapping[Key, Pair]) -> tuple[Moves, Changes]:
    """After one batch: what has changed since the first ones ("moved") or is as it was again ("back"); with facts."""
    moves = replace(moves, history=moves.history.add(batch, counts))
    history, alpha = moves.history, moves.alpha / 2**moves.turn
    whole = {k: (ALL, k[1]) for k in history.place if k[0] == SHARE}
    both = sorted(k for k in history.place if k[0] in (SHARE, ACCEPTED, SCORE))
    rises = sorted(k for k in history.place if k[0] == MISSING)
    detected = [*changes(history, both, alpha=alpha * (2 / 3 if rises else 1), people=moves.people, whole=whole)]
    detected += changes(history, rises, alpha=alpha / 3, people=moves.people, rises=True)
    events: list[tuple[str, Mapping[str, Any]]] = []
    now = dict(moves.open)
    for key, facts in moves.open.items():
        n, x = _newest(history, key, whole)
        if n and not matters(facts["before"], x / n, key):
            del now[key]
            events.append(("back", {**facts, "now": x / n}))
    # Of the cuts of one group's scores the one that moved most says it; the others would say the same again.
    for c in sorted(detected, key=lambda c: (c.key[0] == SCORE, -abs(c.change) if c.key[0] == SCORE else 0.0)):
        before, after = c.rates
        n, x = _newest(history, c.key, whole)
        if c.key in now or not n or not matters(before, after, c.key) or not matters(before, x / n, c.key):
            continue
        first = _first(history, c.key, whole)
        if first is not None and not matters(first, x / n, c.key):
            continue  # it is as it was at first: what came in between was told
        if c.key[0] == SCORE and any(k[0] == SCORE and k[2:] == c.key[2:] for k in now):
            continue
        facts = _facts(c.key, before, after, c.after[0]) | {"since": c.since, "p": c.p, "alpha": c.alpha}
        now[c.key] = facts
        events.append(("moved", facts))
    return replace(moves, open=now), tuple(events)


def matters(before: float, after: float, key: Key = (SHARE,)) -> bool:
    """Whether a share is far enough from what it was to be told."""
    low, high = min(before, after), max(before, after)
    if key[0] == SCORE:
        return high - low >= SCORES
    return high - low >= POINTS or (high - low >= POINTS / 4 and high > TIMES * low)


def _newest(history: History, key: Key, whole: Mapping[Key, Key]) -> Pair:
    n = history.newest(whole.get(key, key), NEWEST)[0]
    return n, history.newest(key, NEWEST)[1]


def _first(history: History, key: Key, whole: Mapping[Key, Key]) -> float | None:
    """The share in the first batches; None where nobody of these was there."""
    n = int(history.of(whole.get(key, key))[0][0])
    return None if n == 0 else float(history.of(key)[1][0]) / n


def _facts(key: Key, before: float, after: float, people: int) -> dict[str, Any]:
    what = key[0]
    score = {}
    if what == SCORE:
        score, key = {"from": float(key[1])}, key[1:]
    if key[0] == SHARE:
        what = "gone" if after == 0 else "new" if before == 0 else "share"
    return {
        "what": what,
        "attribute": key[1] if len(key) > 1 else None,
        "group": key[2] if len(key) > 2 else None,
        "before": before,
        "after": after,
        "people": people,
        **score,
    }
