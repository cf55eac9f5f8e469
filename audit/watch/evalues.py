"""Testing by betting: e-processes and e-detectors over blocks of two groups, valid at every look.

    stream = start(BETS)
    stream, path = advance(stream, payoff)      # payoff (n,): at least -1; of mean 0 or less where nothing is wrong

E-process (Chugg et al. 2023, after Shekhar & Ramdas 2023): wealth is multiplied by 1 + bet x payoff at each block.
Where the norm holds, wealth is a supermartingale, so that by Ville's inequality it ever reaches 1 / alpha with
probability alpha at most, whenever and however often one looks. One bet does not serve all gaps, so that wealth is
spread evenly over a fixed grid of bets (a mixture, itself a supermartingale) and needs no tuning.

E-detector (Shin, Ramdas & Rinaldo 2024): M <- (M + 1)(1 + bet x payoff), the sum of the e-processes begun at each block
so far (Shiryaev-Roberts). Raising the alarm at M >= A, false alarms are at least A blocks apart on average. An
e-process that has lost its wealth over a long quiet time is slow to see a change; the detector always has a fresh one.

Blocks. People of two groups arrive unevenly. A block is closed by the first person of the other group: by who came, and
never by what was decided, so that the difference of the two means in a block has the true difference as its mean.

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

BETS: Floats = np.array([2.0**-k for k in range(6, 0, -1)])
"""Bets on payoffs that are scaled to -1 or more: 1/64, 1/32, ..., 1/2."""
FAST: Ints = np.array([2, 4, 5])
"""Which of the bets the detector uses: 1/16, 1/4, 1/2."""


SEGMENT = 512
"""The detector's sum is kept as a number beside an exponent, which is set anew after so many blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One hypothesis. log_wealth (K,) per bet; the detector is wealth x fresh, fresh the sum of 1 / wealth before each
    block so far, (D,) as exp(anchor) x total. blocks: how many so far.
    """

    log_wealth: Floats
    anchor: Floats
    total: Floats
    blocks: int

    def same(self, other: Stream) -> bool:
        """Whether both have seen the same."""
        return self is other or (
            self.blocks == other.blocks
            and np.array_equal(self.log_wealth, other.log_wealth)
            and np.array_equal(self.anchor, other.anchor)
            and np.array_equal(self.total, other.total)
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "wealth": self.log_wealth.tolist(),
            "anchor": self.anchor.tolist(),
            "total": self.total.tolist(),
            "blocks": self.blocks,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Stream:
        wealth, anchor, total = (np.array(data[k], dtype=np.float64) for k in ("wealth", "anchor", "total"))
        return Stream(wealth, anchor, total, data["blocks"])


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """After chosen numbers of blocks of a batch: log_e and log_m of the mixtures."""

    log_e: Floats
    log_m: Floats


def start() -> Stream:
    """A stream that has seen nothing: wealth 1, detector 0."""
    return Stream(np.zeros(len(BETS)), np.zeros(len(FAST)), np.zeros(len(FAST)), 0)


def advance(stream: Stream, payoff: Floats, at: Ints | None = None) -> tuple[Stream, Path]:
    """Bet on `payoff` (n,), each at least -1. The path is after `at` blocks (numbers 0..n), by default after each."""
    payoff = np.ascontiguousarray(payoff, dtype=np.float64)
    n = len(payoff)
    wealth = np.empty((len(BETS), n + 1))
    wealth[:, 0] = stream.log_wealth
    for k, bet in enumerate(BETS):
        np.log1p(bet * payoff, out=wealth[k, 1:])
        np.add.accumulate(wealth[k], out=wealth[k])
    fast = wealth[FAST]
    fresh, anchor, total = _fresh(fast, stream)
    at = np.arange(n + 1) if at is None else at
    path = Path(log_mean(wealth[:, at]), log_mean(fast[:, at] + fresh[:, at]))
    return Stream(wealth[:, -1].copy(), anchor, total, stream.blocks + n), path


def _fresh(wealth: Floats, stream: Stream) -> tuple[Floats, Floats, Floats]:
    """log of the sum of 1 / wealth before each block, wealth (D, n + 1); and how it is carried on."""
    n = wealth.shape[1] - 1
    anchor, total = stream.anchor[:, None], stream.total[:, None]
    out = np.empty(wealth.shape)
    with np.errstate(divide="ignore"):  # nothing seen: log 0
        out[:, :1] = anchor + np.log(total)
    done = 0
    while done < n:
        place = (stream.blocks + done) % SEGMENT
        if place == 0 and stream.blocks + done > 0:
            anchor, total = anchor + np.log(total), np.ones(total.shape)
        step = min(n - done, SEGMENT - place)
        part = np.empty((len(wealth), step + 1))
        part[:, :1] = total
        # No block takes more than half of a bet's wealth, so that within a segment nothing overflows.
        np.exp(-wealth[:, done : done + step] - anchor, out=part[:, 1:])
        np.add.accumulate(part, axis=1, out=part)
        total = part[:, -1:].copy()
        out[:, done + 1 : done + step + 1] = anchor + np.log(part[:, 1:])
        done += step
    return out, anchor[:, 0].copy(), total[:, 0].copy()


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
    """A block that waits for the other group: side 0 or 1 (-1: nobody yet), people so far, successes among them."""

    side: int = -1
    people: int = 0
    hits: int = 0

    def to_json(self) -> list[int]:
        return [self.side, self.people, self.hits]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Closed blocks: the mean of each group's outcomes, and the number of the row that closed it, each (n,)."""

    first: Floats
    second: Floats
    end: Ints


