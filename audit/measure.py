"""Everything that follows from the cube alone: rates, gaps, dataset measures and counts of every group.

Pure and seeded: the same margins and settings give the same figures, so that anyone who has the cube can recompute
each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from audit import stats
from audit.alike import as_people
from audit.cube import Floats, Margin
from audit.dataset import CLASS_IMBALANCE, dataset_measures
from audit.fractions import effective, fractions, joints, one_sided, repeated
from audit.gaps import KINDS, Settings, comparable, gap_record, idle, idle_reason, reference_index, seed_of
from audit.metrics import (
    BASE_RATE,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
    MEAN_SCORE,
    METRICS,
    SELECTION_RATE,
    Metric,
    metrics_for,
    opportunity,
    parts_of,
)
from audit.numbers import are, brief, many
from audit.pairs import PairTable, pair_tables, with_pairs
from audit.power import reaches, with_reach
from audit.score_rates import bins_note, score_gaps, score_rates
from audit.sentences import WITHHELD
from audit.values import UNKNOWN, Count, DatasetMeasure, Gap, Measures, Rate

CONSTANT = 30
"""Known outcomes from which on their being all the same is said."""


def measure(margins: Sequence[Margin], settings: Settings) -> Measures:
    """Rates, gaps, dataset measures and counts of every margin, comparisons adjusted over all of them."""
    rates: list[Rate] = []
    gaps: list[Gap] = []
    counts: list[Count] = []
    hypotheses: dict[tuple[tuple[str, ...], str], float] = {}
    keys: list[tuple[tuple[str, ...], str]] = []
    tables: dict[tuple[tuple[str, ...], str], PairTable] = {}
    for margin in margins:
        counts += group_counts(margin)
        if not margin.meaning.decides:
            continue
        metrics = metrics_for(margin.meaning)
        rates += [r for m in metrics for r in group_rates(margin, m, settings.alpha)]
        rates += [_with_rows(margin, r) for r in score_rates(as_people(margin), settings)]
        if not margin.attribute:
            continue
        joint = joints(margin, metrics)
        comparisons = gaps_of(margin, metrics, settings, joint)
        for hypothesis, gap in comparisons:
            key = (margin.attribute, hypothesis)
            if gap.p_value is not None:
                hypotheses.setdefault(key, gap.p_value)
            keys.append(key)
            gaps.append(gap)
        tables |= pair_tables(margin, metrics, effective(margin, metrics), [g for _, g in comparisons], settings, joint)
    filled, pairs = with_pairs(adjusted(gaps, keys, hypotheses), keys, hypotheses, tables)
    seen = reaches([m for m in margins if m.meaning.decides], settings)
    return Measures(
        rates=tuple(rates),
        gaps=with_reach(filled, seen),
        dataset=_dataset(margins),
        counts=tuple(counts),
        family=len(hypotheses),
        notes=_notes(margins, settings),
        repeated=settings.repeated,
        pairs=pairs,
        power=tuple(seen),
    )


def _with_rows(margin: Margin, rate: Rate) -> Rate:
    """A rate of scores with the rows that it is made of."""
    n = margin.n[margin.groups.index(rate.group)]
    return replace(rate, rows=int(n.sum() if rate.metric == MEAN_SCORE else n[:2].sum()))


def _dataset(margins: Sequence[Margin]) -> tuple[DatasetMeasure, ...]:
    """The pre-training measures; of a regression, which has no two outcomes, who is in the data alone."""
    measures = dataset_measures({m.attribute: m for m in margins})
    if margins and not margins[0].meaning.decides:
        return tuple(d for d in measures if d.metric == CLASS_IMBALANCE)
    return measures


def group_counts(margin: Margin) -> list[Count]:
    """The confusion matrix of each group about `positive`; a withheld group shows nothing but its name."""
    out = []

    def people(g: int) -> int | None:
        return None if margin.clusters is None else int(margin.people[g])

    for g, group in enumerate(margin.groups):
        n = margin.n[g]
        if margin.withheld[g]:
            out.append(Count(margin.attribute, group, 0, None, None, None, None, None, suppressed=True))
            continue
        if not margin.meaning.decides:
            rows, unknown = int(n.sum()), int(n[2].sum())
            out.append(Count(margin.attribute, group, rows, None, None, None, None, unknown, people=people(g)))
            continue
        out.append(
            Count(
                margin.attribute,
                group,
                rows=int(n.sum()),
                tp=int(n[1, 1]),
                fp=int(n[0, 1]),
                fn=int(n[1, 0]),
                tn=int(n[0, 0]),
                unknown_label=int(n[2].sum()),
                people=people(g),
            )
        )
    return out


def group_rates(margin: Margin, metric: Metric, alpha: float) -> list[Rate]:
    """One rate of each group with its Wilson interval (Wilson 1927), on effective counts where rows are not people."""
    x, n, effective = fractions(margin, metric)
    share = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    low, high = stats.wilson(share * effective, effective, alpha)
    name = f"wilson-{brief(100 * (1 - alpha))}" + ("-effective-n" if margin.weighted or repeated(margin) else "")
    rows = (margin.n * metric.denominator).sum(axis=(1, 2))
    out = []
    for g, group in enumerate(margin.groups):
        if n[g] > 0:
            rate = Rate(
                metric.name, margin.attribute, group, float(share[g]), _people(x[g], margin), _people(n[g], margin),
                float(low[g]), float(high[g]), name, True, None, float(effective[g]), int(rows[g]),
            )  # fmt: skip
        else:
            rate = Rate(
                metric.name, margin.attribute, group, None, None, 0, None, None, name, False,
                one_sided(margin, g, metric) or missing_reason(margin, g, metric.among), 0.0, int(rows[g]),
            )  # fmt: skip
        out.append(rate)
    return out


def missing_reason(margin: Margin, g: int, among: str) -> str:
    """Why a value of group `g` cannot be estimated, with the count at fault."""
    if margin.withheld[g]:
        return WITHHELD
    rows = int(margin.n[g].sum())
    if rows and not margin.meaning.labelled and "outcome" in among:
        return f"0 of {many(rows, 'person')} have a known outcome: the data have no outcome column"
    return f"0 {among} (of {many(rows, 'person')} in the group)"


def _people(value: float, margin: Margin) -> float:
    return float(value) if margin.weighted else round(value)


def gaps_of(
    margin: Margin, metrics: Sequence[Metric], settings: Settings, joint: Mapping[str, Floats | None] | None = None
) -> list[tuple[str, Gap]]:
    """The gaps of a margin, each with the hypothesis that it tests. joint: `joints`, where they are at hand."""
    members = comparable(margin, settings.floor)
    counted = effective(margin, metrics)
    together = joint or joints(margin, metrics)
    together = {k: None if v is None else v[np.ix_(members, members)] for k, v in together.items()}
    by_name = {m.name: m for m in metrics}
    odds, merit = METRICS[EQUALIZED_ODDS], opportunity(margin.meaning)
    wanted: list[tuple[str, tuple[str, ...], str, str]] = [(m.name, (m.name,), m.hypothesis, m.among) for m in metrics]
    wanted.append((EQUAL_OPPORTUNITY, (merit,), by_name[merit].hypothesis, by_name[merit].among))
    wanted.append((odds.name, parts_of(odds.name, margin.meaning), odds.hypothesis, odds.among))
    out = []
    for name, parts, hypothesis, among in wanted:
        strata = tuple((counted[p][0][members], counted[p][1][members]) for p in parts)
        for kind in KINDS:
            result = stats.largest_gap(
                strata,
                kind=kind,
                # One seed for a hypothesis: a rate and its complement, difference and ratio share the p-value.
                seed=seed_of(settings, margin.attribute, hypothesis),
                draws=settings.draws,
                alpha=settings.alpha,
                reference=reference_index(margin, members, settings),
                joint=tuple(together[p] for p in parts),
            )
            out.append((hypothesis, gap_record(name, margin, kind, result, members, settings, among)))
    out = _marked(margin, out, settings)
    reason = same_scores(margin)
    return out + [(h, idle(g, reason)) for h, g in score_gaps(as_people(margin), members, settings)]


def _marked(margin: Margin, gaps: list[tuple[str, Gap]], settings: Settings) -> list[tuple[str, Gap]]:
    """Gaps in decisions marked where nothing is decided; a few decisions that clearly fall on one group do decide."""
    same = same_outcomes(margin)
    gaps = [(h, g if h == SELECTION_RATE else idle(g, same)) for h, g in gaps]
    reason = idle_reason(margin)
    selection = gaps[0][1].p_value
    constant = margin.n.sum(axis=(0, 1)).min() == 0
    if reason is None or not (constant or selection is None or selection > settings.alpha):
        return gaps
    return [(h, g if h == BASE_RATE else idle(g, reason)) for h, g in gaps]


def same_outcomes(margin: Margin) -> str | None:
    """Why gaps in outcomes say nothing: every known one is the same."""
    known = margin.n[:, :2].sum(axis=(0, 2))
    if known.sum() == 0 or known.min() > 0:
        return None
    name = margin.meaning.positive if known[1] else margin.meaning.negative
    return f"outcomes tell nobody apart: all {int(known.sum()):,} known ones are {name!r}"


def same_scores(margin: Margin) -> str | None:
    """Why gaps in scores say nothing: every person has the same one. None where nobody is left who has one."""
    if margin.scores is None or not margin.scores.exact or not len(margin.scores.at):
        return None
    used = margin.scores.n.reshape(-1, len(margin.scores.at)).any(axis=0)
    if used.sum() != 1:
        return None
    return f"scores tell nobody apart: every one of {int(margin.rows.sum()):,} is {brief(margin.scores.at[used][0])}"


def adjusted(
    gaps: Sequence[Gap],
    keys: Sequence[tuple[tuple[str, ...], str]],
    hypotheses: Mapping[tuple[tuple[str, ...], str], float],
) -> tuple[Gap, ...]:
    """Holm (1979) for claims and Benjamini-Hochberg (1995) for exploring, over all distinct hypotheses."""
    order = list(hypotheses)
    p = np.array([hypotheses[k] for k in order], dtype=np.float64)
    claim = dict(zip(order, stats.holm(p).tolist(), strict=True)) if order else {}
    explore = dict(zip(order, stats.benjamini_hochberg(p).tolist(), strict=True)) if order else {}
    return tuple(
        gap if gap.p_value is None else replace(gap, p_adjusted=claim[key], p_explore=explore[key], family=len(order))
        for gap, key in zip(gaps, keys, strict=True)
    )


def _outcomes(margin: Margin) -> list[str]:
    """Where outcomes are known far more often after one decision than after the other: what the labels rest on."""
    n = margin.n.sum(axis=0)
    people, known = n.sum(axis=0), n[:2].sum(axis=0)
    if not margin.meaning.labelled or people.min() == 0 or known.sum() == 0:
        return []
    share = known / people
    if abs(share[1] - share[0]) < 0.1:
        return []
    meaning = margin.meaning
    return [
        f"By decision: outcomes are known for {int(known[1])} of {many(int(people[1]), 'person')} decided "
        f"{meaning.positive!r} and for {int(known[0])} of {int(people[0])} decided {meaning.negative!r}. Rates that "
        "need outcomes speak of people whose outcome is known (selective labels)."
    ]


def _constant(margin: Margin, settings: Settings) -> list[str]:
    """Groups in which every known outcome is the same: an incident of the data, not a finding about the model."""
    by_label = margin.n.sum(axis=2)
    constant = []
    for g, group in enumerate(margin.groups):
        known = by_label[g, :2]
        if known.sum() >= max(CONSTANT, settings.floor) and known.min() == 0:
            value = margin.meaning.positive if known[1] else margin.meaning.negative
            constant.append(f"{' / '.join(group)} (all {int(known.sum())} are {value!r})")
    if not constant:
        return []
    return [
        f"By {' and '.join(margin.attribute)}: every known outcome is the same in {', '.join(constant[:8])}. "
        "Check where these labels come from before reading error rates."
    ]


def _undecided(margin: Margin, settings: Settings) -> list[str]:
    """Groups in which everyone gets the same decision, where others do not."""
    if idle_reason(margin) is not None:
        return []
    people = margin.n.sum(axis=1)
    out = []
    for side, name in ((0, margin.meaning.positive), (1, margin.meaning.negative)):
        groups = [
            f"{' / '.join(margin.groups[g])} ({int(people[g].sum())})"
            for g in comparable(margin, settings.floor)
            if people[g, 1 - side] == 0
        ]
        if groups:
            more = f" and {len(groups) - 8} more" if len(groups) > 8 else ""
            out.append(f"nobody is decided {name!r} in {', '.join(groups[:8])}{more}")
    return [f"By {' and '.join(margin.attribute)}: {'; '.join(out)}."] if out else []


def _notes(margins: Sequence[Margin], settings: Settings) -> tuple[str, ...]:
    notes = []
    for margin in margins:
        if not margin.attribute:
            notes += [*_outcomes(margin), *bins_note(margins)]
            if margin.meaning.decides:
                reasons = (idle_reason(margin), same_outcomes(margin), same_scores(margin))
                notes += [f"{r[:1].upper()}{r[1:]}." for r in reasons if r]
            continue
        if margin.meaning.decides:
            notes += _constant(margin, settings) + _undecided(margin, settings)
        name = " and ".join(margin.attribute)
        empty = [" / ".join(g) for g, n in zip(margin.groups, margin.rows, strict=True) if n == 0]
        empty = [g for g, hidden in zip(empty, margin.withheld[margin.rows == 0], strict=True) if not hidden]
        if empty:
            notes.append(f"By {name}: 0 people in {', '.join(empty[:8])}{' and others' if len(empty) > 8 else ''}.")
        members = set(comparable(margin, settings.floor).tolist())
        small = [
            f"{' / '.join(margin.groups[g])} ({n})"
            for g, n in enumerate(margin.people.tolist())
            if 0 < n < settings.floor and g not in members and UNKNOWN not in margin.groups[g]
        ]
        if small:
            notes.append(f"By {name}: fewer than {settings.floor} people, left out of gaps: {', '.join(small[:8])}.")
        unknown = margin.people_in(g for g, group in enumerate(margin.groups) if UNKNOWN in group)
        if unknown and len(margin.attribute) == 1:
            notes.append(
                f"By {name}: {many(unknown, 'person')} {are(unknown, 'has', 'have')} no known value; they "
                "are counted apart."
            )
    return tuple(notes)
