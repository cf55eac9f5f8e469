"""How much more search could still gain: an upper bound that holds whenever the search is stopped.

Candidates are drawn at random, each independently of the others (`assay mitigate --search --at-random`). Of n such
draws, the share of all candidates of the space that lie below the least one is at most 1 - a**(1/n) with probability
1 - a: the least of n uniform numbers is Beta(1, n). That share never grows as the search goes on, so a bound kept at
sizes that grow by a quarter, each with a part of a, holds at every size in between (a union over the sizes): who looks
on and stops when it pleases gets no less than 1 - a. Asked for in the spirit of Hays, Laufer, Barocas and Raghavan
(ICLR 2026, arXiv 2512.23943), who stop retraining by such a bound; the bound itself is of order statistics.

It speaks of candidates drawn in the same way, of figures measured on the same rows, and of nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.search import AskedFor, Place, Trial


class _Searched(Record, frozen=True):
    """What the bound follows from."""

    asked: AskedFor
    original: Place
    trials: tuple[Trial, ...]


ALPHA = 0.05
GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Bound:
    """n: candidates drawn. loss: the most that was called acceptable. best: the least gap of those within it (0 to 1),
    the original's where none is better. share: the most candidates of the space that can be better still, with
    probability 1 - alpha at whatever n the search was stopped. gain: the most that one more candidate can lessen the
    gap on average, in shares."""

    n: int
    loss: float
    best: float
    share: float
    gain: float
    alpha: float

    @property
    def more(self) -> int:
        """How many more candidates a better one takes on average, at least."""
        return max(1, math.floor(1 / self.share))


def better_share(n: int, alpha: float = ALPHA) -> float:
    """The bound on the share of candidates that are better than the best of n drawn at random, at any stopping."""
    if n < 1:
        return 1.0
    least, j = 1.0, 0
    while (size := math.ceil(GROWTH**j)) <= n:
        least = min(least, 1 - (alpha / ((j + 1) * (j + 2))) ** (1 / size))
        j += 1
    return least


def bound_of(document: Mapping[str, Any], alpha: float = ALPHA) -> Bound | None:
    """The bound on a search (search.json); None where its candidates were not drawn at random."""
    search = record_in(_Searched, document, "search.json")
    if not search.asked.at_random:
        return None
    loss = search.original.loss.value + (search.asked.acceptable_loss or 0.0)
    gaps = [
        t.gap.value for t in search.trials
        if t.failed is None and t.loss is not None and t.gap is not None and t.loss.value <= loss + 1e-12
    ]  # fmt: skip
    best = min([search.original.gap.value, *gaps])
    n = len(search.trials)
    share = better_share(n, alpha)
    return Bound(n, loss, best, share, share * best, alpha)
