"""What is not known, as bounds: people of unknown group, people without an outcome, outcomes that may be wrong.

Unknown group. Each may belong to any group. A pair's difference is largest where all of them who are counted are put
into the higher group and all others into the lower one, and smallest the other way round: corners, so that the bounds
of a pair are sharp, and so is the upper bound of the widest gap (the largest over pairs). Its lower bound is the
largest of the pairs' least distances: sharp for two groups where it is not 0, safe for more.

Missing outcome. Each may have either. For the largest rate everyone becomes whatever adds to it most: counted, else not
looked at, else not counted; for the least one the other way round. Groups are independent, so the bounds are sharp.

Tipping. The fewest people of unknown group that could carry a norm's figure over its limit, placed at worst, all others
of them left out; where it is beyond already, the fewest after which the higher of the two groups is not.

Label error. The fewest outcomes of two groups that, if they were wrong, would bring the gap down to a norm's limit, or
to 0. Both are from counts alone, without chance: intervals stand with the gaps.

Manski (2003), "Partial identification of probability distributions"; Fawkes et al. (2024) for label error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.cube import Margin
from audit.documents import record_in
from audit.documents.base import Names, Record
from audit.gaps import Settings, comparable, reference_index
from audit.metrics import EQUAL_OPPORTUNITY, Metric, complements, metrics_for, opportunity
from audit.numbers import many
from audit.values import UNKNOWN

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Counts = tuple[float, float]
Holds = Callable[[Any, Any], npt.NDArray[np.bool_]]

GRID = 1 << 16
"""Ways of dividing people over two groups that are looked at; beyond so many, evenly spread ones."""


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Groups compared in one rate: x of n (G,), and the places i, j (P,) of each pair."""

    groups: tuple[tuple[str, ...], ...]
    x: Floats
    n: Floats
    i: Places
    j: Places

    @property
    def ordered(self) -> tuple[Places, Places]:
        """The pairs with the higher rate first."""
        rate = self.x / self.n
        first = rate[self.i] >= rate[self.j]
        return np.where(first, self.i, self.j), np.where(first, self.j, self.i)


