"""What the figures say, in sentences; and where each norm of the policy stands. Never a verdict on the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit import numbers
from audit.evidence import pick
from audit.metrics import ASKED_FIRST, METRICS, ROC_AUC, SELECTION_RATE
from audit.models.served.measured import finding
from audit.numbers import are, fixed, many, points
from audit.policy import Norm, Policy
from audit.printable import printable
from audit.sizes import behind
from audit.two_rules import Compared, words_of
from audit.values import Gap, Measures, Pair, Rate, from_json


@dataclass(frozen=True, slots=True)
class NormResult:
    """Where one norm stands for one attribute.

    status: "inside" (the whole interval keeps the limit), "outside" (the whole interval breaks it), "undecided" (the
    limit lies within the interval), "not_estimable" (also where a gap is small because nothing is decided).
    breached: the measured value breaks the limit; --gate counts it.
    """

    metric: str
    kind: str
    attribute: tuple[str, ...]
    limit: float
    value: float | None
    low: float | None
    high: float | None
    status: str
    breached: bool
    reason: str | None


def judge(policy: Policy, measures: Measures, sensitive: Sequence[str]) -> tuple[NormResult, ...]:
    """Each norm against the gap it names; a norm without an attribute holds for every sensitive column. An intersection
    is the same in whatever order its columns are written, and stands as it was measured."""
    measured = {(len(g.attribute), frozenset(g.attribute)): g.attribute for g in measures.gaps}
    results = []
    for norm in policy.norms:
        attributes = (norm.attribute,) if norm.attribute else tuple((a,) for a in sensitive)
        for named in attributes:
            attribute = measured.get((len(named), frozenset(named)), named)
            if set(attribute) <= set(sensitive):
                gap = pick(measures.gaps, metric=norm.metric, kind=norm.kind, attribute=attribute)
                results.append(_doubted(_judge(norm, attribute, gap, bool(measures.gaps)), measures.repeated))
    return tuple(results)


def _doubted(result: NormResult, repeated: tuple[int, int] | None) -> NormResult:
    """Nothing is called inside where rows of one person were taken for people: the interval is too short."""
    if repeated is None or result.status != "inside":
        return result
    rows, people = repeated
    reason = (
        f"the {many(rows, 'row')} {are(rows, 'has', 'have')} {many(people, 'different id')}, and the interval "
        "takes every row for a person: it is too short to say inside; name the column as `cluster`"
    )
    return replace(result, status="undecided", reason=reason)


def _judge(norm: Norm, attribute: tuple[str, ...], gap: Gap | None, gaps: bool) -> NormResult:
    if gap is None or gap.value is None or gap.low is None or gap.high is None:
        absent = "this gap was not measured" if gaps else "the case has no decisions, so that this gap was not measured"
        reason = gap.reason if gap is not None else absent
        return NormResult(
            norm.metric, norm.kind, attribute, norm.limit, None, None, None, "not_estimable", False, reason
        )
    if norm.kind == "difference":
        breached, clear, safe = gap.value > norm.limit, gap.low > norm.limit, gap.high <= norm.limit
    else:
        breached, clear, safe = gap.value < norm.limit, gap.high < norm.limit, gap.low >= norm.limit
    status = "outside" if clear else "inside" if safe else "undecided"
    if status == "inside" and gap.idle is not None:
        return NormResult(
            norm.metric, norm.kind, attribute, norm.limit, None, None, None, "not_estimable", False, gap.idle
        )
    return NormResult(
        norm.metric, norm.kind, attribute, norm.limit, gap.value, gap.low, gap.high, status, breached, None
    )


def percent(value: float | None) -> str:
    """8.2 %; "n/a" for None."""
    return "n/a" if value is None else numbers.percent(value)


def policy_words(version: str, standing: str | None = None, adopted_by: str | None = None, **_: object) -> str:
    """Whose norms these are, as a sentence. As documents name it (`Policy.named`)."""
    if standing == "example":
        return f"Policy {version} is Assay's example policy, not yours: nobody has adopted it for this case."
    if standing == "adopted":
        return f"Policy {version} is Assay's example policy; {adopted_by} adopted it for this case."
    return f"Policy {version} is the institution's own." if standing == "own" else f"Policy {version}."


def name_of(group: Sequence[str] | None) -> str:
    """Female, or Female / Black."""
    return printable(" / ".join(group), lines=False) if group else "everyone"


def p_words(p: float | None) -> str:
    """p = .012, p < .001."""
    if p is None:
        return "p not available"
    return "p < .001" if p < 0.001 else "p = " + fixed(p, 3).lstrip("0")


def interval_words(
    gap: Gap, scale: float = 100.0, digits: int = 1, say: Callable[[float | None], str] | None = None
) -> str:
    """95 % interval 1.2 to 3.4: of the two groups named where pairs are compared, else of the widest gap.

    say: how a number is written, in place of `scale` and `digits`.
    """

    def written(value: float | None) -> str:
        return fixed(scale * (value or 0), digits) if say is None else say(value)

    if gap.pairs is not None and gap.pair_low is not None:
        if gap.pair_high is None:
            return f"95 % interval of these two from {written(gap.pair_low)}"
        return f"95 % interval of these two {written(gap.pair_low)} to {written(gap.pair_high)}"
    if gap.low is None:
        return "no interval"
    return f"95 % interval of the widest gap {written(gap.low)} to {written(gap.high)}"


def significance(gap: Gap, comparisons: str = "comparisons") -> str:
    """What the tests say: of the two groups named, and of all groups together where there are more."""
    if gap.p_value is None:
        return "no test"
    together = f"{p_words(gap.p_adjusted)} adjusted for {gap.family} {comparisons}"
    if gap.pair_p_adjusted is None:
        return f"all groups tested together: {together}"
    of_two = (
        f"{p_words(gap.pair_p_adjusted)} for these two, adjusted for {many(gap.pairs_family or 0, 'pair')} of groups"
    )
    return of_two if gap.pairs == 1 else f"{of_two}; all groups tested together: {together}"


def of_two_rules(model: Mapping[str, Any]) -> tuple[str, ...]:
    """What the model's own decision and the other rule at hand differ by; `model` is the entry of evidence.json."""
    rules = from_json(Compared, compared) if (compared := model.get("compared")) else None
    return () if rules is None or not rules.differ else (words_of(rules),)


