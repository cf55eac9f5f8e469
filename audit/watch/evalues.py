"""Testing by betting: e-processes and e-detectors over blocks of two groups, valid at every look.

    blocks, waiting = close_blocks(side, hit, waiting)
    up, down = difference_logs(blocks, tolerance)     # by what each bet multiplies its wealth, as logs
    stream, path = advance(stream, up)

E-process: wealth is multiplied, block by block, by something whose mean is 1 at most where the norm holds; it is a
supermartingale then, so that by Ville's inequality it ever reaches 1 / alpha with probability alpha at most, whenever
and however often one looks (Shekhar & Ramdas 2023; Chugg et al. 2023). One bet does not serve all gaps: wealth
is spread over a fixed grid of bets (a mixture, itself a supermartingale) and needs no tuning.

The bet. The norm says r p1 - p2 <= e (r = 1: a difference of at most e; e = 0: a ratio of at least r). In a block with
a people of the first group and b of the second, for k >= 0 and any t1, t2 with r t1 - t2 = e,

    E = prod over the first of (1 + k r / a (y - t1))  x  prod over the second of (1 - k / b (y - t2))

has log mean of at most k (r p1 - p2 - e) <= 0 by log(1 + u) <= u. With t the norm's nearest point to what was seen
before and k = gap / variance it is near the likelihood ratio, and for it to be valid neither needs to be right: both
are known before the block. The two-sample e-value of Turner, Ly & Grunwald (2024) is the case e = 0, r = 1.

E-detector (Shin, Ramdas & Rinaldo 2024): M <- (M + m) x E, the sum of the e-processes begun so far, each with wealth m
(Shiryaev-Roberts). One is begun every 4 blocks, with m = 4, so that M less the number of blocks is a supermartingale:
raising the alarm at M >= A, false alarms are at least A blocks (of eight people or more) apart on average. An e-process
that has lost its wealth over a long quiet time is slow to see a change; the detector always has a fresh one.

Blocks. People of two groups arrive unevenly. A block is closed after every handful of eight people if both groups are
in it, else after the next handful: by who came and never by what was decided. Nobody is left out.

All sums run in the order of arrival, so that states are the same bit for bit however the rows are cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BETS: Floats = np.array([0.005, 0.02, 0.05, 0.1, 0.2, 0.35])
"""Each bet is best for one distance beyond the norm: half a point, two points, ... thirty-five points."""
SHARES: Floats = np.array([0.01, 0.04, 0.12, 0.20, 0.28, 0.35])
"""How the wealth is spread over the bets: little on small ones, which win in long streams only, where it is made up."""
FAST: Ints = np.array([2, 3, 4])
"""Which of the bets the detector uses, in equal parts."""
HANDFUL = 8
"""Blocks are closed after so many people of the two groups."""
EVERY = 4
"""The detector starts another e-process every so many blocks."""
MASS = float(np.log(EVERY))
"""What each of them starts with, as a log: the blocks until the next, so that the detector counts blocks."""
MOST = 0.9
"""No person takes more than this part of a bet's wealth."""
RARE = 0.001
"""No rate is expected to be nearer to 0 or 1 than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One hypothesis. log_wealth (K,) per bet; the detector is wealth x exp(fresh), where fresh (D,) is the log of the
    sum of m / wealth where an e-process was begun. blocks: how many so far.
    """

    log_wealth: Floats
    fresh: Floats
    blocks: int

    def same(self, other: Stream) -> bool:
        """Whether both have seen the same."""
        return self is other or (
            self.blocks == other.blocks
            and np.array_equal(self.log_wealth, other.log_wealth)
            and np.array_equal(self.fresh, other.fresh)
        )

    @property
    def log_e(self) -> float:
        """Log of the e-value."""
        return float(log_wealth(self.log_wealth))

    @property
    def log_m(self) -> float:
        """Log of the detector; -inf before the first block."""
        return float(log_mean(self.log_wealth[FAST] + self.fresh))

    def to_json(self) -> dict[str, Any]:
        fresh = self.fresh.tolist() if self.blocks else None
        return {"wealth": self.log_wealth.tolist(), "fresh": fresh, "blocks": self.blocks}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Stream:
        if not data["blocks"]:
            return start()
        wealth, fresh = (np.array(data[k], dtype=np.float64) for k in ("wealth", "fresh"))
        return Stream(wealth, fresh, data["blocks"])


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """By what each bet multiplies its wealth: table (K, U), one column per kind of block; kind (n,) of each block."""

    table: Floats
    kind: Ints

    @property
    def each(self) -> Floats:
        """Per block, (n, K)."""
        out: Floats = self.table[:, self.kind].T
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """After chosen numbers of blocks of a batch: log_e and log_m of the mixtures."""

    log_e: Floats
    log_m: Floats


