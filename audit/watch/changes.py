"""Has a share changed, and since when? From counts by batch alone; at every look, for all looks together.

    history = History.begin(first=3).add(batch, {key: (people, hits)})
    found = changes(history, keys, alpha=0.05, people=50, rises=True)      # after every batch

At each look those after some time are held against all before it, two samples, so that the reference's own error
counts; it grows with every quiet batch. Three families of tests, fixed beforehand, share alpha:

    since the first batches          `FIRST` of it, at every look
    since 4, 8, 16, ... batches later  `LATER`, half of it for the first of these, then a sixth, a twelfth, ...
    the newest m batches             the rest; m = 1, 2, 4, ..., at every look b: 1 / (b (b + 1)) of it together

The first two keep their reference, and many looks at one reference are nearly one: with n people before and N after,
the difference of the two shares is, in the time t = N / (n + N), a Brownian motion that ends at t = 1. The chance that
it ever passes a line a + b t is known (Anderson 1960, theorem 4.2): 1 - Phi(a + b) + exp(-2 a b) Phi(b - a). So a look
(Lancaster's mid-p of Fisher's test) lies on one line with b = `SLOPE` a, and that line's chance is its p, good at all
looks; counts are not continuous, and fewer are crossed than promised. A level line (O'Brien & Fleming 1979) asks so
much of the first looks that a small group is named late. The third family is Fisher's exact test, its p's summed over
looks.

Over many shares at one look Benjamini-Hochberg's bound says which (for "any of them" this is Simes'), each weighted
by one over the square root of its reference: a small group needs more of alpha, a large one hardly any.

Why no e-process: the rate before is not known. An e-value that holds for every rate pays for that twice (about log n),
which at 75 people of a small group in the reference is more than there is to win: in simulations it missed a rise of 20
points in 70 % of runs, the plan misses it in one of ten.

Old batches are put together, the more the older they are (the buckets of Bifet & Gavalda's ADWIN, 2007), by their
number alone: a look costs the same after a thousand batches. Late people go where they belong: the counts are those of
people who come in time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from audit.stats import benjamini_hochberg

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Key = tuple[str, ...]
Pair = tuple[int, int]
FIRST, LATER = 0.75, 0.1
"""The parts of alpha for the tests since the first batches, and since later ones that are kept as a reference."""
SLOPE = 0.5
"""By how much of itself the bound of a kept reference rises until all is known."""
TERMS = 16
"""So many terms of a tail are summed before the rest of it is bounded."""
FINE = 12
"""So many of the newest batches stand alone; of each doubled age half as many again."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Counts by batch. ends: the last batch of each bucket, the first bucket being the reference; born: the number of
    each bucket's first batch since the reference, from 1 (0 for the reference); place: the row of each key in table,
    (K, B, 2): people and hits of each bucket. first: how many batches are in the reference.
    """

    ends: tuple[int, ...] = ()
    born: tuple[int, ...] = ()
    place: Mapping[Key, int] = field(default_factory=dict)
    table: Ints = field(default_factory=lambda: np.zeros((0, 0, 2), dtype=np.int64))
    first: int = 0
    batches: int = 0

    @staticmethod
    def begin(reference: Mapping[Key, Pair] | None = None, last: int = -1, first: int = 0, batches: int = 0) -> History:
        """Nothing seen, the first `first` batches being the reference; or with a reference of `batches` of them, to
        the batch `last`."""
        if reference is None:
            return History(first=first)
        table = np.array(list(reference.values()), dtype=np.int64).reshape(-1, 1, 2)
        return History((last,), (0,), {k: i for i, k in enumerate(reference)}, table, first, batches)

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
        place = dict(self.place)
        for key in counts:
            place.setdefault(key, len(place))
        table = np.zeros((len(place), len(ends), 2), dtype=np.int64)
        table[: self.table.shape[0], : self.table.shape[1]] = self.table
        if counts:
            table[[place[k] for k in counts], at] += np.array(list(counts.values()), dtype=np.int64)
        return History(ends, born, place, table, self.first, batches)._thinned()

    def _thinned(self) -> History:
        """Buckets of one width: at most FINE; then the two oldest of them become one."""
        bounds = [*self.born, self.batches - self.first + 1]
        width = [b - a for a, b in pairwise(bounds)][1:]
        for size, many in sorted(Counter(width).items()):
            if many > FINE:
                return self._joined(1 + width.index(size))._thinned()
        return self

    def _joined(self, i: int) -> History:
        """Buckets i and i + 1 as one."""
        ends = (*self.ends[:i], *self.ends[i + 1 :])
        born = (*self.born[: i + 1], *self.born[i + 2 :])
        table = np.delete(self.table, i + 1, axis=1)
        table[:, i] += self.table[:, i + 1]
        return replace(self, ends=ends, born=born, table=table)

    def of(self, key: Key) -> tuple[Floats, Floats]:
        """People and hits of each bucket, (B,)."""
        if key not in self.place:
            return np.zeros(len(self.ends)), np.zeros(len(self.ends))
        counts = self.table[self.place[key]].astype(np.float64)
        return counts[:, 0], counts[:, 1]

    def reference(self) -> dict[Key, Pair]:
        """People and hits of the first batches, of every key."""
        if not self.ends:
            return {}
        return {k: (int(n), int(x)) for k, (n, x) in zip(self.place, self.table[:, 0].tolist(), strict=True)}

    def whole(self) -> dict[Key, Pair]:
        """People and hits of all batches, of every key."""
        return {k: (int(n), int(x)) for k, (n, x) in zip(self.place, self.table.sum(axis=1).tolist(), strict=True)}

    def newest(self, key: Key, batches: int) -> Pair:
        """People and hits of so many of the newest batches."""
        if key not in self.place:
            return 0, 0
        n, x = self.table[self.place[key], 1:][-batches:].sum(axis=0).tolist()
        return int(n), int(x)

    def to_json(self) -> dict[str, Any]:
        return {
            "ends": list(self.ends),
            "born": list(self.born),
            "counts": [[list(k), v] for k, v in zip(self.place, self.table.tolist(), strict=True)],
            "first": self.first,
            "batches": self.batches,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> History:
        kept = msgspec.convert(data, _Kept)
        table = np.array([v for _, v in kept.counts], dtype=np.int64).reshape(len(kept.counts), len(kept.ends), 2)
        place = {k: i for i, (k, _) in enumerate(kept.counts)}
        return History(kept.ends, kept.born, place, table, kept.first, kept.batches)


class _Kept(msgspec.Struct):
    """A history as it is kept."""

    ends: tuple[int, ...]
    born: tuple[int, ...]
    counts: list[tuple[tuple[str, ...], list[Pair]]]
    first: int
    batches: int


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


@dataclass(frozen=True, slots=True)
class Window:
    """A test: the number of the first bucket after the change, and its share of alpha. kept: of all its looks together,
    else of this look alone.
    """

    bucket: int
    share: float
    kept: bool


def windows(history: History) -> list[Window]:
    """The tests of this look."""
    look = history.batches - history.first
    if not history.open or look < 1:
        return []
    out = [Window(1, FIRST, kept=True)]
    place = {born: i for i, born in enumerate(history.born)}
    j = 2
    while 2**j < look:
        # A reference whose edge is put together with others is looked at no more: by then nearly all is known of it.
        if 2**j + 1 in place:
            out.append(Window(place[2**j + 1], LATER / (j * (j - 1)), kept=True))
        j += 1
    newest = []
    m = 1
    while m < look:
        if look % max(1, m // 2) == 0:
            newest.append(bisect_right(history.born, look - m + 1) - 1)
        m *= 2
    newest = [i for i in dict.fromkeys(newest) if i > 1]
    return out + [Window(i, (1 - FIRST - LATER) / (look * (look + 1)) / len(newest), kept=False) for i in newest]


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
    before, after = compared(history, tests, keys, whole)
    p = chances(tests, before, after, people=people, rises=rises)
    enough = before[..., 0] >= people  # whoever came since: weights are of the reference alone
    best: dict[Key, Change] = {}
    for k in np.flatnonzero((p < alpha * len(keys)).any(axis=1)):
        use = np.flatnonzero(enough[k])
        weight = 1 / np.sqrt(before[k, use, 0])
        weight *= len(use) / weight.sum()
        level = alpha * tests[k].share
        if (p[k, use] / weight).min() > level:
            continue  # no bound of Benjamini and Hochberg is below the smallest p
        for i, w, q in zip(use, weight, benjamini_hochberg(np.minimum(p[k, use] / weight, 1.0)), strict=True):
            key, each = keys[int(i)], float(p[k, i])
            if q <= level and (key not in best or each / (level * w) < best[key].p / best[key].alpha):
                was, now = ((int(v[k, i, 0]), int(v[k, i, 1])) for v in (before, after))
                best[key] = Change(key, history.ends[tests[k].bucket - 1], was, now, each, float(level * w))
    return tuple(best.values())


def compared(
    history: History, tests: Sequence[Window], keys: Sequence[Key], whole: Mapping[Key, Key] | None = None
) -> tuple[Floats, Floats]:
    """People and hits before and since, (T, K, 2) each, for every test and key."""
    none = len(history.place)
    table = np.concatenate([history.table, np.zeros((1, *history.table.shape[1:]), dtype=np.int64)]).astype(np.float64)
    of, hits = ([history.place.get(k, none) for k in ks] for ks in ([(whole or {}).get(k, k) for k in keys], keys))
    counts = np.stack([table[of, :, 0], table[hits, :, 1]], axis=-1)
    edge = [t.bucket for t in tests]
    before = (np.cumsum(counts, axis=1) - counts)[:, edge].swapaxes(0, 1)
    return before, counts.sum(axis=1) - before


def chances(tests: Sequence[Window], before: Floats, after: Floats, *, people: int, rises: bool) -> Floats:
    """p of every test and key, (T, K); 1 where fewer than `people` were before, or nobody since."""
    use = (before[..., 0] >= people) & (after[..., 0] > 0)
    p = np.ones(use.shape)
    kept = np.array([t.kept for t in tests])
    for mine, test_of in ((use & kept[:, None], always), (use & ~kept[:, None], fisher)):
        if mine.any():
            p[mine] = test_of(before[mine], after[mine], rises=rises)
    return p


def always(before: Any, after: Any, *, rises: bool) -> Floats:
    """p, (K,), of people and hits (K, 2) that is good at all looks that keep `before`: see above."""
    from scipy.special import ndtr, ndtri

    (n1, _), (n2, _) = (np.asarray(v, dtype=np.float64).T for v in (before, after))
    time = n2 / np.maximum(n1 + n2, 1)
    sides = (_tail(before, after, middle=True), None if rises else _tail(*_turned(before, after), middle=True))
    each = []
    for p in sides:
        if p is not None:
            at = -np.sqrt(time) * ndtri(np.clip(np.exp(p), 1e-300, 1.0))
            a = np.maximum(at / (1 + SLOPE * time), 0.0)
            b = SLOPE * a
            each.append(ndtr(-a - b) + np.exp(-2 * a * b) * ndtr(b - a))
    out: Floats = np.minimum(len(each) * np.min(each, axis=0), 1.0)
    return out


def fisher(before: Any, after: Any, *, rises: bool) -> Floats:
    """Fisher's exact p, (K,), of people and hits (K, 2): "the second is no more often" (`rises`), or twice the smaller
    tail; never too small, and in the tails nearly exact.
    """
    tail = _tail(before, after)
    if not rises:
        tail = np.log(2) + np.minimum(tail, _tail(*_turned(before, after)))
    out: Floats = np.exp(np.minimum(tail, 0.0))
    return out


def _turned(before: Any, after: Any) -> tuple[Floats, Floats]:
    """Those who are no hits in place of those who are."""
    one, two = (np.array(v, dtype=np.float64) for v in (before, after))
    one[:, 1], two[:, 1] = one[:, 0] - one[:, 1], two[:, 0] - two[:, 1]
    return one, two


def _tail(before: Any, after: Any, *, middle: bool = False) -> Floats:
    """log of the chance of as many hits or more among the second, all hits given; `middle`: of these as many by half.

    The first terms are summed; ratios of terms fall, so that the rest is at most a geometric series.
    """
    from scipy.special import gammaln

    (n1, x1), (n2, x2) = (np.asarray(v, dtype=np.float64).T for v in (before, after))
    total, good = n1 + n2, x1 + x2

    def choose(n: Floats, k: Floats) -> Floats:
        out: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return out

    def ratio(x: Floats) -> Floats:
        out: Floats = (good - x) * (n2 - x) / ((x + 1) * np.maximum(total - good - n2 + x + 1, 1.0))
        return np.maximum(out, 0.0)

    first = choose(good, x2) + choose(total - good, n2 - x2) - choose(total, n2)
    terms = np.cumprod(ratio(x2 + np.arange(TERMS)[:, None]), axis=0)
    share = (0.5 if middle else 1.0) + terms.sum(axis=0)
    last = ratio(x2 + TERMS)
    share += terms[-1] * last / (1 - np.minimum(last, 1 - 1e-12))
    # Below the mode the terms still rise: then it is no tail, and says nothing.
    out: Floats = np.where(ratio(x2) < 1, np.minimum(first + np.log(share), 0.0), 0.0)
    return out
