"""Who fares worse, in people and of 100, how sure that is, and what could not be seen."""

from __future__ import annotations

from collections.abc import Collection

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.findings import surest
from audit.metrics import EQUAL_OPPORTUNITY, SELECTION_RATE, TRUE_NEGATIVE_RATE, TRUE_POSITIVE_RATE
from audit.numbers import grouped
from audit.sizes import unit
from audit.values import Gap, Pair
from reports import conditions, words
from reports.blocks import Block, Key, Keys, Sources
from reports.sections import find
from reports.sections.board.said import CAUSE, NAME, NO_OUTCOME, REFUSED, named, of_100, two

MOST = 3
"""Attributes with a figure of their own, and those of them with sentences of their own."""


def widest(evidence: Evidence) -> list[Names]:
    """The attributes that the page has room for: those of the widest gaps, in the order of the case."""
    alone = find.attributes(evidence, alone=True)

    def width(attribute: Names) -> float:
        gap = find.gap(evidence, SELECTION_RATE, attribute)
        return -1.0 if gap is None or gap.value is None else float(gap.value)

    kept = sorted(alone, key=lambda a: -width(a))[:MOST]
    return [a for a in alone if a in kept]


def most_people(evidence: Evidence, attribute: Names) -> Pair | None:
    """The pair of groups in which most people fare worse than chance explains; None where there is none."""
    pairs = [
        p
        for p in find.every(evidence.pairs, metric=SELECTION_RATE, attribute=attribute)
        if p.low is not None and p.low > 0 and short_of(evidence, p) is not None
    ]
    return max(pairs, key=lambda p: (short_of(evidence, p) or (0.0,))[0], default=None)


def short_of(evidence: Evidence, pair: Pair) -> tuple[float, float, float] | None:
    """How many more of the lower group would get it at the rate of the higher, with limits; with weights, of those
    whom the people measured stand for. None where that is not known."""
    if pair.shortfall is not None and pair.shortfall_low is not None and pair.shortfall_high is not None:
        return pair.shortfall, pair.shortfall_low, pair.shortfall_high
    lower = find.rate(evidence, pair.metric, pair.attribute, pair.lower)
    if not evidence.data.weight or lower is None or not lower.denominator:
        return None
    n = lower.denominator
    return n * pair.difference, n * pair.low, n * pair.high


def more_of(evidence: Evidence, short: float) -> str:
    """12 more people; with weights, people standing for 1,200 more: a sum of weights is no number of people."""
    who = unit(evidence.data)
    return f"{who} standing for {grouped(short)} more" if evidence.data.weight else f"{grouped(short)} more {who}"


def keys(sources: Sources) -> list[Block]:
    evidence = sources.evidence
    items = []
    who, weighed = unit(evidence.data), evidence.data.weight is not None
    for attribute in widest(evidence):
        pair = most_people(evidence, attribute)
        short = None if pair is None else short_of(evidence, pair)
        if pair is None or short is None:
            continue
        top, bottom = two(pair.higher, pair.lower)
        people, least, most = map(grouped, short)
        items.append(
            Key(
                f"By {named(evidence, attribute)}"
                + ("" if _widest_too(evidence, pair) else ", most" if weighed else ", most people")
                + (f": {who} standing for" if weighed else ""),
                people + ("" if weighed else f" {who}"),
                f"more in {bottom} would get it\nat the rate of {top}\n(95 % sure: {least} to {most})",
            )
        )
    return [Keys(tuple(items))] if items else []


def _widest_too(evidence: Evidence, pair: Pair) -> bool:
    """Whether the pair in which most people fare worse is the one that is furthest apart."""
    gap = find.gap(evidence, pair.metric, pair.attribute)
    return gap is not None and (gap.highest, gap.lowest) == (pair.higher, pair.lower)


def worse_off(evidence: Evidence, ranged: Collection[Names] = ()) -> list[str]:
    """Per attribute: of 100 of each group, how many get it; of those who merit it; how sure.

    ranged: attributes whose gap stands on the same page with its range; one gap has one range there.
    """
    if evidence.regression is not None:
        return [words.unquoted(f) for f in evidence.findings[:4]]
    out = []
    shown = widest(evidence)
    for attribute in shown:
        gap = find.gap(evidence, SELECTION_RATE, attribute)
        if gap is None or gap.value is None:
            reason = words.why(gap.reason) if gap else "not measured"
            out.append(f"By {named(evidence, attribute)}, groups cannot be compared: {reason}.")
            continue
        out.append(_compared(evidence, attribute, gap, ranged=attribute in ranged))
    crossed = [a for a in find.printed(evidence) if len(a) > 1]
    gaps = [g for a in crossed if (g := find.gap(evidence, SELECTION_RATE, a)) and g.value is not None]
    if gaps:
        g = max(gaps, key=lambda g: g.value or 0.0)
        top, bottom = two(g.highest, g.lowest)
        by = named(evidence, g.attribute)
        out.append(f"By {by} taken together, {bottom} and {top} are furthest apart: {words.width(g)}.")
    rest = [named(evidence, a) for a in find.attributes(evidence, alone=True) if a not in shown]
    if rest:
        out.append(words.truncate(f"Measured too, by {', '.join(rest)}", 120) + ": see the chapters behind.")
    return out


