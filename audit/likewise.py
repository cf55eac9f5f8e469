"""Like compared with like: the gap among people who are alike in factors that a person calls legitimate, with a reason.

    entry = like_with_like(case, frame, groups, favourable, settings)      # None where the case names no factors

For each group against the one with the highest rate (or the case's reference), over strata of the factors:

- the Mantel-Haenszel risk difference (Greenland & Robins 1985) with the interval that inverts Sato's (1989) variance as
  a score test does (Klingenberg 2014), the odds ratio with its interval and test (Robins, Breslow & Greenland 1986;
  Mantel & Haenszel 1959), and the test of Breslow & Day with Tarone's correction whether it is the same in all strata,
  by statsmodels;
- the gap adjusted by a logistic regression on the factors: the mean difference of predicted rates, were everyone of
  one group or the other (an average marginal effect), by statsmodels, with a robust or cluster-robust variance;
- how much of the raw gap the factors' mix takes away (Kitagawa 1955);
- conditional demographic disparity on these factors (Wachter, Mittelstadt & Russell 2021), and which factor stands in
  for the attribute itself (Cramer's V): a factor may be how the gap is made.

None of it is causal: what is not among the factors is not held equal.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from audit.case import Case
from audit.documents import to_builtins
from audit.documents.rows import AdjustedGap, AlikePair, Explained, LikeWithLike, MantelHaenszel, RawGap
from audit.gaps import Settings, seed_of
from audit.lazy import pandas as pd
from audit.load.values import coded
from audit.marginal_gap import dummies, regression_adjusted
from audit.numbers import fixed, many, percent, points
from audit.quality.codes import Group, levels_of
from audit.quality.proxies import association
from audit.stats.adjust import holm
from audit.stats.intervals import newcombe, two_sided
from audit.values import UNKNOWN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BANDS = 5
MOST_LEVELS = 12
PROXY = 0.3
"""Cramer's V from which on a factor is called a stand-in for the attribute."""
NOT_CAUSAL = "These figures hold the named factors equal and nothing else; they say nothing of causes."


def like_with_like(
    case: Case, frame: pd.DataFrame, groups: Sequence[Group], favourable: Ints, settings: Settings
) -> dict[str, Any] | None:
    """The `like_with_like` entry of evidence.json. favourable (n,): 1 where a row has the favourable decision."""
    legitimate = case.data.legitimate
    if not legitimate:
        return None
    factors, notes = [], []
    for column, reason in legitimate.items():
        levels = levels_of(frame[column], bands=BANDS, most=MOST_LEVELS)
        if levels is None or len(levels.names) < 2:
            notes.append(f"The factor {column!r} is left out: {_useless(frame[column], levels)}.")
            continue
        factors.append((column, reason, levels))
    stratum = _strata([f[2].codes for f in factors], len(frame))
    weight = None if case.data.weight is None else frame[case.data.weight].to_numpy(dtype=np.float64)
    cluster = None if case.data.cluster is None else coded(frame[case.data.cluster])[0]
    pairs: list[AlikePair] = []
    for group in groups:
        pairs += _attribute(case, group, factors, stratum, favourable, weight, cluster, settings) if factors else []
    adjusted = iter(holm([p for q in pairs if (p := q.mantel_haenszel.p_value) is not None]))
    return {
        "factors": [
            {"column": c, "reason": reason, "levels": len(levels.names), "proxy_of": _proxies(levels.codes, groups)}
            for c, reason, levels in factors
        ],
        "strata": len(np.unique(stratum)) if factors else 0,
        "pairs": to_builtins([_with_adjusted(pair, adjusted) for pair in pairs]),
        "notes": notes,
    }


def _with_adjusted(pair: AlikePair, adjusted: Iterator[Any]) -> AlikePair:
    """The pair with the next of the adjusted p-values, where it was tested."""
    held = pair.mantel_haenszel
    if held.p_value is None:
        return pair
    return replace(pair, mantel_haenszel=replace(held, p_adjusted=float(next(adjusted))))


def _useless(column: pd.Series, levels: Any) -> str:
    """Why a factor makes no strata."""
    if levels is not None or column.nunique(dropna=True) <= 1:
        return "it has one value for everybody, or none"
    return (
        f"{many(column.nunique(dropna=True), 'different value')} in {many(len(column), 'row')} put hardly "
        "anybody together"
    )