def close_blocks(side: npt.NDArray[Any], hit: npt.NDArray[Any], waiting: Open) -> tuple[Blocks, Open]:
    """Cut rows of two groups, side (n,) in 0, 1 and hit (n,) in 0, 1, into blocks; `end` counts these rows from 0.

    A block begins with someone of either group and ends with the first person of the other one.
    """
    carried = waiting.side >= 0
    n = len(side) + carried
    if n == 0:
        empty = np.zeros(0)
        return Blocks(empty, empty, np.zeros(0, dtype=np.int64)), waiting
    sides = np.empty(n, dtype=np.int8)
    people = np.ones(n, dtype=np.int64)
    hits = np.empty(n, dtype=np.int64)
    sides[carried:], hits[carried:] = side, hit
    if carried:
        sides[0], people[0], hits[0] = waiting.side, waiting.people, waiting.hits
    run = np.flatnonzero(np.concatenate([[True], sides[1:] != sides[:-1]]))
    length = np.diff(np.append(run, n))
    # A run's first person closes the block before it, unless that person's predecessor did so and there is no block:
    # in a streak of runs of one person each, blocks are pairs.
    taken = _first_taken(length)
    begin = run + taken
    whole = taken < length  # a run of one person who closed the block before begins none
    begins, follows = begin[whole], np.append(run[1:], n)[whole]
    closed = follows < n
    begins_closed, ends = begins[closed], follows[closed]
    total_hits, total_people = np.append(0, np.cumsum(hits)), np.append(0, np.cumsum(people))
    mean_of_many = (total_hits[ends] - total_hits[begins_closed]) / (total_people[ends] - total_people[begins_closed])
    mean_of_one = hits[ends].astype(np.float64)
    starts_with_first = sides[begins_closed] == 0
    blocks = Blocks(
        np.where(starts_with_first, mean_of_many, mean_of_one),
        np.where(starts_with_first, mean_of_one, mean_of_many),
        ends - carried,
    )
    if closed.all():
        return blocks, Open()
    rest = int(begins[~closed][0])
    return blocks, Open(
        int(sides[rest]), int(total_people[n] - total_people[rest]), int(total_hits[n] - total_hits[rest])
    )


def _first_taken(length: Ints) -> Ints:
    """Of each run, 1 where its first person closed the block of the run before, else 0; length (R,).

    taken[k + 1] is 0 only where run k has one person, who was taken; so it alternates along runs of one person.
    """
    runs = len(length)
    taken = np.ones(runs, dtype=np.int64)
    taken[0] = 0
    if runs == 1:
        return taken
    single = length == 1
    # `taken` is sure to be 1 after a run of two people or more; from there on (or from the start) count the singles.
    place = np.arange(runs)
    sure = np.concatenate([[0], np.where(~single[:-1], place[1:], 0)])
    anchor = np.maximum.accumulate(sure)
    since = place - anchor
    taken_at_anchor = np.where(anchor == 0, 0, 1)
    # From an anchor on, every run in between has one person: 1 0 1 0 ... or, from the start, 0 1 0 1 ...
    out: Ints = (taken_at_anchor + since) % 2
    return out


def difference_payoff(blocks: Blocks, tolerance: float) -> tuple[Floats, Floats]:
    """Payoffs against "the first is at most `tolerance` above the second", and the reverse; scaled to -1 or more."""
    gap = blocks.first - blocks.second
    return (gap - tolerance) / (1 + tolerance), (-gap - tolerance) / (1 + tolerance)


def ratio_payoff(blocks: Blocks, floor: float) -> tuple[Floats, Floats]:
    """Payoffs against "the second is at least `floor` of the first", and the reverse."""
    return floor * blocks.first - blocks.second, floor * blocks.second - blocks.first


def rise_payoff(loss: Floats, bound: float) -> Floats:
    """Payoffs against "the mean of losses in 0..1 is at most `bound`"."""
    return (loss - bound) / max(bound, 1e-9) if bound > 0 else loss


def e_bh(log_e: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Which hypotheses to name, with a false discovery rate of alpha under any dependence (Wang & Ramdas 2022)."""
    order = sorted(range(len(log_e)), key=lambda i: (-log_e[i], i))
    named = 0
    for k, i in enumerate(order, start=1):
        if log_e[i] >= np.log(len(log_e) / (k * alpha)):
            named = k
    return tuple(sorted(order[:named]))
