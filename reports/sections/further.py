"""Beyond rates and gaps: the worst-served subgroups, like people decided unlike, rankings, inequality, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit import numbers
from audit.by_proxy import sentences
from audit.documents.evidence import Curve, Evidence, Smoothed
from audit.documents.rows import Slice, StageFigure
from audit.funnel import WARNING
from audit.likewise import NOT_CAUSAL, shown
from audit.metrics import SELECTION_RATE
from audit.numbers import are, brief, fixed, grouped, many
from audit.sizes import unit
from audit.suppress import FLOOR
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Points, Section, Sources, Table
from reports.sections import conform, find

ASKED = {"error": "decided wrongly", "missed": "refused although they qualify"}
MOST = 8


BY_ROW = " Rows of one person are taken for different people here: intervals and p-values are too sure of themselves."


def where(subgroup: Slice) -> str:
    """The conditions of a subgroup in words."""
    return " and ".join(f"{c.column} {c.value}" for c in subgroup.where)


def chosen(subgroups: Sequence[Slice], most: int = MOST) -> list[Slice]:
    """Those to print: of each question in turn, none that only narrows one that is printed already."""
    out: list[Slice] = []
    for question in dict.fromkeys(f.question for f in subgroups):
        mine: list[set[tuple[str, str]]] = []
        for f in (f for f in subgroups if f.question == question):
            conditions = {(c.column, str(c.value)) for c in f.where}
            if len(mine) < most // 2 and not any(m <= conditions for m in mine):
                mine.append(conditions)
                out.append(f)
    return out


def _slices(evidence: Evidence) -> list[Block]:
    slices, what = evidence.slices, unit(evidence.data)
    if not slices:
        return []
    head = Heading("The worst-served subgroups")
    if not slices.measured:
        return [head, Paragraph(f"No subgroups were sought: {slices.reason}.")]
    how = (
        f"{many(slices.considered, 'subgroup')} of at least {slices.least_people} {what} "
        f"{are(slices.considered, 'was', 'were')} looked at on one half of "
        f"the {what}; {slices.tested} {are(slices.tested, 'was', 'were')} tested on the other half, and p-values are "
        "adjusted for all of these."
        + (BY_ROW if what == "rows" else "")
        + (f" {slices.drawn.sentence}" if slices.drawn is not None else "")
    )
    if not slices.found:
        return [head, Paragraph(f"{how} No subgroup was confirmed. That is no proof that there is none.")]
    shown = chosen(slices.found)
    rows = tuple(
        (
            where(f),
            ASKED.get(f.question, str(f.question)),
            f"{words.share(f.rate)} of {f.people:,}",
            words.share(f.rate_of_others),
            f"{fixed(100 * f.difference, 1)} {words.bracket(f.low, f.high)}",
            words.p_words(f.p_adjusted),
        )
        for f in shown
    )
    left = len(slices.found) - len(shown)
    more = f" {left} more, most of them parts of these, stand in the evidence." if left else ""
    table = Table(
        "Subgroups confirmed on people who were not used to find them",
        ("Who", "Are", "Share", "Of others", "Apart [95 %]", "Adjusted p"),
        rows,
        "In points. A subgroup is found for being unlike the rest: it need not be about a sensitive attribute." + more,
        (30, 16, 16, 11, 15, 12),
    )
    return [head, Paragraph(how), table]


def _by_proxy(evidence: Evidence) -> list[Block]:
    """What can be said of an attribute that is not recorded; nobody is assigned to a group."""
    blocks: list[Block] = []
    for entry in evidence.by_proxy:
        rows = tuple(
            (
                words.name_of(r.group),
                grouped(r.people_expected),
                words.share(r.weighted),
                f"{words.share(r.low)} to {words.share(r.high)}",
                f"{words.share(r.outer_low)} to {words.share(r.outer_high)}",
            )
            for r in entry.rates
        )
        blocks += [
            Heading("An attribute that is not recorded"),
            Paragraph(
                f"Nobody's {words.by(entry.attribute)} is recorded. A table that was brought gives the probability "
                f"of each group for each value of {entry.column}; nobody is assigned to a group. The weighted "
                "share is right only where decisions do not depend on the group among people of one value; the bounds "
                "hold whatever they depend on."
            ),
            Table(
                "Who receives the favourable decision, by probabilities",
                ("Group", "People expected", "Weighted share", "Can be anything", "With chance, 95 %"),
                rows,
                f"{many(entry.rows, 'row')}; {entry.rows_without:,} more {are(entry.rows_without, 'has', 'have')} "
                "a value that the table does not name.",
                (22, 16, 16, 23, 23),
            ),
            Points(tuple(sentences([entry]))),
        ]
    return blocks


def _likewise(evidence: Evidence) -> list[Block]:
    """The gap among people alike in the factors that a person calls legitimate."""
    comparison = evidence.like_with_like
    if not comparison or not comparison.factors:
        return []
    named = [f"{f.column}: {f.reason}" for f in comparison.factors]
    rows = tuple(
        (f"{words.by(p.attribute)}: {s.who}", s.raw, s.held, s.adjusted, s.explained)
        for p, s in ((p, shown(p)) for p in comparison.pairs[: find.MOST_ROWS])
    )
    stand_in = [
        f"{f.column} goes with {words.by(p.attribute)} itself (Cramer's V {fixed(p.cramers_v, 2)})"
        for f in comparison.factors
        for p in f.proxy_of
        if p.stands_in
    ]
    blocks: list[Block] = [
        Heading("Like compared with like"),
        Paragraph(
            "These factors were called legitimate, with these reasons. They put people into "
            f"{many(comparison.strata, 'stratum')}, and people of one stratum are compared. {NOT_CAUSAL}"
        ),
        Points(tuple(named)),
    ]
    if rows:
        blocks.append(
            Table(
                "Gaps in points, raw and among people who are alike",
                ("Pair", "Raw [95 %]", "Within strata [95 %]", "By regression [95 %]", "Taken away by the factors"),
                rows,
                "Within strata: Mantel-Haenszel. By regression: logistic, mean difference of predicted rates. "
                "Taken away: Kitagawa. Intervals hold for all pairs of an attribute. " + " ".join(comparison.notes),
                (28, 17, 18, 18, 19),
            )
        )
    if stand_in:
        blocks.append(Notice(f"A factor may be how the gap is made: {'; '.join(stand_in)}."))
    return blocks


def gap_sentence(figure: StageFigure) -> str:
    """Where a stage stands: the gap between the two groups furthest apart, and how many are short."""
    gap, stage = figure.gap, figure.stage
    if gap.value is None:
        return f"{stage}: not estimable ({words.why(gap.reason)})."
    whom = {"stage": "of those who got so far", "cumulative": "of all who began", "outcome": "of those picked"}
    high, low = words.name_of(gap.highest), words.name_of(gap.lowest)
    tail = ""
    if figure.kind != "outcome" and gap.short is not None:
        short, least, most = map(grouped, gap.short)
        tail = f" At the rate of {high}, {short} [{least}, {most}] more of {low} would have passed."
    return (
        f"{stage}, {whom[figure.kind]}: {high} {numbers.points(gap.value)} "
        f"{words.bracket(gap.low, gap.high)} above {low}, {words.p_words(gap.p_adjusted)}.{tail}"
    )


def _funnel(evidence: Evidence) -> list[Block]:
    """The process stage by stage, one table an attribute."""
    funnel = evidence.funnel
    if not funnel or not funnel.figures:
        return []
    blocks: list[Block] = [Heading("The process, stage by stage")]
    for attribute in dict.fromkeys(tuple(f.attribute) for f in funnel.figures):
        mine = [f for f in funnel.figures if tuple(f.attribute) == attribute]
        rows = tuple(
            (
                f.stage if f.kind == "stage" else "picked: turn out well",
                words.name_of(r.group),
                f"{r.numerator:,} of {r.denominator:,}",
                "–" if r.value is None else f"{words.share(r.value)} {words.bracket(r.low, r.high)}",
            )
            for f in mine
            if f.kind != "cumulative"
            for r in f.rates[: find.MOST_ROWS]
        )
        blocks.append(
            Table(
                f"Who gets how far, by {words.by(list(attribute))}",
                ("Stage", "Group", "Passed, of those who got so far", "Share [95 %]"),
                rows,
                " ".join(funnel.notes),
                (28, 26, 24, 22),
            )
        )
        blocks.append(Points(tuple(gap_sentence(f) for f in mine)))
        if any(f.kind == "outcome" for f in mine):
            blocks.append(Paragraph(f"On the outcomes of those picked: {WARNING}"))
    return blocks


SMALLEST = 8
METRIC = SELECTION_RATE


def smallest(smoothed: Sequence[Smoothed], metric: str = METRIC, most: int = SMALLEST) -> list[Smoothed]:
    """The groups with the fewest people whose rate was smoothed."""
    mine = [s for s in smoothed if s.metric == metric and s.value is not None]
    return sorted(mine, key=lambda s: (s.denominator, s.attribute, s.group))[:most]


def _smoothed(evidence: Evidence) -> list[Block]:
    """The smallest intersections: counted, and drawn towards what their parts foretell."""
    shown = smallest(evidence.smoothed)
    if not shown:
        reasons = sorted({s.reason for s in evidence.smoothed if s.reason})
        return [Heading("Small groups"), Paragraph(f"Not estimable: {reasons[0]}.")] if reasons else []
    rows = tuple(
        (
            f"{words.by(s.attribute)}: {words.name_of(s.group)}",
            f"{s.denominator:,}",
            words.share(s.counted),
            f"{words.share(s.value)} {words.bracket(s.low, s.high)}",
            words.share(s.borrowed),
        )
        for s in shown
    )
    note = (
        "Smoothed rates borrow from the other groups of the same attributes, more where a group is small. They are a "
        "second look beside the counted rate: no norm and no finding rests on them. The rest stand in the evidence."
    )
    table = Table(
        "Who receives the favourable decision, in the smallest groups",
        ("Group", "People", "Counted", "Smoothed [95 %]", "Borrowed"),
        rows,
        note,
        (40, 10, 14, 24, 12),
    )
    return [Heading("Small groups"), table]


def _points_of(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _individual(evidence: Evidence) -> list[Block]:
    individual, what = evidence.individual, unit(evidence.data)
    near = individual.neighbours if individual is not None else None
    if near is None:
        return []
    if not near.measured:
        return [Heading("Are like people decided alike?"), Paragraph(f"This was not measured: {near.reason}.")]
    blocks: list[Block] = [
        Heading("Are like people decided alike?"),
        Paragraph(
            f"Each of {near.people:,} {what} drawn at random is held against the {near.neighbours} others most "
            f"like them in {many(len(near.features), 'feature')}. Consistency is 1 where everyone is decided as these "
            f"are; it is {words.number(near.consistency)} "
            f"{words.bracket(near.consistency_low, near.consistency_high, percent=False)} here."
            + (BY_ROW if what == "rows" else "")
            + (f" {near.drawn.sentence}" if near.drawn is not None else "")
        ),
    ]
    rows = tuple(
        (
            f"{words.by(g.attribute)}: {words.name_of(g.group)}",
            f"{g.people:,}",
            f"{words.number(g.consistency)} {words.bracket(g.consistency_low, g.consistency_high, percent=False)}",
            f"{words.signed(_points_of(g.flip_test), 1)} {words.bracket(g.flip_low, g.flip_high)}",
        )
        for g in near.by_group[: find.MOST_ROWS]
    )
    if rows:
        blocks.append(
            Table(
                "Consistency, and what people like them in other groups receive",
                ("Group", words.capital(what), "Consistency [95 %]", "Better off outside, in points [95 %]"),
                rows,
                "Better off outside: the share whose nearest people in other groups receive the favourable decision "
                "while they do not, less the share the other way round. Above zero is to the group's disadvantage. "
                "“Like” means the features read, no more.",
                (34, 12, 24, 30),
            )
        )
    return blocks


def _flips(evidence: Evidence) -> list[Block]:
    turned = evidence.individual.model_flips if evidence.individual is not None else None
    if not turned:
        return []
    shown = sorted(turned, key=lambda f: -f.value)[:MOST]
    return [
        Table(
            "Decisions that turn where the sensitive value alone is changed",
            ("Changed", words.capital(unit(evidence.data)), "Turn [95 %]", "To favourable", "To unfavourable"),
            tuple(
                (
                    f"{words.by(f.attribute)}: {words.name_of(f.group)} to {words.name_of(f.to)}",
                    f"{f.people:,}",
                    f"{words.share(f.value)} {words.bracket(f.low, f.high)}",
                    f"{f.to_favourable:,}",
                    f"{f.to_unfavourable:,}",
                )
                for f in shown
            ),
            "The model reads this column. All else stays as it is: what goes along with it is not in this figure."
            + (f" The {MOST} largest of {len(turned)} are printed." if len(turned) > MOST else ""),
            (38, 11, 21, 15, 15),
        )
    ]


def _ranking(evidence: Evidence) -> list[Block]:
    rows = []
    for r in evidence.ranking:
        if len(r.attribute) > 1:
            continue
        tenth = find.one(r.top, top=0.1)
        if tenth is None:
            continue
        rows.append(
            (
                f"{words.by(r.attribute)}: {words.name_of(r.group)}",
                words.share(r.share),
                f"{words.share(tenth.share)} {words.bracket(tenth.low, tenth.high)}",
                words.number(r.exposure_ratio),
            )
        )
    if not rows:
        return []
    return [
        Heading("If people were ranked by their score"),
        Table(
            "The first tenth of the ranking, and exposure",
            ("Group", "Share of all", "Share of the first tenth [95 %]", "Exposure"),
            tuple(rows[: find.MOST_ROWS]),
            "Exposure falls with the logarithm of the place (Singh & Joachims 2018); 1 is the average of everyone. The "
            "favourable end of the scores is first. " + find.cut(len(rows)),
            (34, 18, 30, 18),
        ),
    ]


def _inequality(evidence: Evidence) -> list[Block]:
    rows = []
    for r in evidence.inequality:
        if not r.estimable or len(r.attribute) > 1:
            continue
        between = r.between
        rows.append(
            (
                words.capital(words.by(r.attribute)) or "Everyone",
                words.number(r.theil),
                words.number(r.generalized_entropy),
                "–" if not between else words.number(between.generalized_entropy, 5),
            )
        )
    if not rows:
        return []
    return [
        Heading("How unequally errors fall"),
        Table(
            "Inequality of benefit over people, and the part that lies between groups",
            ("By", "Theil", "Generalized entropy (2)", "Of it between groups"),
            tuple(rows),
            "Benefit is 1 for a right decision, 2 for one better than the outcome, 0 for one worse (Speicher et al. "
            "2018). Zero means that all benefit alike. Descriptions of these rows, without interval.",
            (34, 20, 24, 22),
        ),
    ]


def _reliability(evidence: Evidence) -> list[Block]:
    reliability = evidence.reliability
    blocks: list[Block] = []
    for attribute in dict.fromkeys(tuple(r.attribute) for r in reliability):
        curves = [r for r in reliability if tuple(r.attribute) == attribute][:5]
        if not attribute or len(curves) < 2:
            continue
        bins = sorted({(p.start, p.to) for c in curves for p in c.points})
        rows = []
        for low, high in bins:
            cells = []
            for c in curves:
                point = next((p for p in c.points if p.start == low), None)
                cells.append(
                    "–"
                    if point is None or point.share is None
                    else "few"
                    if point.people < FLOOR
                    else f"{words.share(point.share)}\n{words.bracket(point.low, point.high)}"
                )
            rows.append((f"{brief(low)} to {brief(high)}", *cells))
        blocks.append(
            Table(
                f"Of those with a score in the band, how many had the outcome, by {words.by(attribute)} [95 %]",
                ("Score", *(words.name_of(c.group) for c in curves)),
                tuple(rows),
                "Where the score means what it says, the share lies in its band, and alike for every group. A dash: "
                f"nobody; few: under {FLOOR} people.",
                (14, *([86 // len(curves)] * len(curves))),
            )
        )
    return [Heading("Does a score mean the same for everyone?"), *blocks] if blocks else []


def _points(evidence: Evidence) -> list[Block]:
    """Predictive parity by points: of the people with these points, how many had the outcome."""
    parity = evidence.predictive_parity
    blocks: list[Block] = []
    for attribute in dict.fromkeys(tuple(r.attribute) for r in parity):
        mine = [r for r in parity if tuple(r.attribute) == attribute][:5]
        if not attribute or len(mine) < 2:
            continue
        bands = sorted({(p.start, p.to) for r in mine for p in r.points})
        blocks.append(
            Table(
                f"How many of those with these points had the outcome, by {words.by(attribute)} [95 %]",
                ("Points", *(words.name_of(r.group) for r in mine)),
                tuple((points(a, b), *(_curve_cell(r, a) for r in mine)) for a, b in bands),
                "Where points mean the same for everyone, the shares of a line are alike (predictive parity). A dash: "
                f"nobody; few: under {FLOOR} people. Each interval is of its own cell.",
                (14, *([86 // len(mine)] * len(mine))),
            )
        )
    return [Heading("Do points mean the same for everyone?"), *blocks] if blocks else []


def points(low: float, high: float) -> str:
    """One value, or a band of them."""
    return brief(low, 6) if low == high else f"{brief(low, 6)} to {brief(high, 6)}"


def _curve_cell(record: Curve, low: float) -> str:
    point = next((p for p in record.points if p.start == low), None)
    if point is None:
        return "–"
    if point.people < FLOOR:
        return "few"
    return f"{words.share(point.share)} of {grouped(point.people)}\n{words.bracket(point.low, point.high)}"


@dataclass(frozen=True, slots=True)
class Part:
    """A question beyond rates and gaps. blocks: its answer; empty where it was not measured."""

    question: str
    blocks: Callable[[Evidence], list[Block]]


PARTS = {
    "slices": Part("Who is served worst, among all the subgroups there are?", _slices),
    "individual": Part("Are like people decided alike?", _individual),
    "flips": Part("Would the decision turn if the sensitive value alone were another?", _flips),
    "by_proxy": Part("What can be said of an attribute that is not recorded?", _by_proxy),
    "like_with_like": Part("How large is the gap among people who are alike?", _likewise),
    "funnel": Part("Where in the process does a gap open?", _funnel),
    "ranking": Part("If people were ranked by their score, who would stand first?", _ranking),
    "inequality": Part("How unequally do errors fall on people?", _inequality),
    "smoothed": Part("What can be said of the smallest groups?", _smoothed),
    "reliability": Part("Does a score mean the same for everyone?", _reliability),
    "predictive_parity": Part("Do points mean the same for everyone?", _points),
    "conformance": Part("What would Clarify, AIF360 or fairlearn call this?", conform.blocks),
}
"""In the order of the chapter; the screen asks them one at a time."""
TITLE = "Beyond groups and rates"


def section(sources: Sources) -> Section | None:
    """The chapter, or None where nothing of it was measured."""
    blocks = tuple(block for part in PARTS.values() for block in part.blocks(sources.evidence))
    return Section("further", TITLE, blocks) if blocks else None