def _strata(codes: Sequence[Ints], n: int) -> Ints:
    """One number a row for its combination of factors."""
    out = np.zeros(n, dtype=np.int64)
    for column in codes:
        out = out * (int(column.max(initial=0)) + 1) + column
    return np.unique(out, return_inverse=True)[1].astype(np.int64)


def _proxies(codes: Ints, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """How strongly a factor goes with each attribute; `stands_in` from PROXY on."""
    out = []
    for group in groups:
        known = np.isin(group.codes, [i for i, level in enumerate(group.levels) if level != UNKNOWN])
        table = np.zeros((int(codes.max(initial=0)) + 1, len(group.levels)))
        np.add.at(table, (codes[known], group.codes[known]), 1)
        v = association(table)[0]
        out.append({"attribute": [group.attribute], "cramers_v": v, "stands_in": bool(v >= PROXY)})
    return out


def _attribute(
    case: Case, group: Group, factors: Sequence[tuple[str, str, Any]], stratum: Ints, favourable: Ints,
    weight: Floats | None, cluster: Ints | None, settings: Settings,
) -> list[AlikePair]:  # fmt: skip
    people = np.bincount(group.codes, minlength=len(group.levels))
    use = [g for g, level in enumerate(group.levels) if level != UNKNOWN and people[g] >= max(1, settings.floor)]
    if len(use) < 2:
        return []
    rate = {g: float(favourable[group.codes == g].mean()) for g in use}
    wished = case.data.reference.get(group.attribute)
    best = next((g for g in use if group.levels[g] == wished), None)
    if best is None:
        best = max(use, key=lambda g: (rate[g], people[g], group.levels[g]))
    alpha = settings.alpha / (len(use) - 1)
    columns = np.concatenate([dummies(f[2].codes) for f in factors], axis=1)
    out = []
    for g in use:
        if g == best:
            continue
        table = tables(stratum, group.codes == best, group.codes == g, favourable)
        heavy = table if weight is None else tables(stratum, group.codes == best, group.codes == g, favourable, weight)
        x1, n1, x2, n2 = heavy.sum(axis=0)
        raw = RawGap(float(x1 / n1 - x2 / n2) if n1 and n2 else 0.0, None, None)
        # Newcombe's limits and draws from counts are of rows that stand alone; with others the gap above has its own.
        alone = weight is None and cluster is None
        if alone:
            low, high = (float(v) for v in newcombe(x1, n1, x2, n2, alpha))
            raw = RawGap(raw.value, low, high)
        held = mantel_haenszel(table, alpha) if alone else _no_difference(weight, cluster)
        members = (group.codes == best) | (group.codes == g)
        adjusted = regression_adjusted(
            columns[members], (group.codes == g)[members], favourable[members],
            None if weight is None else weight[members], None if cluster is None else cluster[members], alpha,
        )  # fmt: skip
        seed = seed_of(settings, (group.attribute,), f"kitagawa {group.levels[best]} {group.levels[g]}")
        out.append(
            AlikePair(
                (group.attribute,),
                (group.levels[g],),
                (group.levels[best],),
                [int(table[:, 3].sum()), int(table[:, 1].sum())],
                raw,
                held,
                adjusted,
                kitagawa(heavy, alpha, seed, settings.draws if alone else 0),
                conditional_disparity(stratum, group.codes == g, favourable, weight),
                _turns(raw, held),
            )
        )
    return out


def _turns(raw: RawGap, held: MantelHaenszel) -> bool:
    """Whether the gap among people alike clearly runs the other way."""
    if held.value is None or held.low is None or held.high is None:
        return False
    return held.value * raw.value < 0 < held.low * held.high


def tables(
    stratum: Ints, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], favourable: Ints,
    weight: Floats | None = None,
) -> Any:  # fmt: skip
    """(S, 4): favourable and all of the first group, favourable and all of the second, in each stratum; of rows, or of
    what they weigh.
    """
    size = int(stratum.max(initial=0)) + 1
    counts = np.ones(len(stratum)) if weight is None else weight
    out = [
        np.bincount(stratum[mine], weights=(counts * of)[mine], minlength=size)
        for mine in (first, second)
        for of in (favourable, np.ones(len(stratum)))
    ]
    return np.stack(out, axis=1).astype(np.int64 if weight is None else np.float64)


def _none(reason: str) -> MantelHaenszel:
    return MantelHaenszel(None, None, None, strata=0, rows=0, reason=reason)


