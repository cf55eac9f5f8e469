"""The tables that a form may ask for, by name. Each is made of the embedded counts and evidence alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from audit.cube import Margin
from audit.documents.mitigation import Mitigation
from audit.findings import NormResult
from audit.impact import SCORING, SELECTION, ImpactTable, impact_table, median_score, rule_of_thumb
from audit.metrics import ACCURACY, FALSE_POSITIVE_RATE, TRUE_POSITIVE_RATE
from audit.numbers import are, brief, fixed, many
from audit.wide import rates_of
from reports import words
from reports.blocks import Sources
from reports.blocks import Table as Printed
from reports.presets.records import FormTableSpec

MOST_ROWS = 40
LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class FormTable:
    """A table of a form: as printed (several where there are several attributes), or why there is none."""

    printed: tuple[Printed, ...]
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class TableRequest:
    """What a maker is given. attributes: those that the form asks for, in order; reason: for leaving groups out."""

    table: FormTableSpec
    attributes: tuple[tuple[str, ...], ...]
    sources: Sources
    margins: Mapping[tuple[str, ...], Margin]
    reason: str | None


def impact_ratios(asked: TableRequest) -> FormTable:
    """Selection rates and impact ratios."""
    return _impact(asked, SELECTION, None)


def scoring_rates(asked: TableRequest) -> FormTable:
    """Shares above the median score of all, and impact ratios."""
    everyone = asked.margins.get(())
    median = None if everyone is None else median_score(everyone)
    if median is None:
        return FormTable((), "the decisions have no scores here")
    return _impact(asked, SCORING, median)


def _impact(asked: TableRequest, metric: str, median: tuple[float, float, float] | None) -> FormTable:
    out = []
    share = asked.table.leave_out if asked.reason is not None and asked.table.leave_out else 0.0
    for attribute in asked.attributes:
        margin = asked.margins.get(attribute)
        if margin is None:
            continue
        impact = impact_table(margin, metric, leave_out=share, median=median[0] if median else None)
        out.append(_printed(asked, impact, median))
    return FormTable(tuple(out), None if out else "no group of these attributes was counted")


def _printed(asked: TableRequest, impact: ImpactTable, median: tuple[float, float, float] | None) -> Printed:
    groups = impact.groups
    several = any(r.rows != r.people for r in groups)
    bounded = impact.unknown > 0
    rows = tuple(
        (
            words.name_of(r.group),
            words.count(r.people) + (f" ({r.rows:,})" if several else ""),
            words.count(r.counted),
            words.share(r.rate),
            LEFT_OUT if r.left_out else words.number(r.impact_ratio),
            *((_between(r.low, r.high),) if bounded else ()),
        )
        for r in groups[:MOST_ROWS]
    )
    counted, rate = ("Selected", "Selection rate") if median is None else ("Above the median", "Scoring rate")
    who = "People (rows)" if several else "People"
    heads = ("Group", who, counted, rate, "Impact ratio", *(("Ratio, if the unknown were known",) if bounded else ()))
    return Printed(
        f"{asked.table.title}: {words.by(impact.attribute)}",
        heads,
        rows,
        " ".join(n for n in _notes(asked, impact, median) if n),
        (31, 13, 13, 14, 13, 16) if bounded else (36, 16, 16, 16, 16),
    )


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{fixed(low, 3)} to {fixed(high, 3)}"


def _notes(asked: TableRequest, impact: ImpactTable, median: tuple[float, float, float] | None) -> list[str]:
    groups, unknown = impact.groups, impact.unknown
    out = [f"Of unknown group and counted apart: {unknown:,}."]
    if unknown:
        out[0] += " The last column says between what values each ratio would lie if their groups were known."
    left = [r for r in groups if r.left_out]
    small = [r for r in groups if asked.table.leave_out and (r.share or 0) < asked.table.leave_out]
    if left:
        named = "; ".join(
            f"{words.name_of(r.group)}: {many(r.people, 'person')}, rate {words.share(r.rate)}" for r in left[:12]
        )
        out.append(f"Left out of the ratios ({named}). Reason given: “{asked.reason}”")
    elif small and asked.table.leave_out:
        least = brief(100 * asked.table.leave_out)
        out.append(
            f"{len(small)} of {many(len(groups), 'group')} {are(len(small), 'has', 'have')} under {least} % of the "
            f"people. {are(len(small), 'It is', 'They are')} kept, since nobody gave a reason to leave them out; a "
            "ratio that rests on a few people says little."
        )
    gone = [words.by(a) for a, m in asked.margins.items() if len(a) == 1 and m.withheld.any()]
    if gone:
        out.append(f"Groups by {', '.join(gone)} too small to be shown are withheld: their people are in no table.")
    if impact.withheld and len(impact.attribute) > 1:
        out.append("Groups of several attributes too small to be shown are withheld.")
    if median is not None:
        value, low, high = median
        about = "" if low == high else f" (between {brief(low, 6)} and {brief(high, 6)})"
        out.append(f"The median score of all is {brief(value, 6)}{about}.")
    if len(groups) > MOST_ROWS:
        out.append(
            f"{MOST_ROWS} of {many(len(groups), 'group')} {are(MOST_ROWS)} printed; all follow from the "
            "embedded counts."
        )
    out.append(asked.table.note)
    return out


def thumb(asked: TableRequest) -> FormTable:
    """Each group's rate over the highest, beside a limit, with the significance of the pair; few people are noted."""
    limit = float(asked.table.limit or 0.0)
    lines = [
        line for a in asked.attributes if (m := asked.margins.get(a)) is not None for line in rule_of_thumb(m, limit)
    ]
    if not lines:
        return FormTable((), "no two groups can be compared")
    rows = tuple(
        (
            words.name_of(line.group),
            words.name_of(line.highest),
            words.number(line.ratio),
            f"below {fixed(limit, 2)}" if line.below else f"{fixed(limit, 2)} or above",
            words.p_words(line.p_value),
            words.count(line.people) + (", few" if line.few_people else ""),
        )
        for line in lines[:MOST_ROWS]
    )
    heads = ("Group", "Highest group", "Ratio", f"Against {fixed(limit, 2)}", "p-value", "People")
    note = "The p-values are of single pairs and not adjusted." + (f" {asked.table.note}" if asked.table.note else "")
    return FormTable((Printed(asked.table.title, heads, rows, note, (26, 26, 10, 14, 12, 12)),))


