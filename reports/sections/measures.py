"""The norms, and rates and gaps by attribute and intersection."""

from __future__ import annotations

from collections.abc import Sequence

from audit.cube import Meaning
from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.findings import NormResult, interval_words, significance
from audit.metrics import (
    ACCURACY,
    FALSE_POSITIVE_RATE,
    METRICS,
    POSITIVE_PREDICTIVE_VALUE,
    SCORE_METRICS,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
    complements,
    metrics_for,
)
from audit.numbers import brief, fixed
from audit.sizes import unit
from audit.values import Gap, Rate
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find

STATUS = {
    "inside": "inside the norm, over the whole interval",
    "outside": "outside the norm, over the whole interval",
    "undecided": "undecided: the limit lies within the interval",
    "not_estimable": "not estimable",
}
NO_NORM = Notice("The policy has no norm for the attributes of this case.")
SHOWN = (SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE)
MORE = (ACCURACY, *SCORE_METRICS)
CHARTS = (SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)


def norms(evidence: Evidence) -> Section:
    """Each norm of the policy beside the measured gap. Where it stands, not whether the model is good."""
    version = evidence.policy.version
    whose = evidence.policy.words
    blocks: list[Block] = [
        Paragraph(
            f"{whose} Being inside a norm does not make a decision right or lawful, "
            "and being outside does not make it wrong. It says where to look."
        )
    ]
    if evidence.norms:
        blocks.append(
            Table(
                f"The norms of policy {version} and where the measured gaps stand",
                ("Norm", "By", "Limit", "Measured", "95 % interval", "Where it stands"),
                tuple(_norm(n) for n in evidence.norms),
                "Each interval is of the widest gap, whichever groups it lies between. Where two groups are named "
                "elsewhere, the interval is of these two and can be wider.",
                (20, 10, 18, 13, 14, 25),
            )
        )
    else:
        blocks.append(NO_NORM)
    return Section("norms", "The norms of the policy", tuple(blocks))


def _norm(n: NormResult) -> tuple[str, ...]:
    return (
        f"{words.metric(n.metric)}, {n.kind}",
        words.by(n.attribute),
        limit_of(n),
        words.width(n),
        words.span(n) if n.value is not None else words.why(n.reason),
        STATUS[n.status],
    )


def limit_of(n: NormResult) -> str:
    """at most 10 points; at least 0.8."""
    own = n.kind == "ratio" or n.metric in words.SCORES
    limit = brief(n.limit) if own else f"{brief(100 * n.limit)} points"
    return f"{'at most' if n.kind == 'difference' else 'at least'} {limit}"


def sentence(gap: Gap | None, comparisons: str = "comparisons") -> str:
    """The difference in words, with its interval and adjusted p-value."""
    if gap is None:
        return "There is no gap to measure."
    if gap.value is None:
        return f"The gap cannot be estimated: {gap.reason}."
    idle = f" {gap.idle[:1].upper()}{gap.idle[1:]}." if gap.idle else ""
    interval = interval_words(gap, say=words.number if words.on_own_scale(gap) else None)
    return (
        f"Highest in {words.name_of(gap.highest)}, lowest in {words.name_of(gap.lowest)}: {words.width(gap)} "
        f"apart ({interval}; {significance(gap, comparisons)}).{idle}"
    )


def section(sources: Sources) -> Section:
    """What each rate asks; then gaps, charts and rates by attribute, the intersections last."""
    evidence = sources.evidence
    blocks: list[Block] = [
        Paragraph(
            f"{words.compared(evidence.family)} For every gap, less apart is better. No single rate settles the "
            "matter: where base rates differ, they cannot all agree."
        ),
        _questions(sources),
    ]
    for attribute in find.printed(evidence):
        blocks.append(Heading(f"By {words.by(attribute)}"))
        for metric in CHARTS if len(attribute) == 1 else CHARTS[:1]:
            blocks += chart_of(evidence, metric, attribute)
        blocks.append(gaps_by(evidence, attribute))
        for title, names in (("Rates", SHOWN), ("Accuracy and scores", MORE)):
            if table := rates_by(evidence, title, names, attribute):
                blocks.append(table)
        if len(attribute) == 1 and (table := power(evidence, attribute)):
            blocks.append(table)
    return Section("measures", "What the decisions do", tuple(blocks))


