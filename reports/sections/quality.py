"""What the data audit found on rows: missing values, copies, outcomes over time, and proxies."""

from __future__ import annotations

from audit.documents.rows import Duplicates, Missing, Periods, Population, Proxies, Quality
from audit.numbers import are, many, points
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Sources, Table
from reports.sections import find

MOST = 8
WITHHELD = "withheld"
TITLE = "How good the data are"


def blocks(sources: Sources) -> list[Block]:
    """Blocks for the chapter on the data; none where the rows were not examined."""
    out = population(sources.evidence.population)
    quality = sources.evidence.quality
    if quality is None:
        return out
    out += of_rows(quality)
    return [Heading(TITLE), *out] if out else []


def of_rows(quality: Quality) -> list[Block]:
    """What the data audit found on rows."""
    return [
        *_missing(quality.missing),
        *_copies(quality.duplicates),
        *_periods(quality.periods),
        *_proxies(quality.proxies),
    ]


def population(comparison: Population | None) -> list[Block]:
    """The data beside the reference population that the case gives."""
    out: list[Block] = []
    for one in comparison.tables if comparison else ():
        by = words.by(one.attribute)
        if not one.estimable:
            out.append(Paragraph(f"By {by} the data cannot be held against the population: {one.reason}."))
            continue
        apart = sorted(one.groups, key=lambda g: -abs(g.difference))
        shown = find.some_of(
            [g.group for g in one.groups], [g.group for g in apart], {g.group: g.people for g in apart}
        )
        rows = tuple(
            (
                words.name_of(g.group),
                words.count(g.people),
                f"{words.share(g.share)} {words.bracket(g.low, g.high)}",
                words.share(g.population),
                words.signed(100 * g.difference, 1),
            )
            for g in one.groups
            if g.group in shown
        )
        fit = "no test: too few people are expected" if one.p_value is None else words.p_words(one.p_value)
        away = one.unknown + sum(one.not_in_reference.values())
        out.append(
            Table(
                f"The data beside the reference population, by {by}",
                ("Group", "People", "Share of the data [95 %]", "Of the population", "Points apart"),
                rows,
                f"Chi-squared test of fit: {fit}. {many(away, 'person')} of no such group are not counted. "
                + find.cut(len(one.groups)),
                (30, 14, 26, 16, 14),
            )
        )
    return out


def _missing(missing: Missing | None) -> list[Block]:
    if not missing:
        return []
    hit = [c for c in missing.columns if c.missing != 0 or c.written != 0]
    if not hit:
        return [Paragraph("No value is missing in the columns read.")]
    gaps = sorted(((g.value, g) for g in missing.gaps if g.value is not None), key=lambda entry: -entry[0])
    text = (
        f"Values are missing in {len(hit)} of {many(len(missing.columns), 'column')}; “?” and its like count as "
        "missing. A column that is empty more often for some people than for others is no neutral gap."
    )
    if not gaps:
        return [Paragraph(text)]
    rows = tuple(
        (
            g.column,
            words.by(g.attribute),
            points(value),
            words.bracket(g.low, g.high),
            words.p_words(g.p_adjusted),
            f"{words.name_of(g.lowest)} to {words.name_of(g.highest)}",
        )
        for value, g in gaps[:MOST]
    )
    note = (
        f"{many(len(gaps), 'gap')} {are(len(gaps), 'was', 'were')} tested. Intervals and p-values are of the two "
        "groups named, adjusted for all pairs of groups and all gaps (Holm)."
    )
    return [
        Paragraph(text),
        Table(
            "Where values are missing more often for some groups",
            ("Column", "By", "Apart", "95 % interval", "Adjusted p", "From lowest to highest"),
            rows,
            note + (f" The {MOST} widest are printed." if len(gaps) > MOST else ""),
            (18, 12, 13, 15, 13, 29),
        ),
    ]


def _copies(copies: Duplicates | None) -> list[Block]:
    if not copies:
        return []
    if not copies.measured:
        return [Paragraph(f"Copies of rows were not counted: {copies.reason}.")]
    repeat = words.are(copies.repeated, "repeats", "repeat")
    within = "" if copies.within is None else many(copies.within, "row")
    about = f" (an estimate by a sketch, within {within}, 95 %)" if copies.sketch and copies.within else ""
    text = f"Of {many(copies.rows, 'row')}, {_count(copies.repeated)}{about} {repeat} another row in every column read."
    if copies.learned_from is not None:
        also = words.are(copies.learned_from, "is also", "are also")
        text += f" {_count(copies.learned_from)} {also} among the rows that the model may learn from."
    if copies.contradicted is not None:
        like = words.are(copies.contradicted, "is like", "are like")
        text += f" {_count(copies.contradicted)} {like} another row in all but the outcome."
    return [Paragraph(text)]


def _periods(periods: Periods | None) -> list[Block]:
    if not periods:
        return []
    constant = [p.period for p in periods.periods if p.constant]
    out: list[Block] = []
    if constant:
        out.append(
            Notice(
                f"All outcomes are the same in {', '.join(map(str, constant[:6]))}: look into the data before reading "
                "anything into a change."
            )
        )
    if periods.changes:
        first = periods.changes[0]
        rows = tuple(
            (
                words.by(c.attribute),
                words.signed(100 * c.change, 1),
                words.signed(100 * c.within_groups, 1),
                words.signed(100 * c.mix_of_groups, 1),
            )
            for c in periods.changes
        )
        out.append(
            Table(
                f"Favourable outcomes from {words.day(first.start)} to {words.day(first.to)}: the change, in "
                "points, and its two parts",
                ("By", "Change", "Within groups", "From another mix of groups"),
                rows,
                "The parts add up to the change. Descriptions of these rows, without interval.",
                (30, 20, 22, 28),
            )
        )
    return out


def _proxies(proxies: Proxies | None) -> list[Block]:
    if not proxies:
        return []
    if not proxies.measured:
        return [Paragraph(f"Proxies were not sought: {proxies.reason}.")]
    out: list[Block] = [Paragraph(proxies.drawn.sentence)] if proxies.drawn is not None else []
    for one in proxies.together:
        if not one.estimable:
            continue
        rows = sorted(find.every(proxies.features, attribute=one.attribute), key=lambda f: -(f.auc or 0))[:5]
        if not rows:
            continue
        by = words.by(one.attribute)
        out.append(
            Table(
                f"Features that stand for {by}",
                ("Feature", "Cramer's V", "AUC alone", "Best told apart"),
                tuple(
                    (
                        f.feature,
                        words.number(f.cramers_v),
                        words.number(f.auc),
                        words.name_of(f.auc_group) if f.auc_group else "–",
                    )
                    for f in rows
                ),
                f"Together {many(one.features, 'feature')} {are(one.features, 'tells', 'tell')} {by} with an AUC "
                f"of {words.number(one.auc)} on rows they were not fitted on ({one.rows:,}); 0.5 is a coin, 1 is "
                f"certainty. Leaving {by} out of a model does not remove what these features say about it.",
                (34, 20, 20, 26),
            )
        )
    return out


def _count(value: int | None) -> str:
    return WITHHELD if value is None else f"{value:,}"