def of_serving(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a served model answers otherwise one by one than in a batch; `model` is the entry of evidence.json."""
    unlike = finding(served.get("alike")) if (served := model.get("served")) else None
    return () if unlike is None else (unlike,)


TURNED_ROWS = 30


def turned_words(rates: Sequence[Rate]) -> str | None:
    """The notice where scores rank people the wrong way round: AUC of everyone clearly under one half."""
    for r in rates:
        if r.metric != ROC_AUC or r.attribute or r.value is None or r.high is None:
            continue
        if r.high < 0.5 and r.denominator >= TURNED_ROWS:
            return (
                f"The scores rank people the wrong way round: AUC {fixed(r.value, 2)}, all of its interval under "
                "0.5. Do the scores run the other way? Look at `positive`, and at which of the model's classes it is."
            )
    return None


def of_ranks(measures: Measures) -> tuple[str, ...]:
    """`turned_words`, where there are any."""
    turned = turned_words(measures.rates)
    return () if turned is None else (turned,)


def findings(measures: Measures) -> tuple[str, ...]:
    """What rates and gaps of some people say."""
    return *of_ranks(measures), *of_gaps(measures)


def of_gaps(measures: Measures) -> tuple[str, ...]:
    """A few sentences, the widest gaps first: selection, then errors. Counts and intervals in each."""
    out: list[str] = []
    alone = [g for g in measures.gaps if len(g.attribute) == 1 and g.kind == "difference"]
    for metric in ASKED_FIRST:
        out += [_sentence(measures, g, METRICS[metric].finding) for g in alone if g.metric == metric]
    return tuple(out)


def unseen(gap: Gap, alpha: float = 0.05) -> str:
    """Where no gap was found, how wide a one would have been found; else nothing."""
    if gap.p_adjusted is None or gap.p_adjusted <= alpha or gap.idle is not None or gap.detectable is None:
        return ""
    return (
        f" That may be chance; a gap of {points(gap.detectable)} would have been told from chance in 80 of "
        "100 such audits."
    )


def surest(gap: Gap, pairs: Sequence[Pair], alpha: float = 0.05) -> Pair | None:
    """Where chance could make the gap of the two groups named, the two whose gap it hardly could: of the smallest
    adjusted p-value under alpha. The widest gap is often that of a small group, and hides a sure one of large groups.
    """
    if gap.pair_p_adjusted is None or gap.pair_p_adjusted < alpha:
        return None
    sure = [p for p in pairs if (p.metric, p.attribute) == (gap.metric, gap.attribute) and p.p_adjusted < alpha]
    return min(sure, key=lambda p: (p.p_adjusted, -p.difference), default=None)


def _surer(measures: Measures, gap: Gap) -> str:
    pair = surest(gap, measures.pairs)
    if pair is None:
        return ""
    high: Rate = pick(measures.rates, metric=gap.metric, attribute=gap.attribute, group=pair.higher)
    low: Rate = pick(measures.rates, metric=gap.metric, attribute=gap.attribute, group=pair.lower)
    ends = f"{fixed(100 * pair.low, 1)} to {fixed(100 * pair.high, 1)}"
    return (
        f" Surer is the gap between {percent(high.value)} of {name_of(pair.higher)} and {percent(low.value)} of "
        f"{name_of(pair.lower)}: {points(pair.difference)} (95 % interval of these two {ends}; "
        f"{p_words(pair.p_adjusted)} for these two)."
    )


def _of(measures: Measures, rate: Rate) -> str:
    """rows of 200 people: where one person stands in several rows."""
    count = pick(measures.counts, attribute=rate.attribute, group=rate.group)
    if count is None or count.people is None or count.people == count.rows:
        return ""
    return f" rows of {many(count.people, 'person')}" if rate.rows == count.rows else " rows"


def _sentence(measures: Measures, gap: Gap, words: str) -> str:
    by = " and ".join(gap.attribute)
    if gap.value is None:
        return f"By {by}: the gap in {gap.metric.replace('_', ' ')} cannot be estimated: {gap.reason}."
    high: Rate = pick(measures.rates, metric=gap.metric, attribute=gap.attribute, group=gap.highest)
    low: Rate = pick(measures.rates, metric=gap.metric, attribute=gap.attribute, group=gap.lowest)
    lead = f"By {by}: {percent(high.value)} of {name_of(gap.highest)} ({behind(high, _of(measures, high))})"
    rest = f"and {percent(low.value)} of {name_of(gap.lowest)} ({behind(low, _of(measures, low))}) {words}"
    sentence = f"{lead} {rest}; the gap is {points(gap.value)} ({interval_words(gap)}; {significance(gap)})."
    surer = _surer(measures, gap)
    sentence += surer or unseen(gap)
    if gap.idle is None or gap.metric != SELECTION_RATE:
        return sentence
    return f"{sentence} {gap.idle[:1].upper()}{gap.idle[1:]}."