def start() -> Stream:
    """A stream that has seen nothing: wealth 1, detector 0."""
    return Stream(np.zeros(len(BETS)), np.full(len(FAST), -np.inf), 0)


def advance(stream: Stream, logs: Logs, at: Ints | None = None) -> tuple[Stream, Path]:
    """Multiply the wealth of each bet by exp(logs), block by block. The path is after `at` blocks (0..n), by default
    after each.
    """
    n = len(logs.kind)
    wealth = np.empty((len(BETS), n + 1))
    wealth[:, 0] = stream.log_wealth
    # In one order whatever the batch: the sums are the same to the last bit.
    np.take(logs.table, logs.kind, axis=1, out=wealth[:, 1:])
    np.add.accumulate(wealth, axis=1, out=wealth)
    # The blocks before which the detector starts another e-process: the 1st, 5th, ... of the stream.
    starts = np.arange(-stream.blocks % EVERY, n, EVERY)
    fresh = np.empty((len(FAST), len(starts) + 1))
    fresh[:, 0] = stream.fresh
    fresh[:, 1:] = MASS - wealth[FAST[:, None], starts]
    np.logaddexp.accumulate(fresh, axis=1, out=fresh)
    at = np.arange(n + 1) if at is None else at
    then = wealth[:, at]
    seen = np.searchsorted(starts, at, side="left")
    path = Path(log_wealth(then), log_mean(then[FAST] + fresh[:, seen]))
    return Stream(wealth[:, -1].copy(), fresh[:, -1].copy(), stream.blocks + n), path


def log_wealth(wealth: Floats) -> Floats:
    """log of the e-value from the log wealth of the bets, (K, ...): the mixture."""
    out: Floats = log_sum((wealth.T + np.log(SHARES)).T)
    return out


def log_mean(logs: Floats) -> Floats:
    """log of the mean of exp over the first axis; -inf stays -inf."""
    out: Floats = log_sum(logs) - np.log(len(logs))
    return out


def log_sum(logs: Floats) -> Floats:
    """log of the sum of exp over the first axis."""
    top = logs.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        out: Floats = safe + np.log(np.exp(logs - safe).sum(axis=0))
    return out


@dataclass(frozen=True, slots=True)
class Open:
    """Between two blocks. people: since the last one was closed; open: people and successes of the first group, and of
    the second, among them; closed: the same of all blocks so far; known: the same at the last doubling, from which
    follows where the rates are expected.
    """

    people: int = 0
    open: tuple[int, int, int, int] = (0, 0, 0, 0)
    closed: tuple[int, int, int, int] = (0, 0, 0, 0)
    known: tuple[int, int, int, int] = (0, 0, 0, 0)

    def to_json(self) -> list[Any]:
        return [self.people, list(self.open), list(self.closed), list(self.known)]

    @staticmethod
    def from_json(data: Sequence[Any]) -> Open:
        return Open(int(data[0]), *(_four(v) for v in data[1:]))