def _no_difference(weight: Floats | None, cluster: Ints | None) -> MantelHaenszel:
    what = "weights" if weight is not None else "people in several rows"
    return _none(
        f"the Mantel-Haenszel variance is of rows that stand alone, and there are {what}; see the adjusted gap"
    )


def mantel_haenszel(table: Ints, alpha: float = 0.05) -> MantelHaenszel:
    """Risk difference and odds ratio over strata (S, 4), see `tables`; strata without one of the groups say nothing.

    strata, rows: how many take part. same_in_all_p: Breslow-Day with Tarone's correction, over strata where all margins
    are above 0.
    """
    x1, n1, x2, n2 = table.T.astype(np.float64)
    both = (n1 > 0) & (n2 > 0)
    if not both.any():
        return _none("no stratum holds people of both groups")
    x1, n1, x2, n2 = (v[both] for v in (x1, n1, x2, n2))
    total = n1 + n2
    weight = n1 * n2 / total
    value = float((weight * (x1 / n1 - x2 / n2)).sum() / weight.sum())
    p = float(((n1**2 * x2 - n2**2 * x1 + n1 * n2 * (n2 - n1) / 2) / total**2).sum() / weight.sum() ** 2)
    q = float(((x1 * (n2 - x2) + x2 * (n1 - x1)) / (2 * total)).sum() / weight.sum() ** 2)
    # Sato's variance is p d + q at a true difference d; the limits are where (value - d)^2 is z^2 times it.
    z = two_sided(alpha)
    middle = value + z**2 * p / 2
    half = float(np.sqrt(max(0.0, middle**2 - value**2 + z**2 * q)))
    low, high = max(-1.0, min(middle - half, value)), min(1.0, max(middle + half, value))
    out = MantelHaenszel(value, low, high, strata=int(both.sum()), rows=int(total.sum()))
    informative = (x1 + x2 > 0) & (x1 + x2 < total)
    if not informative.any():
        return replace(out, reason="in every stratum all are decided alike: there is no odds ratio and no test")
    from statsmodels.stats.contingency_tables import StratifiedTable

    cells = np.stack([x1, n1 - x1, x2, n2 - x2], axis=-1)[informative].reshape(-1, 2, 2)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        stratified = StratifiedTable(list(cells))
        low, high = stratified.oddsratio_pooled_confint(alpha)
        p_value = float(stratified.test_null_odds(correction=False).pvalue)
        odds = float(stratified.oddsratio_pooled)
        same = _breslow_day(cells)
    finite = np.isfinite([odds, low, high]).all() and odds > 0
    if finite:
        out = replace(out, odds_ratio=odds, odds_low=float(low), odds_high=float(high))
    return replace(out, p_value=p_value if np.isfinite(p_value) else None, same_in_all_p=same)


def _breslow_day(cells: Floats) -> float | None:
    from statsmodels.stats.contingency_tables import StratifiedTable

    full = cells[(cells.sum(axis=1) > 0).all(axis=1) & (cells.sum(axis=2) > 0).all(axis=1)]
    if len(full) < 2:
        return None
    p = float(StratifiedTable(list(full)).test_equal_odds(adjust=True).pvalue)
    return p if np.isfinite(p) else None


def kitagawa(table: Ints, alpha: float = 0.05, seed: int = 0, draws: int = 1000) -> Explained:
    """What the mix of strata takes away of the raw gap, and what is left within strata: raw = mix + within.

    A stratum that only one group has counts with that group's rate, which says nothing of people who are alike: `apart`
    is the share of people in such strata, and where nobody is in another one there are no parts. low, high: of the
    mix's part in points, by parametric bootstrap from the counts (None without draws); share: of the raw gap.
    """
    both = (table[:, 1] > 0) & (table[:, 3] > 0)
    people = table[:, [1, 3]].sum(axis=1)
    apart = float(people[~both].sum() / people.sum()) if people.sum() else 1.0
    if not both.any():
        return Explained(None, None, None, None, None, apart, "no stratum holds people of both groups")
    mix, within = _parts(table[None].astype(np.float64))
    raw = float(mix[0] + within[0])
    share = float(mix[0] / raw) if raw else None
    out = Explained(float(mix[0]), None, None, float(within[0]), share, apart)
    if not draws:
        return out
    rng = np.random.default_rng(seed)
    drawn = []
    for x, n in ((table[:, 0], table[:, 1]), (table[:, 2], table[:, 3])):
        cells = np.concatenate([x, n - x])
        part = rng.multinomial(int(cells.sum()), cells / cells.sum(), size=min(draws, 1000)).astype(np.float64)
        drawn += [part[:, : len(x)], part[:, : len(x)] + part[:, len(x) :]]
    again, _ = _parts(np.stack(drawn, axis=-1))
    low, high = np.quantile(again, [alpha / 2, 1 - alpha / 2])
    return replace(out, low=float(low), high=float(high))


