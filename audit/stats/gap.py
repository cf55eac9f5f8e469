"""The widest gap of many groups, its interval over all pairs at once, and its p-value. Counts only, no rows.

The percentile bootstrap of max - min never covers 0 and covers little at a small gap (docs/coverage.md). Here:

Interval. Let D be the largest true difference. Each pair's true difference is at most D, so D is at least every
pair's simultaneous lower limit: low = the largest of them. And D is one pair's true difference, so it is at most the
largest of the pairs' own upper limits: high = that one, with no correction. Limits of a pair are Newcombe's; the
simultaneous critical value is the 1 - alpha quantile of the largest studentised |deviation| over all pairs in
parametric draws at the measured rates (as in Hothorn, Bretz & Westfall 2008), never under the normal one.

A pair that is surely narrower than the widest one hardly ever puts its lower limit above D, so it need not be paid
for. Two steps (Romano, Shaikh & Wolf 2014): a tenth of alpha goes into simultaneous limits that say by how much each
pair falls short of the widest; the rest into the quantile, each pair's deviation less that shortfall.

Why 1 - alpha for |deviation| and not 1 - alpha / 2: an upper limit falls short of D only if D exceeds the half width
of every pair, and then only one direction of each pair can push the lower limit above D, which is half of the
two-sided probability. So either the lower side may take all of alpha, or both sides take about half each. With two
groups this is Newcombe's interval, folded at 0.

Where one pair is far wider than all others, only that pair can miss, below with the tail of the critical value and
above with the tail of the open end; the two tails add up to alpha. With up to three groups each is half. With more,
the critical value is larger anyway, so the lower tail is held to a quarter of alpha and the open end has three
quarters: the interval of ten groups becomes 4 to 7 % shorter at the same promise.

p-value. Permuting people over the groups leaves a multivariate hypergeometric draw of the successes; the statistic is
the largest |difference| over its pooled standard error. Counts are coarse, so a permutation p-value that counts ties
whole rejects too seldom (3 to 4 % at a nominal 5 % for groups of 100); ties count one half here (mid-p, Lancaster
1961). Two groups need no draws: the law is summed exactly. Where fewer than TAIL of the draws reach the observed
value, the draws cannot resolve the tail, and the exact p-value of the widest pair, times the number of pairs, is taken
where it is smaller.

Weights and repeated people. Counts are then effective ones (audit.stats.design). Permuting that many independent rows
has, over the groups, the variance that moving whole persons has to first order; it is taken for it, since the cube
holds sums over persons and no person. Where a person has rows in two groups their rates are correlated: limits and
draws take the measured correlation (Zou & Donner 2008), and the draws of the test are binomial ones at the common rate,
joined by a normal copula, since persons who are in both groups cannot be moved from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from audit.numbers import brief
from audit.stats import extremes
from audit.stats.draws import canonical, draws_of, largest_of, together
from audit.stats.exact import joined, two_groups
from audit.stats.intervals import difference_limits, differences_of, ratios_of, two_sided
from audit.stats.widest import beyond, spread, widest

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

TAIL = 10
FIRST = 0.1
"""The part of alpha spent on finding which pairs cannot be the widest."""
LARGEST = 10**9
"""From this many people on numpy draws no hypergeometric numbers; the exact pairwise p-value stands alone."""
FEW = 3
"""Up to so many pairs both ends take half of alpha each; with more, the module's text gives the low end a quarter."""
MANY = 40
"""With more groups than this the critical value is Bonferroni's, which needs no draws over all pairs."""


@dataclass(frozen=True, slots=True)
class GapResult:
    """The widest gap. highest, lowest, left_out are indexes into the groups; stratum says which rate it is of.

    pair_*: of highest and lowest alone, where it is known here (rates have `audit.stats.pairs`): their interval,
    simultaneous over all `pairs`, which may hold no difference, and their own p-value, not adjusted.
    """

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    highest: int | None
    lowest: int | None
    stratum: int | None
    method: str
    estimable: bool
    reason: str | None
    left_out: tuple[int, ...] = ()
    pair_low: float | None = None
    pair_high: float | None = None
    pair_p: float | None = None
    pairs: int | None = None


@dataclass(frozen=True, slots=True)
class _Stratum:
    """One rate over the groups that have people in it. pairs (2, P) of indexes; critical for the lower limits.

    joint (G, G): correlations of the groups' rates, or None where they are independent.
    """

    index: int
    groups: Whole
    share: Floats
    n: Floats
    pairs: Whole
    critical: float
    p_value: float
    joint: Floats | None = None