def power(evidence: Evidence, attribute: Names, of: Sequence[str] | None = None) -> Table | None:
    """How wide a gap each group's size lets an audit see, beside what was measured; nothing where nothing is known.

    of: the metrics (None: all but complements).
    """
    rows = find.every(evidence.power, attribute=attribute)
    names = [m for m in dict.fromkeys(r.metric for r in rows) if (m not in complements() if of is None else m in of)]
    groups = list(dict.fromkeys(tuple(r.group) for r in rows))
    if not names:
        return None
    shown = set(find.kept(evidence, attribute))
    by_group = {(r.metric, tuple(r.group)): r for r in rows}

    def cell(metric: str, group: tuple[str, ...]) -> str:
        r = by_group.get((metric, group))
        if r is None:
            return "–"
        return "too few people" if r.detectable is None else fixed(100 * r.detectable, 1)

    return Table(
        f"The smallest gap, in points, that would have been told from chance, by {words.by(attribute)}",
        ("Group", *(words.capital(words.metric(m)) for m in names)),
        tuple((words.name_of(g), *(cell(m, g) for m in names)) for g in groups if g in shown),
        f"In {fixed(100 * rows[0].power, 0)} of 100 such audits, against {words.name_of(rows[-1].against)} where the "
        "group is another, else against the next largest; the level is shared by the pairs of groups. “No gap found” "
        "says nothing of narrower ones. " + find.cut(len(groups)),
        (30, *([70 // len(names)] * len(names))),
    )


def _questions(sources: Sources) -> Table:
    """Name, question, direction and source of every rate that the evidence holds."""
    data = sources.evidence.data
    meaning = Meaning(
        positive=str(data.positive),
        negative=str(sources.cube.negative or f"not {data.positive}"),
        favourable=str(data.favourable),
    )
    present = {r.metric for r in sources.evidence.rates}
    rows = [
        (words.capital(words.metric(m.name)), m.question, m.better, m.source)
        for m in metrics_for(meaning)
        if m.name in present and m.name not in complements()
    ]
    rows += [
        (words.capital(METRICS[m].title), METRICS[m].question, METRICS[m].better, METRICS[m].source)
        for m in SCORE_METRICS
        if m in present
    ]
    return Table(
        "What each rate asks",
        ("Rate", "Question", "Better", "Source"),
        tuple(rows),
        "“Better” is the side that is better for the people in a group; “neither” depends on who merits what. Rates "
        "that say the same the other way round (missed instead of found) are in the embedded evidence.",
        (22, 42, 10, 26),
    )


def gaps_by(evidence: Evidence, attribute: Names, names: tuple[str, ...] | None = None) -> Table:
    """Each gap with interval, ratio, p-values and the two groups; of the metrics named, or of all."""
    rows = []
    for g in find.every(evidence.gaps, attribute=attribute, kind="difference"):
        if g.metric in complements() or (names is not None and g.metric not in names):
            continue
        ratio = find.gap(evidence, g.metric, attribute, "ratio")
        name = words.capital(words.metric(g.metric))
        if g.value is None:
            rows.append((name, "not estimable", "–", "–", "–", words.why(g.reason)))
            continue
        plain = g.metric in words.SCORES
        rows.append(
            (
                name,
                f"{words.width(g)} {words.bracket(*words.ends(g), percent=not plain)}".replace(" points", "").strip(),
                _ratio(ratio),
                words.pair_p(g),
                words.p_words(g.p_adjusted) if g.p_adjusted is not None else "–",
                f"{words.name_of(g.lowest)} to {words.name_of(g.highest)}",
            )
        )
    return Table(
        f"Gaps by {words.by(attribute)}",
        ("Rate", "Apart [95 %]", "Ratio [95 %]", "p, these two", "p, all groups", "From lowest to highest"),
        tuple(rows),
        "In points, with 95 % intervals in brackets: of the two groups named, for all pairs of the table's groups at "
        "once. p-values are adjusted: of the two groups named, and of all groups together, which does not say who "
        "differs. Calibration errors have no test.",
        (19, 18, 21, 11, 11, 20),
    )


def _ratio(ratio: Gap | None) -> str:
    if ratio is None or ratio.value is None:
        return "not estimable"
    return f"{words.number(ratio.value)} {words.bracket(*words.ends(ratio), percent=False)}".rstrip()


def rates_by(
    evidence: Evidence, title: str, names: tuple[str, ...], attribute: Names, most: int = find.MOST_ROWS
) -> Table | None:
    """One row a group, one column a metric: value, interval and the number of people it rests on."""
    rates = {n: find.every(evidence.rates, metric=n, attribute=attribute) for n in names}
    present = [n for n in names if rates[n]]
    if not present:
        return None
    groups = [r.group for r in rates[present[0]]]
    kept = find.kept(evidence, attribute, most)
    by_group = {n: {tuple(r.group): r for r in rates[n]} for n in present}
    rows = [
        (
            words.name_of(group),
            *(words.rate_cell(by_group[n].get(tuple(group)), percent=n not in words.SCORES) for n in present),
        )
        for group in [g for g in groups if g in kept][:most]
    ]
    note = " ".join(
        t for t in (find.cut(len(groups), most=most), _missing([r for n in present for r in rates[n]])) if t
    )
    return Table(
        f"{title} by {words.by(attribute)}: value, 95 % interval, {unit(evidence.data)}",
        ("Group", *(words.capital(words.metric(n)) for n in present)),
        tuple(rows),
        note,
        (20, *([80 // len(present)] * len(present))),
    )


def _missing(rates: Sequence[Rate]) -> str:
    """Why values are missing, by name; the counts at fault stand in each reason."""
    out = [f"{words.name_of(r.group)}, {words.metric(r.metric)}: {r.reason}" for r in rates if not r.estimable]
    if not out:
        return ""
    more = f"; and {len(out) - 8} more, each with its reason in the evidence" if len(out) > 8 else ""
    return "Not estimable: " + "; ".join(out[:8]) + more + "."


def chart_of(evidence: Evidence, metric: str, attribute: Names) -> list[Block]:
    """The rates of a metric by attribute as a drawing; nothing where none is estimable."""
    rates = find.every(evidence.rates, metric=metric, attribute=attribute)
    gap = find.gap(evidence, metric, attribute)
    shown = find.drawn(rates, gap)
    if not any(r.estimable for r in shown):
        return []
    overall = find.rate(evidence, metric, (), ())
    by = words.by(attribute)
    name = words.capital(words.metric(metric))
    alt = f"{name} by {by} with 95 % intervals."
    if gap and gap.value is not None:
        alt += f" From {words.name_of(gap.lowest)} to {words.name_of(gap.highest)}: {words.points(gap)}."
    drawn = charts.dots(
        [charts.Dot(words.name_of(r.group), r.value, r.low, r.high, 0, words.behind(r)) for r in shown],
        mark=overall.value if overall else None,
        marked="everyone",
    )
    return [Figure(drawn, alt, f"{name} by {by}: share, 95 % interval, {unit(evidence.data)}{find.some(len(rates))}")]
