"""Many streams of counts through the loop's tests side by side: the same decisions, an array operation for all of them.

    n, x = counts(seed, streams, share, wrong)          # people and hits, (batches, streams, groups)
    named(n, x)                                         # of each stream: the batch at which harm named whom, or None
    moved(n, x)                                         # the batch at which a change of shares was told, or None

All streams are in one history (their buckets are the same) and the p-values of all come from one call. Nobody is named
whose share has not moved by what matters (`tolerance`, `matters`), nor by a p above its test's share of alpha times its
weight (no bound of `changes` is above that). A stream that has one of both is asked by itself, by the product's own
`look` and `seen`. tests/audit/watch/test_streams.py holds them against runs one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.watch.changes import History, Key, Pair, chances, compared, windows
from audit.watch.harm import Harm, look, open_harm
from audit.watch.moves import ACCEPTED, ALL, MISSING, POINTS, SHARE, TIMES, Moves, open_moves, seen

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Named = tuple[int, tuple[tuple[str, str], ...]]
FIRST = 3


def counts(seed: Sequence[int], streams: int, share: Any, hits: Any, size: int) -> tuple[Ints, Ints]:
    """People and hits of each group. share, hits: (batches, groups). A batch is `size` people who come at random."""
    rng = np.random.default_rng([*seed])
    share, hits = np.asarray(share, dtype=float), np.asarray(hits, dtype=float)
    n = np.stack([rng.multinomial(size, p, size=streams) for p in share])
    return n, rng.binomial(n, hits[:, None, :])


def pairs(n: Ints, x: Ints, b: int, s: int) -> dict[Key, Pair]:
    return {("a", f"g{k}"): (int(n[b, s, k]), int(x[b, s, k])) for k in range(n.shape[2])}


def decided(n: Ints, x: Ints, b: int, s: int) -> dict[Key, Pair]:
    """As audit.watch.moves.decisions."""
    out: dict[Key, Pair] = {(ACCEPTED,): (int(n[b, s].sum()), int(x[b, s].sum()))}
    return out | {(ACCEPTED, *k): v for k, v in pairs(n, x, b, s).items() if v[0]}


def composed(n: Ints, x: Ints, b: int, s: int) -> dict[Key, Pair]:
    """As audit.watch.moves.composition, everybody's group being known."""
    out: dict[Key, Pair] = {(MISSING, "a"): (int(n[b, s].sum()), 0), (ALL, "a"): (int(n[b, s].sum()), 0)}
    return out | {(SHARE, *k): (0, v[0]) for k, v in pairs(n, x, b, s).items() if v[0]}


def _side_by_side(
    n: Ints,
    x: Ints,
    of: Callable[[Ints, Ints, int, int], dict[Key, Pair]],
    alpha: float,
    people: int,
    ask: Callable[[History, int], Any],
    far: Callable[[Floats, Floats], npt.NDArray[np.bool_]],
    rises: bool,
) -> dict[int, Any]:
    """What `ask` first says of each stream by itself, with the batch."""
    batches, streams, _ = n.shape
    history, alarms = History.begin(first=FIRST), {}
    for b in range(batches):
        going = [s for s in range(streams) if s not in alarms]
        each = {s: of(n, x, b, s) for s in going}
        history = history.add(b, {(str(s), *k): v for s, mine in each.items() for k, v in mine.items()})
        tests = windows(history)
        if not tests:
            continue
        keys = [k for k in history.place if k[1] not in (ALL, MISSING) and int(k[0]) not in alarms]
        whole = {k: (k[0], ALL, k[2]) for k in keys if k[1] == SHARE}
        before, after = compared(history, tests, keys, whole)
        was, now = (v[..., 1] / np.maximum(v[..., 0], 1) for v in (before, after))
        p = chances(tests, before, np.where(far(was, now)[..., None], after, 0), people=people, rises=rises)
        # The largest that each may be: the share of its test, its weight among its stream's keys.
        stream = np.array([int(k[0]) for k in keys])
        weight = np.where(before[..., 0] >= people, 1 / np.sqrt(np.maximum(before[..., 0], 1)), 0.0)
        mean = [np.bincount(stream, w) / np.maximum(np.bincount(stream, w > 0), 1) for w in weight]
        level = [alpha * t.share * w / np.maximum(m[stream], 1e-9) for t, w, m in zip(tests, weight, mean, strict=True)]
        for s in sorted(set(stream[(p <= 1.001 * np.array(level)).any(axis=0)].tolist())):
            alarm = ask(_alone(history, s), b)
            if alarm:
                alarms[s] = (b, alarm)
    return alarms


def _alone(history: History, s: int) -> History:
    rows = [i for k, i in history.place.items() if k[0] == str(s)]
    place = {k[1:]: j for j, k in enumerate(k for k in history.place if k[0] == str(s))}
    return replace(history, place=place, table=history.table[rows])


def named(n: Ints, x: Ints, settings: Mapping[str, Any]) -> list[Named | None]:
    """When harm named whom; n, x: (batches, streams, groups). A stream with a group of few at first goes alone."""
    people = int(settings["people"])
    small = np.flatnonzero((n[:FIRST].sum(axis=0) < people).any(axis=1))
    large = np.setdiff1d(np.arange(n.shape[1]), small)
    begun = open_harm(FIRST, **settings)

    def ask(history: History, b: int) -> Any:
        return look(replace(begun, history=history)).alarm

    alarms = _side_by_side(
        n[:, large],
        x[:, large],
        pairs,
        settings["alpha"],
        people,
        ask,
        lambda was, now: now - was > settings["tolerance"],
        rises=True,
    )
    out: list[Named | None] = [None] * n.shape[1]
    for i, alarm in alarms.items():
        out[large[i]] = alarm
    for s in small:
        harm: Harm = begun
        for b in range(len(n)):
            harm = look(replace(harm, history=harm.history.add(b, pairs(n, x, b, s))))
            if harm.alarm:
                out[s] = b, harm.alarm
                break
    return out


def moved(n: Ints, x: Ints, of: Callable[[Ints, Ints, int, int], dict[Key, Pair]]) -> list[int | None]:
    """The batch at which a change was told; of: `decided` or `composed`."""
    begun: Moves = open_moves(FIRST, alpha=0.05, people=50)

    def ask(history: History, b: int) -> Any:
        # `seen` adds the batch itself: nothing more of it.
        return seen(replace(begun, history=history), b, {})[1]

    def far(was: Floats, now: Floats) -> npt.NDArray[np.bool_]:
        moved = np.abs(now - was)
        return (moved >= POINTS) | ((moved >= POINTS / 4) & (np.maximum(was, now) > TIMES * np.minimum(was, now)))

    alarms = _side_by_side(n, x, of, begun.alpha / 2, begun.people, ask, far, rises=False)
    return [alarms[s][0] if s in alarms else None for s in range(n.shape[1])]
