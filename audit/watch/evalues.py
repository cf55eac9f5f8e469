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
(Shiryaev-Roberts). One is begun every 4 blocks, with m an eighth of the people until the next, so that M less an
eighth of the people is a supermartingale: raising the alarm at M >= A, false alarms are at least 8 A people apart on
average. An e-process that has lost its wealth over a long quiet time is slow to see a change; the detector always has a
fresh one.

Blocks. People of two groups arrive unevenly. A block is closed after every handful of people (eight, later sixteen) if
both groups are in it, else after the next one: by who came and never by what was decided. Nobody is left out.

All sums run in the order of arrival, so that states are the same bit for bit however the rows are cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BETS: Floats = np.array([0.005, 0.02, 0.05, 0.1, 0.2, 0.32])
"""Each bet is best for one distance beyond the norm: half a point, two points, ... thirty-two points."""
SHARES: Floats = np.array([0.01, 0.05, 0.15, 0.21, 0.26, 0.32])
"""How the wealth is spread over the bets: little on small ones, which win in long streams only, where it is made up."""
FAST: Ints = np.array([2, 3, 4])
"""Which of the bets the detector uses, in equal parts."""
BLOCK_SIZES = (8, 16)
"""Blocks are closed after so many people of the two groups: at first, and"""
SETTLED = 512
"""after so many people. Small ones are quicker to fire, large ones waste less where groups arrive unevenly."""
EVERY = 4
"""The detector starts another e-process every so many blocks."""
UNIT = 8
"""The detector counts so many people as one: false alarms are `average_run` of these apart."""
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
        kept = msgspec.convert(data, _Kept)
        if not kept.blocks:
            return start()
        return Stream(np.array(kept.wealth, dtype=np.float64), np.array(kept.fresh, dtype=np.float64), kept.blocks)


class _Kept(msgspec.Struct):
    """A stream as it is kept."""

    wealth: list[float]
    fresh: list[float | None] | None
    blocks: int


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
    (after,), (path,) = advance_all((stream,), logs.table[None], logs.kind, at)
    return after, path


def advance_all(
    streams: Sequence[Stream], tables: Floats, kind: Ints, at: Ints | None = None
) -> tuple[tuple[Stream, ...], tuple[Path, ...]]:
    """The same for streams of the same blocks, which have seen as many; tables (S, K, U)."""
    n, many, blocks = len(kind), len(streams), streams[0].blocks
    # Block by block in memory, which is quicker, and in one order whatever the batch: the same to the last bit.
    wealth = np.empty((n + 1, many, len(BETS)))
    wealth[0] = [s.log_wealth for s in streams]
    np.take(np.ascontiguousarray(np.moveaxis(tables, 2, 0)), kind, axis=0, out=wealth[1:], mode="clip")
    np.add.accumulate(wealth, axis=0, out=wealth)
    # The blocks before which the detector starts another e-process: the 1st, 5th, ... of the stream.
    first = -blocks % EVERY
    starts = wealth[first:n:EVERY, :, FAST]
    fresh = np.empty((len(starts) + 1, many, len(FAST)))
    fresh[0] = [s.fresh for s in streams]
    np.subtract(_mass(np.arange(blocks + first, blocks + n, EVERY))[:, None, None], starts, out=fresh[1:])
    np.logaddexp.accumulate(fresh, axis=0, out=fresh)
    at = np.arange(n + 1) if at is None else at
    then = wealth[at]
    seen = np.maximum(at - first + EVERY - 1, 0) // EVERY
    log_e = log_wealth(np.moveaxis(then, 2, 0))
    log_m = log_mean(np.moveaxis(then[:, :, FAST] + fresh[seen], 2, 0))
    done = tuple(Stream(wealth[-1, i].copy(), fresh[-1, i].copy(), blocks + n) for i in range(many))
    return done, tuple(Path(log_e[:, i], log_m[:, i]) for i in range(many))