def accuracy(asked: TableRequest) -> FormTable:
    """How often decisions were right, and how often wrong either way, in each group."""
    from reports.sections import find

    evidence = asked.sources.evidence
    if evidence.data.label is None:
        return FormTable((), "the data hold no outcomes")
    names = (ACCURACY, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)
    out = []
    for attribute in asked.attributes:
        rates = {n: find.every(evidence.rates, metric=n, attribute=attribute) for n in names}
        if not rates[ACCURACY] and (margin := asked.margins.get(attribute)) is not None:
            rates = {n: rates_of(margin, n, evidence.settings.alpha) for n in names}  # left to the cube
        groups = [r.group for r in rates[ACCURACY]]
        rows = tuple(
            (
                words.name_of(g),
                *(words.rate_cell(find.one(rates[n], group=g)) for n in names),
            )
            for g in groups[:MOST_ROWS]
        )
        if rows:
            heads = ("Group", *(words.capital(words.metric(n)) for n in names))
            left = (
                (f"{MOST_ROWS} of {many(len(groups), 'group')} {are(MOST_ROWS)} printed. ")
                if len(groups) > MOST_ROWS
                else ""
            )
            note = (left + asked.table.note).strip()
            out.append(Printed(f"{asked.table.title}: {words.by(list(attribute))}", heads, rows, note))
    return FormTable(tuple(out), None if out else "the data hold no outcomes")


