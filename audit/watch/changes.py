"""Has a share changed, and since when? From counts by batch alone; at every look, for all looks together.

    history = History.begin(first=3).add(batch, {key: (people, hits)})
    found = changes(history, keys, alpha=0.05, people=50, rises=True)      # after every batch

At each look those after some time are held against all before it by Fisher's exact test of two samples: the reference
has an error of its own, and grows with every quiet batch. Two families of tests, fixed beforehand, have half of alpha
each:

    since the first batches     the i-th at i = 1, 2, 3, 4, 6, 8, 12, ... batches after these: alpha / 2 / (i (i + 1))
    the newest m batches        m = 1, 2, 4, ..., at every look b (long ones at some): alpha / 2 / (b (b + 1)) together

which sum to alpha, so that a feed that never changes is ever told of with probability alpha at most, however long it
is. Over many shares at one look Benjamini-Hochberg's bound says which (for "any of them" this is Simes').

Why p-values with a plan and not an e-process: the rate before is not known. An e-value that holds for every rate pays
for that twice (about log n), which at 75 people of a small group in the reference is more than there is to win: in
simulations (bench/loop_power.py) it missed a rise of 20 points in 70 % of runs, the plan misses it in under 15 %.

Old batches are put together, the more the older they are (the buckets of Bifet & Gavalda's ADWIN, 2007), by their
number alone: a look costs the same after a thousand batches. Late people go where they belong: the counts are those of
people who come in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.stats import benjamini_hochberg

Floats = npt.NDArray[np.float64]
Key = tuple[str, ...]
Pair = tuple[int, int]
SINCE = 2 / 3
"""The part of alpha for the tests since the first batches."""
FINE = 12
"""So many of the newest batches stand alone; of each doubled age half as many again."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Counts by batch. ends: the last batch of each bucket, the first bucket being the reference; born: the number of
    each bucket's first batch since the reference, from 1 (0 for the reference); counts: key -> people and hits of each
    bucket. quiet: how many batches are in the reference.
    """

    ends: tuple[int, ...] = ()
    born: tuple[int, ...] = ()
    counts: Mapping[Key, tuple[Pair, ...]] = ()  # type: ignore[assignment]
    first: int = 0
    batches: int = 0

    @staticmethod
    def begin(reference: Mapping[Key, Pair] | None = None, last: int = -1, first: int = 0) -> History:
        """Nothing seen but, where it is given, a whole reference; else the first `first` batches are it."""
        if reference is None:
            return History((), (), {}, first, 0)
        return History((last,), (0,), {k: (tuple(v),) for k, v in reference.items()}, 0, 0)  # type: ignore[misc]

    @property
    def open(self) -> bool:
        """Whether the reference is whole."""
        return bool(self.ends) and self.batches >= self.first

    def add(self, batch: int, counts: Mapping[Key, Pair]) -> History:
        """The people of one batch; of one that is known already (late ones) into its bucket."""
        at = next((i for i, e in enumerate(self.ends) if batch <= e), None)
        ends, born, batches = self.ends, self.born, self.batches
        if at is None:
            batches += 1
            if batches <= self.first and ends:
                ends, at = (batch,), 0
            else:
                ends, born = (*ends, batch), (*born, 0 if not ends else batches - self.first)
                at = len(ends) - 1
        out: dict[Key, tuple[Pair, ...]] = {}
        for key in [*self.counts, *(k for k in counts if k not in self.counts)]:
            mine = list(self.counts.get(key, ()))
            mine += [(0, 0)] * (len(ends) - len(mine))
            n, x = counts.get(key, (0, 0))
            mine[at] = (mine[at][0] + int(n), mine[at][1] + int(x))
            out[key] = tuple(mine)
        return replace(self, ends=ends, born=born, counts=out, batches=batches)._thinned()

    def _thinned(self) -> History:
        """Buckets of one width: at most FINE; then the two oldest of them become one."""
        last = self.batches - self.first
        bounds = [*self.born, last + 1]
        width = [b - a for a, b in pairwise(bounds)]
        for size in sorted(set(width[1:])):
            same = [i for i in range(1, len(width)) if width[i] == size]
            if len(same) > FINE:
                return self._joined(same[0])._thinned()
        return self

    def _joined(self, i: int) -> History:
        """Buckets i and i + 1 as one."""
        ends = (*self.ends[:i], *self.ends[i + 1 :])
        born = (*self.born[: i + 1], *self.born[i + 2 :])
        counts = {
            k: (*v[:i], (v[i][0] + v[i + 1][0], v[i][1] + v[i + 1][1]), *v[i + 2 :]) for k, v in self.counts.items()
        }
        return replace(self, ends=ends, born=born, counts=counts)

    def of(self, key: Key) -> tuple[Floats, Floats]:
        """People and hits of each bucket, (B,)."""
        found = np.array(self.counts.get(key, ((0, 0),) * len(self.ends)), dtype=np.float64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def people(self, key: Key) -> int:
        return int(sum(n for n, _ in self.counts.get(key, ())))

    def newest(self, key: Key, batches: int) -> Pair:
        """People and hits of so many of the newest batches."""
        tail = self.counts.get(key, ())[1:][-batches:]
        return sum(n for n, _ in tail), sum(x for _, x in tail)

    def to_json(self) -> dict[str, Any]:
        return {
            "ends": list(self.ends),
            "born": list(self.born),
            "counts": [[list(k), [list(p) for p in v]] for k, v in self.counts.items()],
            "first": self.first,
            "batches": self.batches,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> History:
        counts = {tuple(k): tuple((int(n), int(x)) for n, x in v) for k, v in data["counts"]}
        return History(tuple(data["ends"]), tuple(data["born"]), counts, data["first"], data["batches"])


@dataclass(frozen=True, slots=True)
class Change:
    """One share that has changed. since: the last batch before it; before, after: people and hits; p: of the test,
    alpha: what it was held against.
    """

    key: Key
    since: int
    before: Pair
    after: Pair
    p: float
    alpha: float

    @property
    def rates(self) -> tuple[float, float]:
        return _rate(self.before), _rate(self.after)

    @property
    def change(self) -> float:
        """After less before."""
        return _rate(self.after) - _rate(self.before)


def _rate(pair: Pair) -> float:
    return pair[1] / pair[0] if pair[0] else 0.0


def windows(history: History) -> list[tuple[int, float]]:
    """The tests of this look: number of the first bucket after the change, and the share of alpha it has."""
    look = history.batches - history.first
    if not history.open or look < 1:
        return []
    out = []
    if look & (look - 1) == 0:
        i = look.bit_length()
        out.append((1, SINCE * (0.1 if i <= 8 else 0.2 / ((i - 8) * (i - 7)))))
    newest = []
    m = 1
    while m < look:
        if look % max(1, m // 2) == 0:
            newest.append(max(i for i, born in enumerate(history.born) if born <= look - m + 1))
        m *= 2
    newest = [i for i in dict.fromkeys(newest) if i > 1]
    return out + [(i, (1 - SINCE) / (look * (look + 1)) / len(newest)) for i in newest]


def changes(
    history: History,
    keys: Sequence[Key],
    *,
    alpha: float,
    people: int,
    rises: bool = False,
    whole: Mapping[Key, Key] | None = None,
) -> tuple[Change, ...]:
    """The shares that have changed by this look (`rises`: that have risen), each at its clearest.

    people: so many are needed before the change; a share of fewer is not tested. whole: the key whose people a key's
    hits are a share of, where these are not its own. It is to be asked after every batch: what each look may spend is
    fixed by its number.
    """
    tests = windows(history)
    if not tests or not keys:
        return ()
    n = np.array([history.of((whole or {}).get(k, k))[0] for k in keys])
    x = np.array([history.of(k)[1] for k in keys])
    n1, x1 = np.cumsum(n, axis=1), np.cumsum(x, axis=1)
    best: dict[Key, Change] = {}
    for first, share in tests:
        before, after = (np.stack(v, axis=1) for v in (
            (n1[:, first - 1], x1[:, first - 1]), (n1[:, -1] - n1[:, first - 1], x1[:, -1] - x1[:, first - 1])
        ))  # fmt: skip
        use = np.flatnonzero((before[:, 0] >= people) & (after[:, 0] > 0))
        if not len(use):
            continue
        p = fisher(before[use], after[use], rises=rises)
        level = alpha * share
        for i, each, q in zip(use, p, benjamini_hochberg(p), strict=True):
            key = keys[int(i)]
            if q <= level and (key not in best or each / level < best[key].p / best[key].alpha):
                was, now = ((int(v[i, 0]), int(v[i, 1])) for v in (before, after))
                best[key] = Change(key, history.ends[first - 1], was, now, float(each), level)
    return tuple(best.values())


def fisher(before: Any, after: Any, *, rises: bool) -> Floats:
    """Fisher's exact p, (K,), of people and hits (K, 2): "the second is no more often" (`rises`), or twice the smaller
    tail. A tail is at most its first term / (1 - ratio of the second to the first), since the ratios fall: never too
    small, and in the tails nearly exact.
    """
    from scipy.special import gammaln

    (n1, x1), (n2, x2) = (np.asarray(v, dtype=np.float64).T for v in (before, after))
    total, good = n1 + n2, x1 + x2

    def choose(n: Floats, k: Floats) -> Floats:
        out: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return out

    first = choose(good, x2) + choose(total - good, n2 - x2) - choose(total, n2)
    up = (good - x2) * (n2 - x2) / ((x2 + 1) * (total - good - n2 + x2 + 1))
    # Below the mode the terms still rise: then it is no tail, and says nothing.
    tail = np.where(up < 1, first - np.log1p(-np.minimum(up, 1 - 1e-12)), 0.0)
    if not rises:
        down = x2 * (total - good - n2 + x2) / ((good - x2 + 1) * (n2 - x2 + 1))
        tail = np.log(2) + np.minimum(tail, first - np.log1p(-np.minimum(down, 1 - 1e-12)))
    out: Floats = np.exp(np.minimum(tail, 0.0))
    return out