def _mass(block: Ints) -> Floats:
    """What an e-process begun before each block starts with, as a log: the people until the next is begun.

    Blocks have a small handful of people at least, and a large one where enough blocks have gone before.
    """
    small, large = BLOCK_SIZES
    return np.log(np.where(block * small >= SETTLED, large, small) * (EVERY / UNIT))


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
    """Between two blocks. open: people and successes of the first group, and of the second, since the last one was
    closed; closed: the same of all blocks so far; known: the same at the last doubling, from which follows where the
    rates are expected.
    """

    open: tuple[int, int, int, int] = (0, 0, 0, 0)
    closed: tuple[int, int, int, int] = (0, 0, 0, 0)
    known: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def seen(self) -> int:
        """People of both groups so far."""
        return self.open[0] + self.open[2] + self.closed[0] + self.closed[2]

    def to_json(self) -> list[Any]:
        return [list(self.open), list(self.closed), list(self.known)]

    @staticmethod
    def from_json(data: Sequence[Any]) -> Open:
        return Open(*(_four(v) for v in data))


def _four(v: Any) -> tuple[int, int, int, int]:
    return int(v[0]), int(v[1]), int(v[2]), int(v[3])


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Closed blocks. counts (n, 4): people and successes of the first group, and of the second; known (n, 4): the same
    of everyone before, as of the last doubling; end (n,): the number of the row that closed it. Equal blocks are
    worked out once: kind (n,) is each one's place in `alike` (U,), which names one block of each kind; of these,
    `made` names one of each that differs by who is in it or what was known before, and made_of (U,) is its place.
    """

    counts: Ints
    known: Ints
    end: Ints
    kind: Ints
    alike: Ints
    made: Ints
    made_of: Ints

    def __len__(self) -> int:
        return len(self.end)


def close_blocks(side: npt.NDArray[Any], hit: npt.NDArray[Any], waiting: Open) -> tuple[Blocks, Open]:
    """Cut rows of two groups, side (n,) in 0, 1 and hit (n,) in 0, 1, into blocks; `end` counts these rows from 0.

    The outcome is the same however the rows are cut: `waiting` is what the rows before left open.
    """
    n = len(side)
    last = _last(waiting.seen, n)
    parts = _parts(side, hit, last)
    parts[0] += np.array(waiting.open)
    rest = _four(parts[-1])
    parts = parts[:-1]
    closing = _closings(parts) if len(last) else np.zeros(0, dtype=bool)
    at = np.flatnonzero(closing)
    if len(at) == 0:
        left = Open(_four(parts.sum(axis=0) + rest), waiting.closed, waiting.known)
        return _blocks(parts[:0], parts[:0], at, at), left
    counts = parts if len(at) == len(parts) else np.add.reduceat(parts[: at[-1] + 1], np.append(0, at[:-1] + 1))
    ends = last[at]
    known, turn, closed, newest = _known(counts, waiting)
    left = Open(_four(parts[at[-1] + 1 :].sum(axis=0) + rest), closed, newest)
    return _blocks(counts, known, ends, turn), left


def _last(seen: int, n: int) -> Ints:
    """Of the next n people after `seen`, those with whom a handful is full."""
    small, large = BLOCK_SIZES
    early = np.arange(small * (seen // small + 1), min(SETTLED, seen + n) + 1, small)
    late = np.arange(max(large * (seen // large + 1), SETTLED + large), seen + n + 1, large)
    return np.concatenate([early, late]) - seen - 1


_ONE: npt.NDArray[np.uint32] = np.array([0, 1, 1 << 8, 1 + (1 << 8) + (1 << 16)], dtype=np.uint32)
"""A person by side + 2 x hit, as three counts in one number: of the second group, successes, and both."""


def _parts(side: npt.NDArray[Any], hit: npt.NDArray[Any], last: Ints) -> Ints:
    """People and successes of the first group and of the second in each handful, and in the rest; (handfuls + 1, 4)."""
    code = np.asarray(side, dtype=np.uint8) + (np.asarray(hit, dtype=np.uint8) << 1)
    total = np.cumsum(_ONE[code], dtype=np.uint32)
    # Sums may run over 32 bits; the differences, of a handful of people, are right all the same.
    part = np.diff(total[np.append(last, len(side) - 1)] if len(side) else np.zeros(1, np.uint32), prepend=np.uint32(0))
    seconds, hits, both = part & 255, (part >> 8) & 255, (part >> 16) & 255
    size = np.diff(np.append(last, len(side) - 1), prepend=-1)
    out: Ints = np.stack([size - seconds, hits - both, seconds, both], axis=1, dtype=np.int64)
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


def _known(counts: Ints, waiting: Open) -> tuple[Ints, Ints, _Four, _Four]:
    """What is known before each block, (n, 4): renewed whenever the number of people has doubled; how often it was,
    (n,). And both totals.
    """
    total = np.cumsum(counts, axis=0) + np.array(waiting.closed)
    people = total[:, 0] + total[:, 2]
    out, turn = np.empty_like(counts), np.zeros(len(counts), dtype=np.int64)
    newest, begin, turns = waiting.known, 0, 0
    while True:
        due = int(np.searchsorted(people, max(BLOCK_SIZES[0], 2 * (newest[0] + newest[2]))))
        out[begin : due + 1] = newest
        turn[begin : due + 1] = turns
        if due >= len(counts):
            return out, turn, _four(total[-1]), newest
        newest, begin, turns = _four(total[due]), due + 1, turns + 1


def _blocks(counts: Ints, known: Ints, end: Ints, turn: Ints) -> Blocks:
    size = counts[:, 0] + counts[:, 2]
    small, large = BLOCK_SIZES
    usual = (size == small) | (size == large)
    base = large + 1
    top = 2 * (int(turn[-1]) + 1) * base if len(end) else 0
    others = np.cumsum(~usual) - 1
    who = (2 * turn + (size == large)) * base + counts[:, 0]
    distinct, made_of = _once(np.where(usual, who, top + others), top + len(end))
    key = (made_of * base + counts[:, 1]) * base + counts[:, 3]
    wide = len(distinct) * base * base
    alike, kind = _once(np.where(usual, key, wide + others), wide + len(end))
    return Blocks(counts, known, end, kind, alike, distinct, made_of[alike])


def _once(key: Ints, top: int) -> tuple[Ints, Ints]:
    """The place of the first of each key (0..top), in order, and for every key its number among these."""
    place = np.full(top, -1, dtype=np.int64)
    place[key[::-1]] = np.arange(len(key))[::-1]
    first = np.sort(place[place >= 0])
    place[key[first]] = np.arange(len(first))
    return first, place[key]


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
    # Stakes depend on who is in a block and on what is known, not on what became of them: few to work out.
    a, _, b, _ = blocks.counts[blocks.made][:, order].T.astype(np.float64)
    m1, y1, m2, y2 = blocks.known[blocks.made][:, order].T.astype(np.float64)
    p1, p2 = (y1 + 1) / (m1 + 2), (y2 + 1) / (m2 + 2)
    v1, v2 = p1 * (1 - p1) / a, p2 * (1 - p2) / b
    # The point of the norm that is nearest to what was seen.
    t1 = p1 - (r * p1 - p2 - e) * r * v1 / (r * r * v1 + v2)
    t1 = np.clip(t1, max(RARE, (e + RARE) / r), min(1 - RARE, (e + 1 - RARE) / r))
    t2 = r * t1 - e
    stake = BETS[:, None] / (r * r * t1 * (1 - t1) / a + t2 * (1 - t2) / b)
    stake = np.minimum(stake, MOST * np.minimum(a / (r * t1), b / (1 - t2)))
    c1, c2 = stake * r / a, stake / b
    lost1, won2 = np.log1p(-c1 * t1), np.log1p(-c2 * (1 - t2))
    lost2 = np.log1p(c2 * t2)
    none = a * lost1 + b * lost2
    each1, each2 = np.log1p(c1 * (1 - t1)) - lost1, won2 - lost2
    x1, x2 = blocks.counts[blocks.alike][:, (order[1], order[3])].T.astype(np.float64)
    of = blocks.made_of
    return Logs(none[:, of] + x1 * each1[:, of] + x2 * each2[:, of], blocks.kind)


def e_bh(log_e: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Which hypotheses to name, with a false discovery rate of alpha under any dependence (Wang & Ramdas 2022)."""
    order = sorted(range(len(log_e)), key=lambda i: (-log_e[i], i))
    named = 0
    for k, i in enumerate(order, start=1):
        if log_e[i] >= np.log(len(log_e) / (k * alpha)):
            named = k
    return tuple(sorted(order[:named]))
