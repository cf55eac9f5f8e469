"""Harm: is the share of wrong decisions above what it was, for anyone, by more than is tolerated?

    harm = open_harm(3, tolerance=0.05, alpha=0.05, people=50)
    harm = feed_harm(harm, batch, coded)            # rows of one batch whose outcomes are known; late ones too
    harm = look(harm)                               # once a batch
    standing(harm)                                  # who is watched, who not yet, who is harmed

A group is judged as soon as `people` of it have known outcomes before some time: these are its reference, which grows
with every batch after which nothing has changed. Those after are held against those before, whenever the change came
(audit/watch/changes.py), so that the reference's own uncertainty counts. A group of whom the first batches had fewer
is also held against every group that they had enough of: nobody knows what its share was, but it should not be wronged
more often than anyone was.

Two things are asked. That the share has risen at all: without any rise somebody is ever named with probability `alpha`
at most, however long one looks. And that the rise is more than is tolerated: the lower limit of the rise is above
`tolerance` (Newcombe's, one-sided 95 %, at that look). Groups only: where the overall share rises because the mix of
groups has changed and nobody's own did, nobody is harmed by the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from audit.cube import UNLABELLED, CodedRows, Cube
from audit.numbers import are, many
from audit.stats import newcombe, wilson
from audit.values import UNKNOWN
from audit.watch.cells import Number
from audit.watch.changes import Change, History, Pair, changes, fisher

LIMIT = 0.1
"""The rise's interval has this alpha, two-sided."""
ARRIVED = 0.1
"""The part of alpha for groups that the first batches had too few of."""
Group = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Harm:
    """Wrong decisions by (attribute, group) and batch. alarm: who was named when it was first raised; found: how.

    arrived: the look at which a group that the first batches lacked was first judged.
    """

    history: History
    tolerance: float
    alpha: float
    people: int
    alarm: tuple[Group, ...] = ()
    found: tuple[Mapping[str, Any], ...] = ()
    arrived: Mapping[Group, int] = field(default_factory=dict)
    looked: int = 0

    @property
    def ready(self) -> bool:
        """Whether the first batches are whole."""
        return self.history.open

    def to_json(self) -> dict[str, Any]:
        return {
            "history": self.history.to_json(),
            "tolerance": self.tolerance,
            "alpha": self.alpha,
            "people": self.people,
            "alarm": [list(a) for a in self.alarm],
            "found": [dict(f) for f in self.found],
            "arrived": [[*k, v] for k, v in self.arrived.items()],
            "looked": self.looked,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Harm:
        kept = msgspec.convert(data, _Kept)
        arrived = {(a, g): v for a, g, v in kept.arrived}
        return Harm(
            History.from_json(kept.history), kept.tolerance, kept.alpha, kept.people, kept.alarm, kept.found, arrived,
            kept.looked,
        )  # fmt: skip


class _Kept(msgspec.Struct):
    """Harm as it is kept."""

    history: dict[str, Any]
    tolerance: Number
    alpha: Number
    people: int
    alarm: tuple[Group, ...]
    found: tuple[dict[str, Any], ...]
    arrived: list[tuple[str, str, int]]
    looked: int


def open_harm(batches: int, *, tolerance: float, alpha: float, people: int, reference: Cube | None = None) -> Harm:
    """Nothing seen: the first `batches` are the reference, or the counts of a cube whose rows have outcomes."""
    if reference is None:
        return Harm(History.begin(first=batches), tolerance, alpha, people)
    return Harm(History.begin(counts_of(reference)), tolerance, alpha, people)


def counts_of(cube: Cube) -> dict[tuple[str, ...], Pair]:
    """People with known outcomes and those of them who were decided wrongly, by (attribute, group)."""
    out: dict[tuple[str, ...], Pair] = {}
    for attribute in cube.attributes:
        margin = cube.margin((attribute,))
        for group, n in zip(margin.groups, margin.n, strict=True):
            if UNKNOWN not in group:
                out[(attribute, group[0])] = int(n[:2].sum()), int(n[0, 1] + n[1, 0])
    return out


def feed_harm(harm: Harm, batch: int, coded: CodedRows) -> Harm:
    """Count rows of one batch whose outcome is known, whenever they come."""
    known = coded.label != UNLABELLED
    wrong = known & (coded.label != coded.decision)
    counts: dict[tuple[str, ...], Pair] = {}
    for axis, attribute in enumerate(coded.attributes):
        levels = coded.levels[axis]
        n, x = (np.bincount(coded.codes[use, axis], minlength=len(levels)) for use in (known, wrong))
        counts |= {(attribute, g): (int(n[k]), int(x[k])) for k, g in enumerate(levels) if g != UNKNOWN}
    return replace(harm, history=harm.history.add(batch, counts))


def look(harm: Harm) -> Harm:
    """Ask once for each new batch; the first alarm is kept."""
    history = harm.history
    number = history.batches - history.first
    if not history.open or number <= harm.looked:
        return harm
    keys = sorted(history.place)
    detected = list(changes(history, keys, alpha=harm.alpha * (1 - ARRIVED), people=harm.people, rises=True))
    late, arrived = _late(harm, number)
    detected += [c for c in late if c.key not in {f.key for f in detected if _beyond(harm, f)}]
    harmed = {(c.key[0], c.key[1]): c for c in detected if _beyond(harm, c)}
    harm = replace(harm, arrived=arrived, looked=number)
    if harm.alarm or not harmed:
        return harm
    return replace(harm, alarm=tuple(harmed), found=tuple(_shown(c) for c in harmed.values()))


def _shown(c: Change) -> dict[str, Any]:
    return asdict(c) | {"key": list(c.key), "before": list(c.before), "after": list(c.after)}


def _beyond(harm: Harm, c: Change) -> bool:
    """Whether the rise is surely more than is tolerated."""
    low = newcombe(c.after[1], c.after[0], c.before[1], c.before[0], LIMIT)[0]
    return bool(low > harm.tolerance)


def _late(harm: Harm, number: int) -> tuple[list[Change], dict[Group, int]]:
    """Groups that the first batches had too few of, against every group that they had enough of."""
    history, out, arrived = harm.history, [], dict(harm.arrived)
    first, whole = history.reference(), history.whole()
    few = [k for k in sorted(first) if first[k][0] < harm.people and whole[k][0] >= harm.people]
    for key in few:
        group = key[0], key[1]
        c = number - arrived.setdefault(group, number) + 1
        others = [v for k, v in first.items() if k[0] == key[0] and v[0] >= harm.people]
        if not others:
            continue
        mine = whole[key]
        p = fisher(np.array(others), np.array([mine] * len(others)), rises=True)
        level = harm.alpha * ARRIVED / (c * (c + 1)) / len(few)
        # More often than each of them: the largest p is of "no more often than the worst of them".
        worst = max(others, key=lambda v: v[1] / v[0])
        if p.max() <= level:
            out.append(Change(key, -1, worst, mine, float(p.max()), level))
    return out, arrived


def bounds(harm: Harm) -> dict[Group, float]:
    """The share of wrong decisions above which harm begins, of each group that the first batches had enough of."""
    known = {k: v for k, v in harm.history.reference().items() if v[0] >= harm.people} if harm.ready else {}
    return {
        (k[0], k[1]): min(float(wilson(x, n, harm.alpha / len(known))[1]) + harm.tolerance, 0.99)
        for k, (n, x) in known.items()
    }


@dataclass(frozen=True, slots=True)
class Standing:
    """One group: people with known outcomes and wrong decisions of these; whether it is judged ("watched", "harmed", or
    "undecided" and why); its share of wrong decisions at first and in the newest batches.
    """

    attribute: str
    group: str
    outcomes: int = 0
    wrong: int = 0
    status: str = "undecided"
    reason: str | None = "no outcomes are known yet"
    first: float | None = None
    newest: float | None = None


def standing(harm: Harm) -> list[Standing]:
    """Where every group stands."""
    out = []
    first = harm.history.reference()
    for key, (people, wrong) in sorted(harm.history.whole().items()):
        status, reason = "watched", None
        if (key[0], key[1]) in harm.alarm:
            status = "harmed"
        elif not harm.ready:
            status, reason = "undecided", "the first batches are not whole yet"
        elif people < harm.people:
            status, reason = (
                "undecided",
                f"{many(people, 'person')} with known outcomes, {harm.people:,} {are(harm.people)} needed",
            )
        then, now = (x / n if n else None for n, x in (first[key], harm.history.newest(key, 3)))
        out.append(Standing(key[0], key[1], people, wrong, status, reason, then, now))
    return out