def bias_profile(asked: TableRequest) -> FormTable:
    """Group, hazard, measure, limit, mitigation, trigger: one line for each norm of the policy."""
    from reports.sections import find

    evidence, m = asked.sources.evidence, asked.sources.mitigation
    rows = []
    for norm in evidence.norms:
        gap = find.gap(evidence, norm.metric, norm.attribute, norm.kind)
        low = words.name_of(gap.lowest) if gap and gap.lowest else words.by(norm.attribute)
        limit = f"{brief(100 * norm.limit)} points" if norm.kind == "difference" else brief(norm.limit)
        tried = "none tried" if m is None else _after(m, norm)
        rows.append(
            (
                low,
                f"{words.metric(norm.metric)} further from others than the policy allows",
                f"{words.width(norm)} [{words.span(norm)}]" if norm.value is not None else "not estimable",
                f"{'at most' if norm.kind == 'difference' else 'at least'} {limit}",
                tried,
                STANDS[norm.status],
            )
        )
    if not rows:
        return FormTable((), "the policy sets no norm here")
    heads = ("Group worst off", "Hazard", "Measure [95 %]", "Limit", "Mitigation", "Trigger")
    return FormTable(
        (Printed(asked.table.title, heads, tuple(rows[:MOST_ROWS]), asked.table.note, (17, 21, 20, 13, 15, 14)),)
    )


STANDS = {
    "outside": "reached",
    "undecided": "the data cannot tell",
    "inside": "not reached",
    "not_estimable": "not estimable",
}


def _after(m: Mitigation, norm: NormResult) -> str:
    from reports.sections import find

    norms = m.arms.candidate.norms
    result = find.one(norms, metric=norm.metric, attribute=norm.attribute, kind=norm.kind)
    if result is None or result.value is None:
        return f"{m.title}: not measured"
    return f"{m.title}: {words.width(result)}"


def candidates(asked: TableRequest) -> FormTable:
    """Every candidate that a search tried, with what it costs and what gap it leaves."""
    s = asked.sources.search
    if s is None:
        return FormTable((), "no search was made (assay mitigate --search)")
    rows = []
    for t in s.trials:
        if t.failed is not None or t.loss is None or t.gap is None:
            rows.append((str(t.trial), t.title, "failed", "–", "–"))
            continue
        loss, gap = t.loss, t.gap
        rows.append(
            (
                str(t.trial),
                t.title,
                f"{words.share(loss.value)} {words.bracket(loss.low, loss.high)}",
                f"{words.number(100 * gap.value, 1)} {words.bracket(gap.low, gap.high)}",
                "yes" if t.front else "no",
            )
        )
    cut = "" if len(rows) <= MOST_ROWS else f" {MOST_ROWS} of {len(rows)} are printed; all are embedded."
    heads = ("No.", "Candidate", "Wrong decisions [95 %]", "Gap, points [95 %]", "On the front")
    return FormTable(
        (Printed(asked.table.title, heads, tuple(rows[:MOST_ROWS]), asked.table.note + cut, (7, 35, 22, 22, 14)),)
    )


MAKERS: Mapping[str, Callable[[TableRequest], FormTable]] = {
    "impact_ratios": impact_ratios,
    "scoring_rates": scoring_rates,
    "rule_of_thumb": thumb,
    "accuracy_by_group": accuracy,
    "bias_profile": bias_profile,
    "candidates": candidates,
}


def attributes_of(by: Sequence[str | None], margins: Mapping[tuple[str, ...], Margin]) -> tuple[tuple[str, ...], ...]:
    """Single attributes first, then both together, of those named; of all where none is asked for by name."""
    named = [b for b in by if b is not None]
    if not by:
        return tuple(a for a in margins if 0 < len(a) <= 2)
    pairs = [a for a in margins if len(a) == 2 and set(a) <= set(named)]
    return (*((n,) for n in named if (n,) in margins), *pairs)
