"""Why: what the model leans on, what the gap is made of, and how far the explanations can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.explanations import Decomposition, Explanations, GroupMean, Importance, Part, Person
from audit.numbers import are, fixed, many, points, power, signed
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Lead, Notice, Paragraph, Points, Section, Sources, Table

TOP = 8
MOST_FEATURES = 40
MOST_PROXIES = 5


def section(sources: Sources) -> Section:
    """Explanations of everyone; of single persons only where it was asked for."""
    e = sources.explain
    blocks: list[Block]
    if e is None:
        blocks = [Notice("No explanation was made.")]
    elif not e.overall:
        blocks = [Notice(unexplained(e))]
    else:
        blocks = _body(e, sources.people)
    return Section("explanations", "Explanations", tuple(blocks))


def unexplained(e: Explanations) -> str:
    """Why there is no explanation."""
    return e.reason or "The decisions could not be explained."


def _body(e: Explanations, people: bool) -> list[Block]:
    gate, background = e.additivity, e.background
    if gate is None or background is None:
        raise ValueError("the explanations do not say whether they add up, or against what background")
    blocks: list[Block] = [
        Lead(_lead(e)),
        Paragraph(
            f"What is explained is {e.output_meaning or e.output}. Method: {e.method} (SHAP values), "
            f"against {many(background.rows, 'background row')}, seed {e.seed}, on {many(e.rows, 'row')}. The "
            f"parts must add up to what the model said. On {many(gate.rows, 'row')} they "
            f"{'do' if gate.passed else 'do NOT'}: the largest error is {power(gate.max_error, 1)}, where "
            f"{power(gate.tolerance, 0)} is allowed."
        ),
    ]
    if e.hiding is not None:
        notice = str(e.hiding.notice)
        blocks.append(Notice(notice) if e.hiding.alarm else Paragraph(notice))
    if e.rerouted:
        blocks.append(Notice(f"The first method was given up: {e.rerouted}"))
    top = e.overall[:TOP]
    leaders = ", ".join(f.feature for f in top[:3])
    blocks.append(
        Figure(
            charts.bars([f.feature for f in top], [f.mean_abs for f in top], [(f.low, f.high) for f in top]),
            f"How much each column moves the {e.output} on average; the model leans most on {leaders}.",
            f"How much each column moves the {e.output} on average (mean absolute SHAP value), with 95 % intervals",
        )
    )
    blocks.append(importance(e))
    blocks += means(e, [f.feature for f in top[:5]])
    blocks += _gap(e)
    blocks += fidelity(e)
    blocks += recourse(e)
    blocks += _hiding(e)
    if people:
        blocks += [b for p in e.people for b in _person(p)]
    elif e.people:
        blocks.append(Paragraph("Single persons were explained on the screen; they are not printed, to protect them."))
    if e.limits:
        blocks += [Heading("Limits of these explanations"), Points(tuple(e.limits))]
    return blocks


def importance(e: Explanations) -> Table:
    """The mean size of every column's attributions."""
    rows = tuple(
        (f.feature, fixed(f.mean_abs, 4), f"{fixed(f.low, 4)} to {fixed(f.high, 4)}") for f in e.overall[:MOST_FEATURES]
    )
    heads = ("Column", "Mean |SHAP|", "95 % interval")
    return Table("Importance of every column", heads, rows, _left(e.overall), (44, 26, 30))


def _lead(e: Explanations) -> str:
    """What the model leans on and what the gaps fall to, without a term of art."""
    first = ", ".join(f.feature for f in e.overall[:3])
    text = f"The columns that move the model most are {first}."
    for d in e.decomposition:
        if d.kind != "extreme" or d.output != "decision" or len(d.attribute) > 1:
            continue
        most = max(d.features, key=lambda f: f.value, default=None)
        if most is None or most.value <= 0:
            continue
        text += (
            f" Of the gap by {words.by(d.attribute)}, {points(d.total)}, the largest part falls to "
            f"{most.feature}: {points(most.value)} "
            f"({words.span(most)})."
        )
    return text