def largest_gap(
    strata: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    kind: str = "difference",
    seed: int = 0,
    draws: int = 2000,
    alpha: float = 0.05,
    reference: int | None = None,
    joint: Sequence[Floats | None] = (),
) -> GapResult:
    """The widest gap over groups of (successes, people), each (G,); with several strata the widest over all of them.

    Several strata serve equalized odds: the larger of the gaps of two rates. reference: gaps against that group only.
    Counts need not be whole (effective sizes); draws then use them rounded. joint: of each stratum the correlations
    (G, G) of the groups' rates, or None. Never raises on empty groups.
    """
    counts = [(np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)) for x, n in strata]
    method = _method(kind, len(counts), seed, draws, alpha, reference)
    left_out = sorted({int(g) for _, n in counts for g in np.flatnonzero(~(n > 0))})
    by_stratum = []
    for index, (x, n) in enumerate(counts):
        together = joint[index] if joint else None
        stratum = _stratum(index, x, n, seed, draws, alpha / len(counts), reference, together)
        if stratum is None:
            return _none(method, f"fewer than two groups have people to count ({_sizes(n)})", left_out)
        by_stratum.append(stratum)
    return (_ratio if kind == "ratio" else _difference)(by_stratum, method, alpha, tuple(left_out))


def _sizes(n: Floats) -> str:
    shown = ", ".join(brief(v) for v in n[:12])
    return f"counts {shown}" + (" and more" if len(n) > 12 else "")


def _none(method: str, reason: str, left_out: Sequence[int]) -> GapResult:
    return GapResult(None, None, None, None, None, None, None, method, False, reason, tuple(left_out))


def _method(kind: str, strata: int, seed: int, draws: int, alpha: float, reference: int | None) -> str:
    what = "lowest / highest" if kind == "ratio" else "highest - lowest"
    over = "all pairs of groups" if reference is None else "all groups against the reference"
    limits = "MOVER-R" if kind == "ratio" else "Newcombe"
    larger = f"; the larger of {strata} gaps" if strata > 1 else ""
    return (
        f"{what} over {over}{larger}; {brief(100 * (1 - alpha))} % simultaneous {limits} interval and permutation "
        f"mid-p-value from {draws} draws, seed {seed}"
    )


def _stratum(
    index: int, x: Floats, n: Floats, seed: int, draws: int, alpha: float, reference: int | None,
    together: Floats | None,
) -> _Stratum | None:  # fmt: skip
    groups = np.flatnonzero(n > 0)
    if len(groups) < 2 or (reference is not None and reference not in groups):
        return None
    ref = None if reference is None else int(np.flatnonzero(groups == reference)[0])
    pairs = _pairs(len(groups), ref)
    if together is not None:
        together = np.ascontiguousarray(together[np.ix_(groups, groups)])
        together = together if together[np.triu_indices(len(groups), 1)].any() else None
    x, n = x[groups], n[groups]
    order, counts = canonical(x, n)
    at = None if ref is None else int(np.flatnonzero(order == ref)[0])
    joint_bytes = b"" if together is None else together[np.ix_(order, order)].tobytes()
    critical, p_value = _law(counts.tobytes(), n[order].tobytes(), at, seed + index, draws, alpha, joint_bytes)
    return _Stratum(index, groups, x / n, n, pairs, critical, p_value, together)


@lru_cache(maxsize=8)
def _pairs(groups: int, ref: int | None) -> Whole:
    """All unordered pairs, or the pairs with the reference; (2, P), not to be changed."""
    others = np.array([g for g in range(groups) if g != ref], dtype=np.int64)
    indices = np.triu_indices(groups, 1) if ref is None else [np.full(len(others), ref), others]
    pairs = np.array(indices, dtype=np.int64)
    pairs.flags.writeable = False
    return pairs


