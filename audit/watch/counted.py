"""E-values and confidence sequences from counts alone: what stored cubes can say, valid at every look.

For one rate the mixture of all Bernoulli laws under a Beta(1/2, 1/2) prior, over the law at p, is an e-process (Ville;
Robbins 1970): W(p) = B(x + 1/2, n - x + 1/2) / B(1/2, 1/2) / (p^x (1 - p)^(n - x)). For two groups the product
W(p1) W(p2) is one for the pair of rates, and its least value over all pairs that keep a norm is one for the norm. It
depends on the counts only, so that a new norm can be judged at once over everything that is stored, and the gaps d that
are not refused, {d: e(d) < 1 / alpha}, are a confidence sequence: it holds at all times together.

log W is convex in p, and the pairs with p1 - p2 = d (or p1 = r p2) lie on a line, so that every search here is over a
convex function of one variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from audit.cube import Margin
from audit.fractions import effective
from audit.gaps import comparable, idle_reason
from audit.metrics import BASE_RATE, metrics_for, parts_of
from audit.policy import Norm

_NEWTON, _CLOSE = 60, 1e-13
_TOP = 1e9
"""Stands for an infinite e-value where a root is sought."""


def log_wealth(x: float, n: float, p: float) -> float:
    """log W(p) after x successes of n."""
    if n == 0:
        return 0.0
    return _mixture(x, n) + _like(x, n, p)


def _mixture(x: float, n: float) -> float:
    """log B(x + 1/2, n - x + 1/2) / B(1/2, 1/2)."""
    return math.lgamma(x + 0.5) + math.lgamma(n - x + 0.5) - math.lgamma(n + 1) - math.log(math.pi)


def _like(x: float, n: float, p: float) -> float:
    """- log p^x (1 - p)^(n - x)."""
    if (p <= 0 and x > 0) or (p >= 1 and x < n):
        return math.inf
    return -((x * math.log(p) if x else 0.0) + ((n - x) * math.log1p(-p) if n > x else 0.0))


def log_e_difference(x1: float, n1: float, x2: float, n2: float, d: float) -> float:
    """The least log W(p1) W(p2) over p1 - p2 = d."""
    low, high = max(0.0, -d), min(1.0, 1.0 - d)
    return _mixture(x1, n1) + _mixture(x2, n2) + _least(x1, n1, x2, n2, 1.0, d, low, high)


def log_e_ratio(x1: float, n1: float, x2: float, n2: float, r: float) -> float:
    """The least log W(p1) W(p2) over p1 = r p2."""
    return _mixture(x1, n1) + _mixture(x2, n2) + _least(x1, n1, x2, n2, r, 0.0, 0.0, 1.0 if r <= 1 else 1.0 / r)


def _least(x1: float, n1: float, x2: float, n2: float, r: float, d: float, low: float, high: float) -> float:
    """The least of -log likelihood at (r p + d, p) over p: convex, by Newton's steps within a bracket that halves."""
    a, b = low, high
    p = min(max(x2 / n2 if n2 else 0.5, a + 0.01 * (b - a)), b - 0.01 * (b - a))
    f1, f2 = n1 - x1, n2 - x2
    for _ in range(_NEWTON):
        q = r * p + d
        if not (0.0 < p < 1.0 and 0.0 < q < 1.0):
            break
        slope = r * (f1 / (1 - q) - x1 / q) + f2 / (1 - p) - x2 / p
        bend = r * r * (f1 / (1 - q) ** 2 + x1 / q**2) + f2 / (1 - p) ** 2 + x2 / p**2
        if slope > 0:
            b = p
        else:
            a = p
        then = p - slope / bend if bend > 0 else p
        if not a < then < b:
            then = (a + b) / 2
        if abs(then - p) <= _CLOSE:
            break
        p = then
    return min(_like(x1, n1, r * v + d) + _like(x2, n2, v) for v in (p, low, high))


def _edge(log_e: Callable[[float], float], bar: float, inside: float, outside: float) -> float:
    """Where log_e reaches `bar` between a value inside and an end; the end where it never does."""
    from scipy.optimize import brentq

    if log_e(outside) < bar or inside == outside:
        return outside
    return float(brentq(lambda v: min(log_e(v), _TOP) - bar, inside, outside, xtol=1e-11, rtol=1e-12))


