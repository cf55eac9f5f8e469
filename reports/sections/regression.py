"""A regression: how far the predictions are from what came true, and how far groups lie apart."""

from __future__ import annotations

from audit.documents.base import Names
from audit.documents.evidence import Regression
from audit.numbers import many
from audit.regression.measures import MEANS
from audit.regression.words import four_digits
from audit.values import Rate
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Paragraph, Section, Sources, Table
from reports.sections import find

NAMES = {row.name: row.title for row in MEANS.values()} | {
    "kolmogorov_smirnov": "Distance of distributions (Kolmogorov-Smirnov)",
    "wasserstein_distance": "Distance of distributions (Wasserstein)",
}
RESIDUAL = "A residual is the prediction minus the outcome: above 0 the model says too much."
CHARTS = ("mean_residual", "mean_absolute_error")


def signed_digits(value: float | None) -> str:
    """Four digits, with a real minus sign."""
    text = four_digits(value)
    return words.MINUS + text[1:] if text.startswith("-") else text


def section(sources: Sources) -> Section | None:
    """The chapter, or None where the case decides."""
    regression = sources.evidence.regression
    if not regression:
        return None
    edges = regression.edges
    blocks: list[Block] = [
        Paragraph(
            "A number is predicted, and nothing is decided: there are no rates of decisions, and the policy's norms "
            f"about them are not judged. {RESIDUAL} "
            f"{regression.direction} {words.compared(regression.family)}"
        ),
        Table(
            "What each figure asks",
            ("Figure", "Question"),
            tuple((row.title, row.question) for row in MEANS.values()),
            "All are in the unit of the label.",
            (30, 70),
        ),
    ]
    for attribute in _printed(regression):
        blocks.append(Heading(f"Predictions by {words.by(attribute)}"))
        if len(attribute) == 1:
            for metric in CHARTS:
                blocks += _chart(regression, metric, attribute)
        blocks += [_rates(regression, attribute), _gaps(regression, attribute)]
    blocks.append(
        Paragraph(
            f"Distances of distributions come from a histogram of {many(edges.bins, 'bin')}, each with about as "
            "many people as the next. Kolmogorov-Smirnov: the largest share of people by which one group lies below a "
            "value more often than another. Wasserstein: how far predictions would have to be moved, on average, to "
            "make two groups alike. Between which values each would lie with exact predictions stands in the evidence."
        )
    )
    return Section("regression", "What the predictions do", tuple(blocks))


def _printed(regression: Regression) -> list[Names]:
    every = list(dict.fromkeys(g.attribute for g in regression.gaps))
    alone = [a for a in every if len(a) == 1][: find.MOST_ATTRIBUTES]
    return [a for a in every if a in alone or len(a) > 1][: len(alone) + find.MOST_INTERSECTIONS]


def _cell(r: Rate | None) -> str:
    if r is None or r.value is None:
        return "not estimable"
    limits = "" if r.low is None else f" [{signed_digits(r.low)}, {signed_digits(r.high)}]"
    return f"{signed_digits(r.value)}{limits}"


def _rates(regression: Regression, attribute: Names) -> Table:
    rates = find.every(regression.rates, attribute=attribute)
    by_group = {(tuple(r.group), r.metric): r for r in rates}
    groups = list(dict.fromkeys(tuple(r.group) for r in rates))
    people = {g: by_group[g, "mean_residual"].denominator for g in groups}
    rows = tuple(
        (
            words.name_of(list(g)),
            words.count(people[g]),
            *(_cell(by_group.get((g, m))) for m in MEANS),
        )
        for g in find.some_of(groups, find.ends(find.every(regression.gaps, attribute=attribute)), people)
    )
    lost = [f"{words.name_of(r.group)}, {NAMES[r.metric].lower()}: {r.reason}" for r in rates if not r.estimable]
    more = f"; and {len(lost) - 8} more, each with its reason in the evidence" if len(lost) > 8 else ""
    note = f"Not estimable: {'; '.join(lost[:8])}{more}. " if lost else ""
    return Table(
        f"Predictions and errors by {words.by(attribute)}: value, 95 % interval",
        ("Group", "People whose outcome is known", *(NAMES[m] for m in MEANS)),
        rows,
        note + find.cut(len(groups)),
        (15, 10, 15, 15, 15, 15, 15),
    )


def _gaps(regression: Regression, attribute: Names) -> Table:
    rows = []
    for g in find.every(regression.gaps, attribute=attribute, kind="difference"):
        if g.value is None:
            rows.append((NAMES[g.metric], "not estimable", "–", "–", words.why(g.reason)))
            continue
        low, high = words.ends(g)
        limits = "no interval" if low is None else f"[{signed_digits(low)}, {signed_digits(high)}]"
        worse = f"; worse off: {words.name_of(g.worse_off)}" if g.worse_off else ""
        rows.append(
            (
                NAMES[g.metric],
                f"{signed_digits(g.value)} {limits}",
                words.pair_p(g),
                words.p_words(g.p_adjusted) if g.p_adjusted is not None else "–",
                f"{words.name_of(g.lowest)} to {words.name_of(g.highest)}{worse}",
            )
        )
    return Table(
        f"Gaps of predictions and errors by {words.by(attribute)}",
        ("Figure", "Apart [95 %]", "p, these two", "p, all groups", "From lowest to highest"),
        tuple(rows),
        "Intervals and the first p-value are of the two groups named, for all pairs of groups at once; the second "
        "p-value is of all groups together.",
        (27, 25, 11, 11, 26),
    )


def _chart(regression: Regression, metric: str, attribute: Names) -> list[Block]:
    rates = find.every(regression.rates, metric=metric, attribute=attribute)
    gap = find.one(regression.gaps, metric=metric, attribute=attribute, kind="difference")
    shown = find.drawn(rates, gap)
    if not any(r.estimable for r in shown):
        return []
    everyone = find.one(regression.rates, metric=metric, attribute=())
    by = words.by(attribute)
    drawn = charts.dots(
        [charts.Dot(words.name_of(r.group), r.value, r.low, r.high, 0, words.behind(r)) for r in shown],
        mark=everyone.value if everyone else None,
        marked="everyone",
        percent=False,
    )
    alt = f"{NAMES[metric]} by {by} with 95 % intervals."
    if gap and gap.value is not None:
        alt += f" From {words.name_of(gap.lowest)} to {words.name_of(gap.highest)}: {signed_digits(gap.value)} apart."
    return [Figure(drawn, alt, f"{NAMES[metric]} by {by}: value, 95 % interval, count{find.some(len(rates))}")]