@lru_cache(maxsize=256)
def _law(
    x_bytes: bytes, n_bytes: bytes, at: int | None, seed: int, draws: int, alpha: float, joint_bytes: bytes
) -> tuple[float, float]:
    """The critical value of the lower limits, and the p-value; shared by difference and ratio of one rate, and by a
    rate and its complement. x and n as `canonical` has them; at: the reference among them."""
    x, n = np.frombuffer(x_bytes), np.frombuffer(n_bytes)
    pairs = _pairs(len(n), at)
    whole = np.maximum(np.rint(n).astype(np.int64), 1)
    hits = np.clip(np.rint(x).astype(np.int64), 0, whole)
    joint = np.frombuffer(joint_bytes).reshape(len(n), len(n)) if joint_bytes else None
    rng = np.random.default_rng(seed)
    count = pairs.shape[1]
    if count == 1:
        critical = two_sided(alpha)
    elif len(n) > MANY:
        critical = two_sided(alpha / count)
    else:
        sample = draws_of(x_bytes, n_bytes, seed, draws, joint_bytes)
        largest = largest_of(x_bytes, n_bytes, pairs.tobytes(), seed, draws, 1 - alpha, joint_bytes)
        shortfall = None if at is not None else _shortfall(x, n, pairs, joint)
        critical = two_step(sample.off, sample.variance, pairs, shortfall, alpha, joint, largest)
        rng.bit_generator.state = sample.state
    if joint is not None and len(n) == 2:
        # As `audit.stats.pairs.pair_p` has it of two groups that are named.
        k = joined(n[0], n[1], float(joint[0, 1]))
        (x1, x2), (n1, n2) = (k * x).tolist(), (k * n).tolist()
        a, b = max(round(n1), 1), max(round(n2), 1)
        return critical, two_groups(min(round(x1), a), a, min(round(x2), b), b)
    if joint is not None:
        return critical, _p_joint(hits, whole, pairs, rng, draws, joint)
    return critical, _p_value(hits, whole, pairs, rng, draws)


def _shortfall(x: Floats, n: Floats, pairs: Whole, joint: Floats | None) -> Callable[[float], Floats]:
    """By how much each pair is surely narrower than the widest, at a critical value."""

    def short(critical: float) -> Floats:
        rate, other = (x / n)[:, None], (x / n)[None, :]
        return falls_short(difference_limits(rate, n[:, None], other, n[None, :], critical, joint)[0], pairs)

    return short


def falls_short(low: Floats, pairs: Whole) -> Floats:
    """By how much each pair's difference is surely below the largest one; low (G, G): lower limits of row - column."""
    i, j = pairs
    below_top, above_bottom = np.maximum(low.max(axis=0), 0), np.maximum(low.max(axis=1), 0)
    shortfall: Floats = np.minimum(below_top[i] + above_bottom[j], below_top[j] + above_bottom[i])
    return shortfall


def ends(pairs: int, alpha: float) -> tuple[float, float]:
    """The least critical value of the low end's limits, and the critical value of the open end."""
    uneven = pairs > FEW
    return two_sided(alpha / 2 if uneven else alpha), two_sided(1.5 * alpha if uneven else alpha)


def two_step(
    off: Floats, variance: Floats, pairs: Whole, short: Callable[[float], Floats] | None, alpha: float,
    joint: Floats | None = None, largest: Floats | None = None,
) -> float:  # fmt: skip
    """The critical value from draws of the deviations and of their variances, each (G, draws).

    largest (draws,): what `widest` finds over all pairs, where it is known.
    """
    first = alpha * FIRST
    least, _ = ends(pairs.shape[1], alpha)
    if largest is None:
        largest = widest(off, variance, pairs, 1 - alpha, joint=joint)
    plain = float(np.quantile(largest, 1 - alpha))
    if short is None:
        return max(plain, least)
    away = short(float(np.quantile(largest, 1 - first)))
    if not away.any():
        return max(plain, least)
    level = 1 - (alpha - first)
    kept = float(np.quantile(widest(off, variance, pairs, level, away, joint), level))
    return max(min(kept, plain), least)


def _p_joint(hits: Whole, whole: Whole, pairs: Whole, rng: np.random.Generator, draws: int, joint: Floats) -> float:
    """As `_p_value`, of groups that share people: draws at the common rate with the measured correlations."""
    total, people = int(hits.sum()), int(whole.sum())
    if total == 0 or total == people:
        return 1.0
    i, j = pairs
    scale = 1 / np.sqrt(spread(1 / whole[i], 1 / whole[j], joint[i, j]))
    share = hits / whole
    observed = float((np.abs(share[i] - share[j]) * scale).max())
    star = together(whole, np.full(len(whole), total / people), joint, rng, draws) / whole
    largest = np.zeros(draws)
    for g, h, factor in zip(i, j, scale, strict=True):
        np.maximum(largest, np.abs(star[:, g] - star[:, h]) * factor, out=largest)
    above, level = np.sum(largest > observed + 1e-9), np.sum(np.abs(largest - observed) <= 1e-9)
    return float(min(1.0, (above + level / 2 + 1) / (draws + 1)))