def difference_sequence(x1: float, n1: float, x2: float, n2: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence of p1 - p2."""
    return _difference_end(x1, n1, x2, n2, alpha, -1.0), _difference_end(x1, n1, x2, n2, alpha, 1.0)


@lru_cache(maxsize=4096)
def _difference_end(x1: float, n1: float, x2: float, n2: float, alpha: float, end: float) -> float:
    """The limit of that sequence on the side of `end`. A loop asks for the same one several times a batch."""
    if n1 == 0 or n2 == 0:
        return end
    mixtures = _mixture(x1, n1) + _mixture(x2, n2)

    def log_e(d: float) -> float:
        return mixtures + _least(x1, n1, x2, n2, 1.0, d, max(0.0, -d), min(1.0, 1.0 - d))

    return _edge(log_e, math.log(1 / alpha), x1 / n1 - x2 / n2, end)


def log_e_paired(a: float, b: float, n: float, d: float) -> float:
    """The least log e-value over all laws of pairs with P(first only) - P(second only) = d.

    a, b: of n pairs, how many only the first and only the second of two was right about. The mixture of all laws of
    three outcomes under a Dirichlet(1/2, 1/2, 1/2) prior over one law is an e-process, as for one rate.
    """
    c = n - a - b
    mixture = math.lgamma(a + 0.5) + math.lgamma(b + 0.5) + math.lgamma(c + 0.5) - math.lgamma(n + 1.5)
    mixture += math.lgamma(1.5) - 1.5 * math.log(math.pi)
    low, high = max(0.0, -d), (1.0 - d) / 2

    def like(t: float) -> float:
        total = 0.0
        for count, p in ((a, t + d), (b, t), (c, 1.0 - 2 * t - d)):
            if count:
                if p <= 0:
                    return math.inf
                total -= count * math.log(p)
        return total

    left, right, t = low, high, (low + high) / 2
    for _ in range(_NEWTON):
        p, rest = t + d, 1.0 - 2 * t - d
        if not (p > 0 and t > 0 and rest > 0):
            break
        slope = 2 * c / rest - a / p - b / t
        bend = 4 * c / rest**2 + a / p**2 + b / t**2
        if slope > 0:
            right = t
        else:
            left = t
        then = t - slope / bend if bend > 0 else t
        if not left < then < right:
            then = (left + right) / 2
        if abs(then - t) <= _CLOSE:
            break
        t = then
    return mixture + min(like(v) for v in (t, low, high))


def paired_sequence(a: float, b: float, n: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence of P(first only) - P(second only) among n pairs."""
    if n == 0:
        return -1.0, 1.0
    bar, seen = math.log(1 / alpha), (a - b) / n
    low, high = (_edge(lambda d: log_e_paired(a, b, n, d), bar, seen, end) for end in (-1.0, 1.0))
    return low, high


def ratio_sequence(x1: float, n1: float, x2: float, n2: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence of p1 / p2 within 0 and 1, for p1 <= p2."""
    return _ratio_end(x1, n1, x2, n2, alpha, 0.0), _ratio_end(x1, n1, x2, n2, alpha, 1.0)


@lru_cache(maxsize=4096)
def _ratio_end(x1: float, n1: float, x2: float, n2: float, alpha: float, end: float) -> float:
    """The limit of that sequence on the side of `end`."""
    if n1 == 0 or n2 == 0 or x2 == 0:
        return end
    seen = min((x1 / n1) / (x2 / n2), 1.0)
    return _edge(lambda r: log_e_ratio(x1, n1, x2, n2, r), math.log(1 / alpha), seen, end)


@dataclass(frozen=True, slots=True)
class Counted:
    """Where one norm stands by the counts: its gap, the confidence sequence, and the e-value that it is broken.

    status: "outside" (the whole sequence breaks the limit), "inside", "undecided" or "not_estimable". inside_promote:
    the whole sequence keeps the tighter level. people: in the smallest group compared. low and high are of the widest
    gap of all groups; pair_low, pair_high and pair_p of the two named in highest and lowest: a confidence sequence that
    holds for all pairs and at all times, and the p-value of no difference between them, adjusted for all pairs and
    good at all times (Ville 1939).
    """

    metric: str
    kind: str
    attribute: tuple[str, ...]
    limit: float
    value: float | None
    low: float | None
    high: float | None
    highest: str | None
    lowest: str | None
    log_e: float
    status: str
    inside_promote: bool
    people: int
    reason: str | None = None
    pair_low: float | None = None
    pair_high: float | None = None
    pair_p: float | None = None


def judge_counts(norm: Norm, margin: Margin, *, alpha: float | None = None, floor: int = 30) -> Counted:
    """One norm on one margin. Groups under `floor` people are left out; fewer than two left: not estimable."""
    alpha = norm.alpha if alpha is None else alpha
    meaning = margin.meaning
    by_name = {m.name: m for m in metrics_for(meaning)}
    names = parts_of(norm.metric, meaning)
    members = [int(g) for g in comparable(margin, 0)]
    strata = []
    for name in names:
        if name not in by_name:
            return not_estimable(norm, margin.attribute, "this metric is judged by `assay audit`, not while watching")
        strata.append(effective(margin, [by_name[name]])[name])
    enough = [g for g in members if all(n[g] >= floor for _, n in strata)]
    if len(enough) < 2:
        sizes = ", ".join(f"{' / '.join(margin.groups[g])}: {min(int(n[g]) for _, n in strata)}" for g in members)
        reason = f"fewer than two groups with {floor} people to count ({sizes or 'nobody'})"
        people = min((int(n[g]) for _, n in strata for g in members), default=0)
        return not_estimable(norm, margin.attribute, reason, people)
    if norm.kind == "ratio" and not any(x[enough].any() for x, _ in strata):
        people = min(int(n[g]) for _, n in strata for g in enough)
        return not_estimable(norm, margin.attribute, "0 over 0: nobody in any group is counted", people)
    judged = _judged(norm, margin, strata, enough, alpha)
    idle = None if norm.metric == BASE_RATE else idle_reason(margin)
    if judged.status == "inside" and idle is not None:
        return not_estimable(norm, margin.attribute, idle, judged.people)
    return judged


def not_estimable(norm: Norm, attribute: tuple[str, ...], reason: str, people: int = 0) -> Counted:
    """A norm that nobody can judge, and why."""
    return Counted(
        norm.metric, norm.kind, attribute, norm.limit, None, None, None, None, None, 0.0, "not_estimable",
        False, people, reason,
    )  # fmt: skip


def _judged(
    norm: Norm, margin: Margin, strata: Sequence[tuple[np.ndarray, np.ndarray]], members: list[int], alpha: float
) -> Counted:
    pairs = [(s, a, b) for s in range(len(strata)) for a, b in combinations(members, 2)]
    difference = norm.kind == "difference"
    best: tuple[float, int, int, int] | None = None
    lows, highs, logs = [], [], []
    for s, a, b in pairs:
        x, n = strata[s]
        if x[a] / n[a] < x[b] / n[b]:
            a, b = b, a
        up = (float(x[a]), float(n[a]))
        down = (float(x[b]), float(n[b]))
        if difference:
            value = up[0] / up[1] - down[0] / down[1]
            # Each end is a limit of one pair: the widest gap is at least every pair's, so that side pays for all pairs.
            low = _difference_end(*up, *down, alpha / len(pairs), -1.0)
            high = _difference_end(*up, *down, alpha, 1.0)
            log_e = log_e_difference(*up, *down, max(min(value, norm.limit), -1.0))
            worse = best is None or value > best[0]
        else:
            value = 1.0 if up[0] == 0 else (down[0] / down[1]) / (up[0] / up[1])
            low = _ratio_end(*down, *up, alpha, 0.0)
            high = _ratio_end(*down, *up, alpha / len(pairs), 1.0)
            log_e = log_e_ratio(*down, *up, max(value, norm.limit))
            worse = best is None or value < best[0]
        lows.append(low)
        highs.append(high)
        logs.append(log_e - math.log(len(pairs)))
        if worse:
            best = (value, a, b, s)
    assert best is not None
    value, a, b, s = best
    log_e = float(np.logaddexp.reduce(logs))
    if difference:
        low, high = min(max(max(lows), 0.0), value), max(max(highs), value)
        outside, inside, promote = low > norm.limit, high <= norm.limit, high <= norm.promote
    else:
        low, high = min(*lows, value), max(min(highs), value)
        outside, inside, promote = high < norm.limit, low >= norm.limit, low >= norm.promote
    status = "outside" if outside else "inside" if inside else "undecided"
    people = min(int(n[g]) for _, n in strata for g in members)
    names = [" / ".join(margin.groups[g]) for g in (a, b)]
    x, n = strata[s]
    up, down, each = (float(x[a]), float(n[a])), (float(x[b]), float(n[b])), alpha / len(pairs)
    of_two = difference_sequence(*up, *down, each) if difference else ratio_sequence(*down, *up, each)
    apart = log_e_difference(*up, *down, 0.0) - math.log(len(pairs))
    return Counted(
        norm.metric, norm.kind, margin.attribute, norm.limit, value, low, high, names[0], names[1], log_e, status,
        promote, people, None, *of_two, min(1.0, math.exp(min(0.0, -apart))),
    )  # fmt: skip