def _compared(evidence: Evidence, attribute: Names, gap: Gap, *, ranged: bool = False) -> str:
    high = find.rate(evidence, gap.metric, attribute, gap.highest or ())
    low = find.rate(evidence, gap.metric, attribute, gap.lowest or ())
    if high is None or low is None:
        raise KeyError(f"the groups of the gap by {words.by(attribute)}")
    top, bottom = two(gap.highest, gap.lowest)
    widest_gap = "widest gap" if (gap.pairs or 0) > 1 else "gap"
    text = (
        f"By {named(evidence, attribute)}: of 100 in {bottom}, {of_100(low.value)} get it; of 100 in {top}, "
        f"{of_100(high.value)}. The {widest_gap} is {words.width(gap)}"
        + ("." if ranged else f" (95 % sure: {words.span(gap)}).")
    )
    return text + _sure(gap) + _surer(evidence, gap) + _merit(evidence, attribute)


def _sure(gap: Gap) -> str:
    """What chance could do, from the adjusted p-value of the two groups, or of all of them."""
    if gap.idle:
        return f" {words.capital(gap.idle)}."
    p = gap.p_adjusted if gap.pair_p_adjusted is None else gap.pair_p_adjusted
    if p is None:
        return ""
    if p >= 0.05:
        low = words.ends(gap)[0]
        if low is None or low <= 0:
            return " It may be chance."
        return " By itself it is hardly chance; among so many pairs of groups looked at, it may be."
    return _hardly(p)


def _hardly(p: float) -> str:
    return " It is hardly chance." if p >= 0.001 else " Chance alone would almost never do that."


def _surer(evidence: Evidence, gap: Gap) -> str:
    """Where the widest gap may be chance, the one that is not (audit.findings.surest)."""
    pair = None if gap.idle else surest(gap, evidence.pairs or ())
    if pair is None:
        return ""
    low, high = (find.rate(evidence, gap.metric, gap.attribute, g) for g in (pair.lower, pair.higher))
    if low is None or high is None:
        return ""
    top, bottom = two(pair.higher, pair.lower)
    return f" Surer: of 100 in {bottom}, {of_100(low.value)} get it; of 100 in {top}, {of_100(high.value)}." + _hardly(
        pair.p_adjusted
    )


def _merit(evidence: Evidence, attribute: Names) -> str:
    merit = find.gap(evidence, EQUAL_OPPORTUNITY, attribute)
    if merit is None or merit.value is None:
        return ""
    data = evidence.data
    metric = TRUE_POSITIVE_RATE if data.positive == data.favourable else TRUE_NEGATIVE_RATE
    low, high = (find.rate(evidence, metric, attribute, g or ()) for g in (merit.lowest, merit.highest))
    if low is None or high is None or low.value is None or high.value is None:
        return ""
    top, bottom = two(merit.highest, merit.lowest)
    if low.value == high.value == 1:
        return ""  # nobody of them goes without, as where outcomes are known of the accepted only
    maybe = words.ends(merit)[0]
    return (
        f" Of 100 in {bottom} who merit it, {of_100(1 - low.value)} go without; of 100 in {top}, "
        f"{of_100(1 - high.value)}." + (" That may be chance." if maybe is not None and maybe <= 0 else "")
    )


def unseen(sources: Sources) -> list[str]:
    evidence = sources.evidence
    out = [f"{CAUSE} Figures alone cannot say."]
    out += _unknown(evidence)
    if evidence.data.label is None:
        out.append(NO_OUTCOME)
    else:
        out.append(REFUSED)
    known = evidence.data.label is not None
    short = [r for r in evidence.rates if not r.estimable and (known or r.metric == SELECTION_RATE)]
    small = list(dict.fromkeys(words.name_of(r.group) for r in short))
    if small:
        small[:2] = words.told_apart(small[:2], NAME)
        named = ", ".join(small[:2]) + (f" and {len(small) - 2} more" if len(small) > 2 else "")
        out.append(f"Some figures of groups with few people: {named}.")
    if sources.explain is None or not sources.explain.overall:
        out.append("What led to the decisions: no one has looked into that.")
    return out


def _unknown(evidence: Evidence) -> list[str]:
    """Where the group of some is not known: of how many, and what the gap could be."""
    return [
        f"For {n:,} of {of:,} {unit(evidence.data)}, {conditions.column(evidence, a)} is not known."
        + _bound(evidence, a)
        for a, n, of in conditions.unknown_of(evidence)[:1]
    ]


def _bound(evidence: Evidence, attribute: str) -> str:
    bound = find.one(
        evidence.bounds.unknown_group if evidence.bounds else (),
        metric=SELECTION_RATE, kind="difference", attribute=(attribute,),
    )  # fmt: skip
    return "" if bound is None else f" The true gap could be anything from {words.span(bound)} points."