def _p_value(hits: Whole, whole: Whole, pairs: Whole, rng: np.random.Generator, draws: int) -> float:
    """Mid-p (Lancaster 1961): a draw as large as what was seen counts one half, a larger one counts whole."""
    total, people = int(hits.sum()), int(whole.sum())
    if total == 0 or total == people:
        return 1.0
    if len(whole) == 2:
        return two_groups(int(hits[0]), int(whole[0]), int(hits[1]), int(whole[1]))
    i, j = pairs
    scale = 1 / np.sqrt(1 / whole[i] + 1 / whole[j])
    share = hits / whole
    each = np.abs(share[i] - share[j]) * scale
    observed = each.max()
    furthest = int(each.argmax())
    a, b = i[furthest], j[furthest]
    reached = 0.0
    if people < LARGEST:
        star = np.ascontiguousarray(
            (rng.multivariate_hypergeometric(whole, total, size=draws, method="marginals") / whole).T
        )
        above, level = beyond(star, whole, total / people, pairs, scale, float(observed))
        reached = float(above + level / 2)
        p = (reached + 1) / (draws + 1)
    else:
        p = 1.0
    if reached < TAIL:
        p = min(p, two_groups(int(hits[a]), int(whole[a]), int(hits[b]), int(whole[b])) * len(i))
    return p


def _first(value: Floats, n: Floats, other: Floats) -> int:
    """Where the least value is; of equal ones that of the larger groups, so that no order of groups decides."""
    same = np.flatnonzero(value <= value.min() + 1e-12)
    return int(same[np.lexsort((-n[same], -np.maximum(n, other)[same], -np.minimum(n, other)[same]))[0]])


def _both_ways(s: _Stratum) -> tuple[Whole, Whole]:
    i, j = s.pairs
    return np.concatenate([i, j]), np.concatenate([j, i])


def _many(s: _Stratum) -> bool:
    """Whether there are so many pairs that those that count are chosen first."""
    groups = len(s.groups)
    return s.joint is None and groups >= extremes.FROM and s.pairs.shape[1] == groups * (groups - 1) // 2


def _difference(strata: Sequence[_Stratum], method: str, alpha: float, left_out: tuple[int, ...]) -> GapResult:
    low, high, best = 0.0, 0.0, None
    _, z = ends(max(s.pairs.shape[1] for s in strata), alpha)
    for s in strata:
        i, j = extremes.of_differences(s.share, s.n, s.critical, z) if _many(s) else _both_ways(s)
        d = s.share[i] - s.share[j]
        r = None if s.joint is None else s.joint[i, j]
        low = max(low, float(differences_of(s.share, s.n, i, j, s.critical, r)[0].max()))
        high = max(high, float(differences_of(s.share, s.n, i, j, z, r)[1].max()))
        k = _first(-d, s.n[i], s.n[j])
        if best is None or d[k] > best[0]:
            best = float(d[k]), int(s.groups[i[k]]), int(s.groups[j[k]]), s.index
    assert best is not None
    gap, highest, lowest, stratum = best
    return GapResult(
        gap, min(low, gap), min(max(high, gap), 1.0), _joint(strata), highest, lowest, stratum, method, True, None,
        left_out,
    )  # fmt: skip


def _ratio(strata: Sequence[_Stratum], method: str, alpha: float, left_out: tuple[int, ...]) -> GapResult:
    low, high, best = 1.0, 1.0, None
    _, z = ends(max(s.pairs.shape[1] for s in strata), alpha)
    for s in strata:
        if not (s.share > 0).any():
            return _none(method, "0 over 0: nobody in any group is counted in the numerator", left_out)
        i, j = extremes.of_ratios(s.share, s.n, s.critical, z) if _many(s) else _both_ways(s)
        use = s.share[j] > 0
        i, j = i[use], j[use]
        ratio = s.share[i] / s.share[j]
        r = None if s.joint is None else s.joint[i, j]
        low = min(low, float(ratios_of(s.share, s.n, i, j, z, r)[0].min()))
        high = min(high, float(ratios_of(s.share, s.n, i, j, s.critical, r)[1].min()))
        k = _first(ratio, s.n[i], s.n[j])
        if best is None or ratio[k] < best[0]:
            best = float(ratio[k]), int(s.groups[j[k]]), int(s.groups[i[k]]), s.index
    assert best is not None
    value, highest, lowest, stratum = best
    return GapResult(
        value, min(low, value), max(high, value), _joint(strata), highest, lowest, stratum, method, True, None, left_out
    )


def _joint(strata: Sequence[_Stratum]) -> float:
    """One p-value over the strata: Bonferroni, since each may be the one that differs."""
    return min(1.0, len(strata) * min(s.p_value for s in strata))