def bounds(margins: Sequence[Margin], settings: Settings, norms: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The `bounds` entry of evidence.json, of single attributes. norms: as in evidence.json, for their limits."""
    limited = record_in(tuple[_Limit, ...], norms, "evidence.json")
    unknown: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    for margin in margins:
        if len(margin.attribute) != 1 or not margin.meaning.decides:
            continue
        for metric in metrics_for(margin.meaning):
            if metric.name in complements() or (side := _side(margin, metric, settings)) is None:
                continue
            limits = _limits(limited, margin, metric)
            unknown += _unknown(margin, metric, side, limits)
            absent += _not_collected(margin, metric, side, limits)
            if metric.needs_label:
                missing += _missing(margin, metric, side, settings)
                wrong += _label_error(margin, metric, side, limits)
    return {"unknown_group": unknown, "missing_outcome": missing, "label_error": wrong, "not_collected": absent}


def _side(margin: Margin, metric: Metric, settings: Settings) -> _Side | None:
    members = comparable(margin, settings.floor)
    x, n = ((margin.w[members] * m).sum(axis=(1, 2)) for m in (metric.numerator, metric.denominator))
    members, x, n = members[n > 0], x[n > 0], n[n > 0]
    reference = reference_index(margin, members, settings)
    if len(members) < 2 or (reference is None and margin.attribute[0] in settings.reference):
        return None
    i, j = np.triu_indices(len(members), 1)
    if reference is not None:
        i, j = i[(i == reference) | (j == reference)], j[(i == reference) | (j == reference)]
    return _Side(tuple(margin.groups[g] for g in members), x, n, i, j)


class _Limit(Record, frozen=True):
    """A norm as far as its limit goes."""

    metric: str
    kind: str
    attribute: Names
    limit: float


def _limits(norms: Sequence[_Limit], margin: Margin, metric: Metric) -> list[tuple[str, float]]:
    """(kind, limit) of the norms about this rate."""
    names = {metric.name} | ({EQUAL_OPPORTUNITY} if metric.name == opportunity(margin.meaning) else set())
    mine = [n for n in norms if n.metric in names and n.attribute == margin.attribute]
    return list(dict.fromkeys((n.kind, n.limit) for n in mine))


# -- unknown group --------------------------------------------------------------------------------------------------


def _unknown(margin: Margin, metric: Metric, side: _Side, limits: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    at = [g for g, group in enumerate(margin.groups) if UNKNOWN in group]
    if not at or margin.n[at[0]].sum() == 0 or margin.withheld[at[0]]:
        return []
    counted, asked = ((margin.w[at[0]] * m).sum() for m in (metric.numerator, metric.denominator))
    yes, no = float(counted), float(asked - counted)
    # Each group's rate at its most and at its least; a pair's corners take one of each.
    most = (side.x + yes) / (side.n + yes)
    least = side.x / (side.n + no)
    people = int((margin.n[at[0]] * metric.denominator).sum())
    return [
        {
            "attribute": list(margin.attribute),
            "metric": metric.name,
            "kind": kind,
            "unknown": people,
            "of": int((margin.n * metric.denominator).sum()),
            **_widest(side, most, least, kind),
            "tipping": [_tipping(margin, side, yes, no, kind, limit) for k, limit in limits if k == kind],
        }
        for kind in ("difference", "ratio")
    ]


def _widest(side: _Side, most: Floats, least: Floats, kind: str) -> dict[str, Any]:
    """The widest gap among the known, and the least and the largest that it can be."""
    rate, i, j = side.x / side.n, side.i, side.j
    if kind == "difference":
        value = np.abs(rate[i] - rate[j]).max()
        high = np.maximum(most[i] - least[j], most[j] - least[i]).max()
        low = np.maximum(least[i] - most[j], least[j] - most[i]).max()
        return {"value": float(value), "low": float(max(low, 0.0)), "high": float(high)}
    if not rate.any():
        return {"value": None, "low": None, "high": None}
    value = np.minimum(_over(rate[i], rate[j]), _over(rate[j], rate[i])).min()
    low = np.minimum(_over(least[i], most[j]), _over(least[j], most[i])).min()
    # Where they are nearest: 1 where the two may meet.
    apart = np.where(least[i] > most[j], _over(most[j], least[i]), 1.0)
    high = np.where(least[j] > most[i], _over(most[i], least[j]), apart).min()
    return {"value": float(value), "low": float(min(low, 1.0)), "high": float(high)}


def _over(a: Floats, b: Floats) -> Floats:
    """a / b; 1 where b is 0."""
    ratio: Floats = np.divide(a, b, out=np.ones_like(a), where=b > 0)
    return ratio


def _tipping(margin: Margin, side: _Side, yes: float, no: float, kind: str, limit: float) -> dict[str, Any]:
    """How few of the unknown could carry the widest gap over the limit, from the side on which it is."""
    entry: dict[str, Any] = {"limit": limit, "people": None, "share": None, "beyond": None, "reason": None}
    if margin.weighted:
        return entry | {"reason": "people are weighted, so that their number tells nothing"}
    rate = side.x / side.n
    worst = _crossed(kind, limit)
    total = yes + no
    i, j = side.ordered
    over = worst(rate[i], rate[j])
    beyond = bool(over.any())
    if beyond:
        # Back inside: only where one pair alone is beyond can a count of people be named.
        if over.sum() > 1:
            return entry | {"beyond": True, "reason": f"{many(int(over.sum()), 'pair')} of groups are beyond the limit"}
        a, b = int(i[over][0]), int(j[over][0])
        needed = fewest((side.x[a], side.n[a]), (side.x[b], side.n[b]), no, yes, lambda p, q: ~worst(p, q), lower=True)
    else:
        needed = _fewest_of(side, np.concatenate([i, j]), np.concatenate([j, i]), yes, no, worst)
    if needed is None:
        return entry | {"beyond": beyond, "reason": "no placing of the unknown carries it over the limit"}
    return entry | {"beyond": beyond, "people": needed, "share": needed / total}


def _fewest_of(side: _Side, i: Places, j: Places, yes: float, no: float, worst: Holds) -> int | None:
    """The least `fewest` of many pairs. What a pair needs at least follows from people who could be put into both of
    its groups at once: only pairs for which that is fewer than the best found so far are looked at.
    """
    x1, n1, x2, n2 = side.x[i], side.n[i], side.x[j], side.n[j]
    one, other = int(yes), int(no)

    def could(k: int) -> npt.NDArray[np.bool_]:
        a, b = min(k, one), min(k, other)
        return worst((x1 + a) / (n1 + a), x2 / (n2 + b))

    best: int | None = None
    k = _least(lambda k: bool(could(k).any()), one + other)
    done = np.zeros(len(i), dtype=bool)
    while k is not None:
        left = could(k) & ~done
        done |= left
        for at in np.flatnonzero(left).tolist():
            needed = fewest((x1[at], n1[at]), (x2[at], n2[at]), yes, no, worst)
            best = needed if best is None or (needed is not None and needed < best) else best
        # Then those that could need fewer than the best; or, where there is none yet, more that could at all.
        more = min(2 * k, one + other) if best is None else best - 1
        k = more if more > k else None
    return best


def _crossed(kind: str, limit: float) -> Holds:
    """Whether rates, the first meant to be the higher, break the limit; each a number or (k,)."""
    if kind == "difference":
        return lambda a, b: np.asarray(a - b > limit + 1e-12)
    return lambda a, b: np.asarray(b < limit * a - 1e-12)


def fewest(first: Counts, second: Counts, one: float, other: float, holds: Holds, lower: bool = False) -> int | None:
    """The fewest people that make `holds(rates of first, rates of second)` true; None where all of them do not.

    first, second: (x, n) of two groups. `one` people at most are put into the first group and `other` into the second:
    counted ones into the first and others into the second, or, with lower, the other way round.
    """
    (x1, n1), (x2, n2) = first, second

    def reached(k: int) -> bool:
        a = _split(max(0, k - int(other)), min(k, int(one)))
        b = k - a
        if lower:
            return bool(holds(x1 / (n1 + a), (x2 + b) / (n2 + b)).any())
        return bool(holds((x1 + a) / (n1 + a), x2 / (n2 + b)).any())

    return _least(reached, int(one) + int(other))


def _split(low: int, high: int) -> Floats:
    """Whole numbers from low to high; of very many, GRID of them."""
    if high - low < GRID:
        return np.arange(low, high + 1, dtype=np.float64)
    return np.unique(np.rint(np.linspace(low, high, GRID)))


def _least(reached: Callable[[int], bool], most: int) -> int | None:
    """The least k up to `most` with reached(k), which once true stays so."""
    k = 1
    while k < most and not reached(k):
        k *= 2
    k = min(k, most)
    if k < 1 or not reached(k):
        return None
    low = k // 2
    while low < k:
        middle = (low + k) // 2
        if reached(middle):
            k = middle
        else:
            low = middle + 1
    return k


# -- never collected ------------------------------------------------------------------------------------------------


def _not_collected(
    margin: Margin, metric: Metric, side: _Side, limits: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    """The fewest people who are not in the data that, had they been, would bring the widest gap to 0 or to a limit.

    They are added where it counts: counted ones to the lower group, others to the higher. At most as many as are there.
    """
    pair = _widest_pair(side)
    if margin.weighted or pair is None:
        return []
    i, j, _ = pair
    high, low = (side.x[i], side.n[i]), (side.x[j], side.n[j])
    most = int(side.n[i] + side.n[j])
    return _turning(
        margin, metric, side, pair, limits, most,
        lambda limit: fewest(high, low, most, most, partial(_within, limit), lower=True),
    )  # fmt: skip


def _turning(
    margin: Margin, metric: Metric, side: _Side, pair: tuple[int, int, float], limits: Sequence[tuple[str, float]],
    of: int, turns: Callable[[float], int | None],
) -> list[dict[str, Any]]:  # fmt: skip
    """What brings the gap of a pair (`_widest_pair`) to 0 and to each limit that it is over: turns(limit) of `of`."""
    i, j, gap = pair
    out = []
    for limit in dict.fromkeys([0.0, *(v for kind, v in limits if kind == "difference" and v < gap)]):
        people = turns(limit)
        out.append(
            {
                "attribute": list(margin.attribute),
                "metric": metric.name,
                "higher": list(side.groups[i]),
                "lower": list(side.groups[j]),
                "value": gap,
                "limit": limit,
                "people": people,
                "of": of,
                "share": None if people is None else people / of,
            }
        )
    return out


def _within(limit: float, higher: Any, lower: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(higher - lower <= limit + 1e-12)


def _widest_pair(side: _Side) -> tuple[int, int, float] | None:
    """The higher group, the lower, and how far apart; None where nothing is apart."""
    rate = side.x / side.n
    higher, lower = side.ordered
    widest = int((rate[higher] - rate[lower]).argmax())
    i, j = int(higher[widest]), int(lower[widest])
    gap = float(rate[i] - rate[j])
    return (i, j, gap) if gap > 0 else None


# -- missing outcome ------------------------------------------------------------------------------------------------


def _missing(margin: Margin, metric: Metric, side: _Side, settings: Settings) -> list[dict[str, Any]]:
    places = [margin.groups.index(g) for g in side.groups]
    unlabelled = margin.n[places, 2]
    if unlabelled.sum() == 0:
        return []
    most, least = (_extreme(margin.w[places], metric, up) for up in (True, False))
    return [
        {
            "attribute": list(margin.attribute),
            "metric": metric.name,
            "kind": kind,
            "unknown": int(unlabelled.sum()),
            "of": int(margin.n[places].sum()),
            **_widest(side, most, least, kind),
        }
        for kind in ("difference", "ratio")
    ]


def _extreme(cells: Floats, metric: Metric, up: bool) -> Floats:
    """The largest (or least) that rates can be over the outcomes of those without one; cells (G, 3, 2) by outcome and
    decision, the last row without an outcome.
    """
    x, n = ((cells[:, :2] * m[:2]).sum(axis=(1, 2)) for m in (metric.numerator, metric.denominator))
    for d in (0, 1):
        options = [(bool(metric.numerator[y, d]), bool(metric.denominator[y, d])) for y in (0, 1)]
        # Counted, not looked at, not counted: in this order for the most, in the other for the least.
        rank = {(True, True): 0, (False, False): 1, (False, True): 2}
        counted, asked = min(options, key=lambda o: rank[o] if up else -rank[o])
        x = x + cells[:, 2, d] * counted
        n = n + cells[:, 2, d] * asked
    out: Floats = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    return out


# -- label error ----------------------------------------------------------------------------------------------------


def _label_error(
    margin: Margin, metric: Metric, side: _Side, limits: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    pair = _widest_pair(side)
    if margin.weighted or pair is None:
        return []
    i, j, _ = pair
    cells = [margin.n[margin.groups.index(side.groups[k])] for k in (i, j)]
    labels = int(sum(c[:2].sum() for c in cells))
    return _turning(
        margin, metric, side, pair, limits, labels, lambda limit: fewest_flips(cells[0], cells[1], metric, limit)
    )


def fewest_flips(high: npt.NDArray[np.int64], low: npt.NDArray[np.int64], metric: Metric, limit: float) -> int | None:
    """The fewest outcomes that, turned, bring the rate of `high` less that of `low` down to `limit`; (3, 2) each.

    None where no number of them does.
    """
    sunk, raised = _moves(high, metric, up=False), _moves(low, metric, up=True)
    most = sum(sunk[2:]) + sum(raised[2:])

    def reached(k: int) -> bool:
        a = _split(0, k)
        return bool((_turned(sunk, a, False) - _turned(raised, k - a, True)).min() <= limit + 1e-12)

    return _least(reached, int(most))


def _moves(cells: npt.NDArray[np.int64], metric: Metric, up: bool) -> tuple[float, float, int, int, int]:
    """x, n, and how many turned outcomes would change (x, n) in each helpful way: by one in x alone, by one in both, by
    one in n alone. Up: (+1, 0), (+1, +1), (0, -1); down: (-1, 0), (-1, -1), (0, +1).
    """
    x, n = (float((cells[:2] * m[:2]).sum()) for m in (metric.numerator, metric.denominator))
    kinds = ((1, 0), (1, 1), (0, -1)) if up else ((-1, 0), (-1, -1), (0, 1))
    counts = [0, 0, 0]
    for d in (0, 1):
        for y in (0, 1):
            step = tuple(int(m[1 - y, d]) - int(m[y, d]) for m in (metric.numerator, metric.denominator))
            if step in kinds:
                counts[kinds.index(step)] += int(cells[y, d])
    # Somebody is left to count: a rate of nobody is none.
    spare = max(int(n) - 1, 0)
    both = counts[1] if up else min(counts[1], spare)
    other = min(counts[2], spare) if up else counts[2]
    return x, n, counts[0], both, other


def _turned(moves: tuple[float, float, int, int, int], k: Floats, up: bool) -> Floats:
    """The best rate after each number k (m,) of turned outcomes, or fewer where no more help."""
    x, n, alone, both, other = moves
    sign = 1 if up else -1
    if alone:
        # Such a rate has no other helpful way.
        return np.asarray((x + sign * np.minimum(k, alone)) / n, dtype=np.float64)
    best = np.full(len(k), -np.inf if up else np.inf)
    for first in (True, False):
        # With a of k turned in the first way the rate moves in one direction as a grows, so that an end is best.
        a = np.minimum(k, both) if first else np.maximum(0, np.minimum(k - other, both))
        b = np.minimum(k - a, other)
        top, bottom = x + sign * a, n + sign * a - sign * b
        best = np.maximum(best, top / bottom) if up else np.minimum(best, top / bottom)
    return best
