"""All classes of the outcome: how often each is decided, how many are found, and the averages over classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.classes.measures import QUESTIONS
from audit.documents.base import Names
from audit.documents.evidence import Classes
from audit.metrics import ACCURACY, POSITIVE_PREDICTIVE_VALUE, SELECTION_RATE, TRUE_POSITIVE_RATE
from audit.numbers import fixed, many
from audit.values import Gap, Rate
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Paragraph, Section, Sources, Table
from reports.sections import find

NAMES = {
    ACCURACY: "Accuracy",
    "macro_true_positive_rate": "Mean recall",
    "macro_positive_predictive_value": "Mean precision",
    "macro_f1": "Mean F1",
}
SHOWN = (SELECTION_RATE, TRUE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE)
ASKED = {
    SELECTION_RATE: "Are decided so",
    TRUE_POSITIVE_RATE: "Are found",
    POSITIVE_PREDICTIVE_VALUE: "Are right",
}


def section(sources: Sources) -> Section | None:
    """The chapter, or None where the outcome has two classes."""
    classes = sources.evidence.classes
    if not classes:
        return None
    positive = sources.evidence.data.positive
    blocks: list[Block] = [
        Paragraph(
            f"The outcome has {many(len(classes.names), 'class')}: {_listed(classes.names)}. The other chapters ask of "
            f"“{positive}” or not. Here each class stands against all others, and the averages give every class the "
            f"same weight. {words.compared(classes.family, ' here')}"
        ),
        Table(
            "What is asked over all classes",
            ("Figure", "Question"),
            tuple((NAMES[m], q) for m, q in QUESTIONS.items()),
            "A class that nobody in a group has, or is decided, leaves that group's average without a value: groups "
            "would be compared over different classes.",
            (24, 76),
        ),
    ]
    attributes = list(dict.fromkeys(g.attribute for g in classes.overall.gaps))
    for attribute in attributes[: find.MOST_ATTRIBUTES]:
        by = words.by(attribute)
        blocks += [Heading(f"All classes by {by}"), *_chart(classes, attribute), _overall(classes, attribute)]
        blocks += [_gaps(classes, attribute), _classes(classes, attribute)]
    return Section("classes", "All classes of the outcome", tuple(blocks))


def _listed(names: Names) -> str:
    shown = ", ".join(f"“{n}”" for n in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _overall(classes: Classes, attribute: Names) -> Table:
    rates = find.every(classes.overall.rates, attribute=attribute)
    groups = list(dict.fromkeys(tuple(r.group) for r in rates))
    by_group = {(tuple(r.group), r.metric): r for r in rates}
    rows = tuple(
        (words.name_of(list(g)), *(words.rate_cell(by_group.get((g, m))) for m in NAMES))
        for g in _some_of(groups, classes.overall.gaps, rates, attribute)
    )
    lost = [f"{words.name_of(r.group)}, {NAMES[r.metric].lower()}: {r.reason}" for r in rates if not r.estimable]
    more = f"; and {len(lost) - 8} more, each with its reason in the evidence" if len(lost) > 8 else ""
    note = f"Not estimable: {'; '.join(lost[:8])}{more}. " if lost else ""
    return Table(
        f"Over all classes by {words.by(attribute)}: value, 95 % interval, count",
        ("Group", *NAMES.values()),
        rows,
        note + find.cut(len(groups)),
        (20, 20, 20, 20, 20),
    )


def _gaps(classes: Classes, attribute: Names) -> Table:
    rows = []
    for name, gaps in (("", classes.overall.gaps), *((c.label, c.gaps) for c in classes.classes)):
        for g in find.every(gaps, attribute=attribute, kind="difference"):
            if name and g.metric not in SHOWN:
                continue
            title = f"{name}: {ASKED[g.metric].lower()}" if name else NAMES[g.metric]
            if g.value is None:
                rows.append((title, "not estimable", "–", "–", words.why(g.reason)))
                continue
            rows.append(
                (
                    title,
                    f"{fixed(100 * g.value, 1)} {words.bracket(*words.ends(g))}",
                    words.pair_p(g),
                    words.p_words(g.p_adjusted) if g.p_adjusted is not None else "–",
                    f"{words.name_of(g.lowest)} to {words.name_of(g.highest)}",
                )
            )
    return Table(
        f"Gaps over classes by {words.by(attribute)}",
        ("Figure", "Apart, in points [95 %]", "p, these two", "p, all groups", "From lowest to highest"),
        tuple(rows[: find.MOST_ROWS]),
        find.cut(len(rows), "gaps"),
        (28, 20, 12, 12, 28),
    )


def _some_of(
    groups: list[Names], gaps: Sequence[Gap], rates: Sequence[Rate], attribute: Names, most: int = find.MOST_ROWS
) -> list[Names]:
    """Of many groups both ends of the gaps and the largest."""
    size = {tuple(r.group): r.denominator for r in sorted(rates, key=lambda r: r.denominator or 0)}
    return find.some_of(groups, find.ends(find.every(gaps, attribute=attribute)), size, most)


def _classes(classes: Classes, attribute: Names) -> Table:
    """One row a class and group: how many are decided so, found, right."""
    rows: list[tuple[str, ...]] = []
    most, of = max(2, find.MOST_ROWS // max(1, len(classes.classes))), 0
    for one in classes.classes:
        rates = find.every(one.rates, attribute=attribute)
        by_group: dict[tuple[tuple[str, ...], str], Any] = {(tuple(r.group), r.metric): r for r in rates}
        groups = list(dict.fromkeys(tuple(r.group) for r in rates))
        of += len(groups)
        for group in _some_of(groups, one.gaps, rates, attribute, most):
            cells = (words.rate_cell(by_group.get((group, m))) for m in SHOWN)
            rows.append((one.label, words.name_of(list(group)), *cells))
    return Table(
        f"Each class against the rest by {words.by(attribute)}: value, 95 % interval, count",
        ("Class", "Group", *ASKED.values()),
        tuple(rows),
        "Are decided so: of everyone. Are found: of those whose outcome is the class. Are right: of those decided the "
        "class. " + find.cut(of, "rows", len(rows)),
        (16, 18, 22, 22, 22),
    )


def _chart(classes: Classes, attribute: Names) -> list[Block]:
    rates = find.every(classes.overall.rates, metric=ACCURACY, attribute=attribute)
    gap = find.one(classes.overall.gaps, metric=ACCURACY, attribute=attribute, kind="difference")
    shown = find.drawn(rates, gap)
    if not any(r.estimable for r in shown):
        return []
    everyone = find.one(classes.overall.rates, metric=ACCURACY, attribute=())
    by = words.by(attribute)
    drawn = charts.dots(
        [charts.Dot(words.name_of(r.group), r.value, r.low, r.high, 0, words.behind(r)) for r in shown],
        mark=everyone.value if everyone else None,
        marked="everyone",
    )
    alt = f"Accuracy over all classes by {by} with 95 % intervals."
    if gap and gap.value is not None:
        alt += f" From {words.name_of(gap.lowest)} to {words.name_of(gap.highest)}: {words.points(gap)}."
    return [
        Figure(drawn, alt, f"Accuracy over all classes by {by}: share, 95 % interval, count{find.some(len(rates))}")
    ]