def _four(v: Any) -> tuple[int, int, int, int]:
    return int(v[0]), int(v[1]), int(v[2]), int(v[3])


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Closed blocks. counts (n, 4): people and successes of the first group, and of the second; known (n, 4): the same
    of everyone before, as of the last doubling; end (n,): the number of the row that closed it. Equal blocks are
    worked out once: kind (n,) is each one's place in `alike`, which names one block of each kind.
    """

    counts: Ints
    known: Ints
    end: Ints
    kind: Ints
    alike: Ints

    def __len__(self) -> int:
        return len(self.end)


def close_blocks(side: npt.NDArray[Any], hit: npt.NDArray[Any], waiting: Open) -> tuple[Blocks, Open]:
    """Cut rows of two groups, side (n,) in 0, 1 and hit (n,) in 0, 1, into blocks; `end` counts these rows from 0.

    The outcome is the same however the rows are cut: `waiting` is what the rows before left open.
    """
    n = len(side)
    last = np.arange(HANDFUL - waiting.people % HANDFUL - 1, n, HANDFUL)
    sums = _running(side, hit, np.append(last, n - 1) if n else last) + np.array(waiting.open)
    closing = _closings(np.diff(sums[:-1], axis=0, prepend=0)) if len(last) else np.zeros(0, dtype=bool)
    at = np.flatnonzero(closing)
    counts = np.diff(sums[at], axis=0, prepend=0)
    ends = last[at]
    if len(at) == 0:
        left = Open(waiting.people + n, _four(sums[-1]) if n else waiting.open, waiting.closed, waiting.known)
        return _blocks(counts, counts, ends), left
    known, closed, newest = _known(counts, waiting)
    return _blocks(counts, known, ends), Open(n - 1 - int(ends[-1]), _four(sums[-1] - sums[at[-1]]), closed, newest)


def _running(side: npt.NDArray[Any], hit: npt.NDArray[Any], at: Ints) -> Ints:
    """People and successes of the first group and of the second up to each of the rows `at`, (len(at), 4)."""
    # Three counts in one number, 21 bits each: a batch of more than two million rows of two groups is cut before.
    second = np.asarray(side, dtype=np.int64)
    one = np.asarray(hit, dtype=np.int64)
    total = np.cumsum(second + (one << 21) + ((one & second) << 42))[at]
    mask = (1 << 21) - 1
    seconds, hits, both = total & mask, (total >> 21) & mask, total >> 42
    out: Ints = np.stack([at + 1 - seconds, hits - both, seconds, both], axis=1)
    return out


def _closings(parts: Ints) -> Bools:
    """Which handfuls close a block: both groups were seen since the last one did. parts (n, 4), n > 0."""
    kind = np.where(parts[:, 2] == 0, 0, np.where(parts[:, 0] == 0, 1, 2))
    previous = np.concatenate([[2], kind[:-1]])
    change = (kind < 2) & (previous < 2) & (kind != previous)
    # Of handfuls of one group only, one that follows the other group closes, unless that one has just closed.
    place = np.arange(len(kind))
    since = place - np.maximum.accumulate(np.where(change, -1, place))
    out: Bools = (kind == 2) | (change & (since % 2 == 1))
    return out


_Four = tuple[int, int, int, int]


def _known(counts: Ints, waiting: Open) -> tuple[Ints, _Four, _Four]:
    """What is known before each block, (n, 4): renewed whenever the number of people has doubled. And both totals."""
    total = np.cumsum(counts, axis=0) + np.array(waiting.closed)
    people = total[:, 0] + total[:, 2]
    out = np.empty_like(counts)
    newest, begin = waiting.known, 0
    while True:
        due = int(np.searchsorted(people, max(2 * HANDFUL, 2 * (newest[0] + newest[2]))))
        out[begin : due + 1] = newest
        if due >= len(counts):
            return out, _four(total[-1]), newest
        newest, begin = _four(total[due]), due + 1


def _blocks(counts: Ints, known: Ints, end: Ints) -> Blocks:
    usual = counts[:, 0] + counts[:, 2] == HANDFUL
    turn = np.cumsum(np.any(known[1:] != known[:-1], axis=1)) if len(end) else np.zeros(0, dtype=np.int64)
    turn = np.concatenate([[0], turn])[: len(end)]
    base = HANDFUL + 1
    key = ((turn * base + counts[:, 0]) * base + counts[:, 1]) * base + counts[:, 3]
    top = (int(turn[-1]) + 1) * base**3 if len(end) else 0
    key = np.where(usual, key, top + np.arange(len(end)))
    place = np.full(top + len(end), -1, dtype=np.int64)
    place[key[::-1]] = np.arange(len(end))[::-1]
    alike = np.sort(place[place >= 0])
    place[key[alike]] = np.arange(len(alike))
    return Blocks(counts, known, end, place[key], alike)


def difference_logs(blocks: Blocks, tolerance: float) -> tuple[Logs, Logs]:
    """Against "the first is at most `tolerance` above the second", and the reverse."""
    return _logs(blocks, 1.0, tolerance, (0, 1, 2, 3)), _logs(blocks, 1.0, tolerance, (2, 3, 0, 1))


def ratio_logs(blocks: Blocks, floor: float) -> tuple[Logs, Logs]:
    """Against "the second is at least `floor` of the first", and the reverse."""
    return _logs(blocks, floor, 0.0, (0, 1, 2, 3)), _logs(blocks, floor, 0.0, (2, 3, 0, 1))


def _logs(blocks: Blocks, r: float, e: float, order: tuple[int, int, int, int]) -> Logs:
    """The logs of E against r p1 - p2 <= e."""
    if r <= 0 or e >= 1 - 4 * RARE:  # a norm that nothing can break
        return Logs(np.zeros((len(BETS), len(blocks.alike))), blocks.kind)
    counts, known = blocks.counts[blocks.alike], blocks.known[blocks.alike]
    # Stakes depend on who is in a block and on what is known, not on what became of them: few to work out.
    key = (np.searchsorted(known.sum(axis=1), known.sum(axis=1)) << 42) + (counts[:, 0] << 21) + counts[:, 2]
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    n1, x1, n2, x2 = counts[:, order].T.astype(np.float64)
    m1, y1, m2, y2 = known[first][:, order].T.astype(np.float64)
    a, b = n1[first], n2[first]
    p1, p2 = (y1 + 1) / (m1 + 2), (y2 + 1) / (m2 + 2)
    v1, v2 = p1 * (1 - p1) / a, p2 * (1 - p2) / b
    # The point of the norm that is nearest to what was seen.
    t1 = p1 - (r * p1 - p2 - e) * r * v1 / (r * r * v1 + v2)
    t1 = np.clip(t1, max(RARE, (e + RARE) / r), min(1 - RARE, (e + 1 - RARE) / r))
    t2 = r * t1 - e
    stake = BETS[:, None] / (r * r * t1 * (1 - t1) / a + t2 * (1 - t2) / b)
    stake = np.minimum(stake, MOST * np.minimum(a / (r * t1), b / (1 - t2)))
    c1, c2 = stake * r / a, stake / b
    won1, lost1 = np.log1p(c1 * (1 - t1))[:, place], np.log1p(-c1 * t1)[:, place]
    won2, lost2 = np.log1p(-c2 * (1 - t2))[:, place], np.log1p(c2 * t2)[:, place]
    return Logs(x1 * won1 + (n1 - x1) * lost1 + x2 * won2 + (n2 - x2) * lost2, blocks.kind)


def rise_logs(wrong: npt.NDArray[Any], people: int, bound: float) -> Logs:
    """Against "at most `bound` (in 0..1) of people go wrong", for numbers of `wrong` (n,) among so many."""
    bound = min(max(bound, RARE), 1 - RARE)
    stake = np.minimum(BETS / (bound * (1 - bound)), MOST / bound)[:, None]
    x = np.arange(people + 1, dtype=np.float64)
    logs = x * np.log1p(stake * (1 - bound)) + (people - x) * np.log1p(-stake * bound)
    return Logs(logs, np.asarray(wrong, dtype=np.int64))


def e_bh(log_e: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Which hypotheses to name, with a false discovery rate of alpha under any dependence (Wang & Ramdas 2022)."""
    order = sorted(range(len(log_e)), key=lambda i: (-log_e[i], i))
    named = 0
    for k, i in enumerate(order, start=1):
        if log_e[i] >= np.log(len(log_e) / (k * alpha)):
            named = k
    return tuple(sorted(order[:named]))