def _parts(table: Floats) -> tuple[Floats, Floats]:
    """Mix and within of tables (D, S, 4): two arrays (D,)."""
    x1, n1, x2, n2 = np.moveaxis(table, -1, 0)
    s1, s2 = n1 / n1.sum(axis=1, keepdims=True), n2 / n2.sum(axis=1, keepdims=True)
    r1 = np.divide(x1, n1, out=np.zeros_like(x1), where=n1 > 0)
    r2 = np.divide(x2, n2, out=np.zeros_like(x2), where=n2 > 0)
    r1, r2 = np.where(n1 > 0, r1, r2), np.where(n2 > 0, r2, r1)
    return ((s1 - s2) * (r1 + r2) / 2).sum(axis=1), ((s1 + s2) / 2 * (r1 - r2)).sum(axis=1)


def conditional_disparity(
    stratum: Ints, mine: npt.NDArray[np.bool_], favourable: Ints, weight: Floats | None = None
) -> float | None:
    """The mean over strata, by size, of a group's share among the refused less its share among the favoured.

    As Clarify counts (smclarify 0.5): a stratum in which nobody is on one side has a share of 0 there.
    """
    if favourable.min(initial=1) == favourable.max(initial=1):
        return None
    size = int(stratum.max(initial=0)) + 1
    total = np.zeros((2, 2, size))
    np.add.at(total, (mine.astype(np.int64), favourable, stratum), 1 if weight is None else weight)
    sides = total.sum(axis=0)
    share = np.divide(total[1], sides, out=np.zeros_like(sides), where=sides > 0)
    people = sides.sum(axis=0)
    return float((people * (share[0] - share[1])).sum() / people.sum())


def findings(comparison: LikeWithLike) -> list[str]:
    """What a reader must know at once: where the direction turns, and which factor stands in for an attribute."""
    out = list(comparison.notes)
    columns = ", ".join(f.column for f in comparison.factors)
    for pair in comparison.pairs:
        if pair.turns:
            held, by = pair.mantel_haenszel, " and ".join(pair.attribute)
            value, low, high = (100 * (v or 0.0) for v in (held.value, held.low, held.high))
            out.append(
                f"By {by}: among people alike in {columns} the gap between {' / '.join(pair.against)} and "
                f"{' / '.join(pair.group)} turns: {points(pair.raw.value)} become "
                f"{fixed(value, 1)} [{fixed(low, 1)}, {fixed(high, 1)}]."
            )
    for factor in comparison.factors:
        named = [" and ".join(p.attribute) for p in factor.proxy_of if p.stands_in]
        if named:
            out.append(
                f"The factor {factor.column!r}, called legitimate, goes with {', '.join(named)} itself: holding it "
                "equal may hide how a gap is made."
            )
    return out


@dataclass(frozen=True, slots=True)
class Shown:
    """One pair in words, for screen and report."""

    who: str
    raw: str
    held: str
    adjusted: str
    explained: str


def shown(pair: AlikePair) -> Shown:
    """The figures of one pair as text; a value that is not there says why."""

    def written(estimate: RawGap | MantelHaenszel | AdjustedGap) -> str:
        return _points(estimate.value, estimate.low, estimate.high, getattr(estimate, "reason", None))

    part = pair.explained
    share = "" if part.share is None else f", {percent(part.share, 0)} of the gap"
    if part.apart and part.mix is not None:
        share += f"; {percent(part.apart, 0)} of people have nobody of the other group in their stratum"
    return Shown(
        f"{' / '.join(pair.against)} over {' / '.join(pair.group)}",
        written(pair.raw),
        written(pair.mantel_haenszel),
        written(pair.adjusted),
        _points(part.mix, part.low, part.high, part.reason) + share,
    )


def _points(value: float | None, low: float | None, high: float | None, reason: str | None) -> str:
    if value is None:
        return f"not estimable: {reason}"
    if low is None or high is None:
        return f"{fixed(100 * value, 1)} (no interval: rows do not stand alone)"
    return f"{fixed(100 * value, 1)} [{fixed(100 * low, 1)}, {fixed(100 * high, 1)}]"