def means(e: Explanations, features: list[str]) -> list[Block]:
    """Mean attributions of the leading columns by group: for whom a column speaks, and against whom."""
    blocks: list[Block] = []
    attributions = [g for g in e.groups if g.feature in features and len(g.attribute) == 1]
    for attribute in dict.fromkeys(tuple(g.attribute) for g in attributions):
        mine = {(tuple(g.group), g.feature): g for g in attributions if tuple(g.attribute) == attribute}
        rows = []
        for group in dict.fromkeys(g for g, _ in mine):
            cells = [_mean(mine.get((group, f))) for f in features]
            people = next(m.rows for (g, _), m in mine.items() if g == group)
            rows.append((words.name_of(group), *cells, words.count(people)))
        blocks.append(
            Table(
                f"Mean attribution of the leading columns by {words.by(attribute)}",
                ("Group", *features, "People"),
                tuple(rows),
                "Above zero the column raises the output for the group, below it lowers it; with 95 % intervals.",
                (20, *([70 // max(len(features), 1)] * len(features)), 10),
            )
        )
    return blocks


def _mean(g: GroupMean | None) -> str:
    if g is None or g.mean is None:
        return "–"
    limits = "" if g.low is None else f"\n{words.bracket(g.low, g.high, percent=False)}"
    return f"{words.signed(g.mean)}{limits}"


def _gap(e: Explanations) -> list[Block]:
    blocks: list[Block] = []
    for d in e.decomposition:
        if d.kind != "extreme" or d.output != "decision":
            continue
        by = words.by(d.attribute)
        pair = f"{words.name_of(d.highest)} and {words.name_of(d.lowest)}"
        top = sorted(d.features, key=lambda f: -abs(f.value))[:TOP]
        blocks.append(Heading(f"What the gap by {by} is made of"))
        blocks.append(
            Figure(
                charts.bars(
                    [f.feature for f in top],
                    [f.value for f in top],
                    [(f.low, f.high) for f in top],
                    percent=True,
                ),
                f"The gap of {points(d.total)} between {pair}, divided over columns; most falls to "
                f"{', '.join(f.feature for f in top[:2])}.",
                f"The difference in decisions between {pair} ({points(d.total)}), divided over columns, in "
                "points; hatched bars narrow it",
            )
        )
        blocks.append(parts_of(d))
        blocks += proxies_of(d)
    return blocks


def proxies_of(d: Decomposition) -> list[Block]:
    """The columns that go along with the attribute and widen its gap."""
    proxies = ", ".join([_proxy(p) for p in d.proxies][:MOST_PROXIES])
    by = words.by(d.attribute)
    text = f"Columns that go along with {by} and widen the gap, possible proxies: {proxies}."
    return [Paragraph(text)] if proxies else []


def _proxy(proxy: object) -> str:
    """Its name; reports made before 0.3 held more of it."""
    return str(proxy["feature"]) if isinstance(proxy, dict) else str(proxy)


def parts_of(d: Decomposition) -> Table:
    """The table beside the drawing: every part, and how closely its column goes along with the attribute."""
    parts, by = sorted(d.features, key=lambda f: -abs(f.value)), words.by(d.attribute)
    rows = tuple(
        (
            f.feature,
            words.signed(100 * f.value, 1),
            words.bracket(f.low, f.high),
            words.number(f.association, 2),
            str(f.association_measure or "–"),
        )
        for f in parts[:MOST_FEATURES]
    )
    return Table(
        f"Parts of the gap by {by}, in points, and how closely each column goes along with {by}",
        ("Column", "Part of the gap", "95 % interval", "Goes along, 0 to 1", "Measured by"),
        rows,
        _left(parts),
        (32, 16, 18, 16, 18),
    )


def _left(features: Sequence[Part | Importance]) -> str:
    more = len(features) - MOST_FEATURES
    return "" if more <= 0 else f"{many(more, 'more column')} {are(more)} in the embedded explanations."


def _hiding(e: Explanations) -> list[Block]:
    """The test for models that behave for an explainer only (Slack et al. 2020)."""
    hiding = e.hiding
    if not hiding or not hiding.notice:
        return []
    text = str(hiding.notice)
    return [Heading("Does the model hide from explanations?"), Notice(text) if hiding.alarm else Paragraph(text)]


def fidelity(e: Explanations) -> list[Block]:
    rows = tuple(
        (
            words.name_of(f.group),
            words.by(f.attribute),
            words.number(f.r2, 2),
            f"{fixed(f.r2_low, 2)} to {fixed(f.r2_high, 2)}" if f.r2_low is not None else "–",
            words.count(f.rows),
        )
        for f in e.fidelity
    )
    if not rows:
        return []
    return [
        Heading("How well LIME's line fits, by group"),
        Table(
            "Fit of LIME's local model (weighted R²) by group",
            ("Group", "By", "Mean R²", "95 % interval", "People"),
            rows,
            "Near 1 the line fits; near 0 it says little. A group with a worse fit gets worse explanations.",
            (32, 18, 16, 20, 14),
        ),
    ]


def recourse(e: Explanations) -> list[Block]:
    """What turning a refusal costs one group against another."""
    summary = e.recourse
    if not summary:
        return []
    title = Heading("What it takes to turn a refusal, by group")
    if not summary.sought:
        return [title, Paragraph(str(summary.reason))]
    rows = tuple(
        (
            words.name_of(g.group),
            words.by(g.attribute),
            f"{g.found:,} of {g.rows:,}",
            words.number(g.cost, 2),
            f"{fixed(g.cost_low, 2)} to {fixed(g.cost_high, 2)}" if g.cost_low is not None else "–",
            words.count(g.refused),
        )
        for g in summary.groups
    )
    whole = 100 * (summary.complete or 0.0)
    blocks: list[Block] = [title, Points(tuple(summary.notice))] if summary.notice else [title]
    if rows:
        blocks.append(
            Table(
                "Refused people with recourse, and what it costs them on average",
                ("Group", "By", "With recourse", "Mean cost", "95 % interval", "Refused"),
                rows,
                f"Changes allowed by the case: {', '.join(summary.actionable)}. {summary.cost}",
                (26, 14, 18, 12, 18, 12),
            )
        )
    most = max((g.rows for g in summary.groups), default=0)
    blocks.append(
        Paragraph(
            f"Of each group up to {many(most, 'refused person')} {are(most, 'was', 'were')} drawn at random; "
            f"{many(summary.tried, 'change')} {are(summary.tried, 'was', 'were')} tried "
            f"on {many(summary.rows, 'row')}. For {fixed(whole, 0)} % of them every cheaper combination of values "
            "was tried; for the others the cost is the least that was found. It is a statement about this model, not "
            "advice to anyone."
        )
    )
    return blocks


def _person(p: Person) -> list[Block]:
    lime = {f.feature: f.value for f in p.lime}
    rows = tuple(
        (f.feature, str(p.values.get(f.feature, "–")), signed(f.value, 4),
         signed(lime[f.feature], 4) if f.feature in lime else "–")
        for f in p.shap[:TOP]
    )  # fmt: skip
    blocks: list[Block] = [
        Heading(f"One person (row {p.row:,})"),
        Table(
            f"Row {p.row:,}: score {fixed(p.score, 3)}, decided {p.decision}",
            ("Column", "Value", "SHAP", "LIME"), rows, "", (34, 30, 18, 18),
        ),
    ]  # fmt: skip
    if p.reasons:
        blocks.append(Points(tuple(p.reasons)))
    if p.recourse:
        blocks.append(Paragraph(p.recourse.words))
    notice = p.agreement.notice
    if notice:
        blocks.append(Notice(notice) if p.agreement.disagree else Paragraph(notice))
    return blocks
