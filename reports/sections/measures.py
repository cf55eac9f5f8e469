"""The norms, and rates and gaps by attribute and intersection."""

from __future__ import annotations

from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find
from reports.sections.data import MOST_ROWS

STATUS = {
    "inside": "inside the norm",
    "outside": "outside the norm",
    "undecided": "undecided: the limit lies within the interval",
    "not_estimable": "not estimable",
}
SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate", "positive_predictive_value", "accuracy")
SCORES = ("roc_auc", "mean_score", "calibration_error")
CHARTS = ("selection_rate", "true_positive_rate", "false_positive_rate")


def norms(sources: Sources) -> Section:
    """Each norm of the policy beside the measured gap. Where it stands, not whether the model is good."""
    evidence = sources.evidence
    rows = tuple(
        (
            f"{words.metric(n['metric'])}, {n['kind']}",
            words.by(n["attribute"]),
            f"{'at most' if n['kind'] == 'difference' else 'at least'} {n['limit']:g}",
            words.number(n["value"]),
            f"{n['low']:.3f} to {n['high']:.3f}" if n["value"] is not None else str(n["reason"]),
            STATUS[n["status"]],
        )
        for n in evidence["norms"]
    )
    blocks: list[Block] = [
        Paragraph(
            f"Policy {evidence['policy']['version']} is the institution's own. Keeping a norm does not make a decision "
            "right or lawful, and breaking one does not make it wrong; it says where to look."
        )
    ]
    if rows:
        blocks.append(
            Table(
                "Norms and where they stand",
                ("Norm", "By", "Limit", "Measured", "95 % interval", "Where it stands"),
                rows,
                "",
                (24, 12, 13, 12, 17, 22),
            )
        )
    else:
        blocks.append(Notice("The policy has no norm for the attributes of this case."))
    return Section("norms", "The norms of the policy", tuple(blocks))


def section(sources: Sources) -> Section:
    """Rates with their intervals and gaps with theirs, widest question first."""
    evidence = sources.evidence
    positive, favourable = evidence["data"]["positive"], evidence["data"]["favourable"]
    about = f"“Positive” means “{positive}”, “favourable” means “{favourable}”."
    blocks: list[Block] = [
        Paragraph(
            f"{about} A difference is the highest rate minus the lowest, a ratio the lowest divided by the highest; "
            "for both, less apart is better. Each rate stands with its 95 % interval and the number of people it rests "
            "on."
        )
    ]
    for attribute in find.attributes(evidence):
        by = words.by(attribute)
        blocks.append(Heading(f"By {by}"))
        blocks.append(_gaps(evidence, attribute))
        for metric in CHARTS if len(attribute) == 1 else CHARTS[:1]:
            blocks += _chart(evidence, metric, attribute)
        blocks += [t for t in (_rates(evidence, names, attribute) for names in (SHOWN, SCORES)) if t is not None]
    return Section("measures", "What the model does", tuple(blocks))


def _gaps(evidence: find.Record, attribute: list[str]) -> Table:
    rows = []
    for g in find.every(evidence["gaps"], attribute=attribute):
        if g["kind"] != "difference":
            continue
        ratio = find.gap(evidence, g["metric"], attribute, "ratio")
        if g["value"] is None:
            rows.append((words.metric(g["metric"]), "not estimable", str(g["reason"]), "–", "–", "–"))
            continue
        low_high = f"{g['low']:.3f} to {g['high']:.3f}" if g["low"] is not None else "–"
        shown = "–"
        if ratio is not None and ratio["value"] is not None:
            shown = f"{ratio['value']:.3f}"
            if ratio["low"] is not None:
                shown += f" [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        rows.append(
            (
                words.metric(g["metric"]),
                f"{g['value']:.3f}",
                low_high,
                shown,
                words.p_words(g["p_adjusted"]) if g["p_adjusted"] is not None else "–",
                f"{words.name_of(g['highest'])} over {words.name_of(g['lowest'])}",
            )
        )
    return Table(
        f"Gaps by {words.by(attribute)}",
        ("Metric", "Difference", "95 % interval", "Ratio [interval]", "Adjusted p", "Highest over lowest"),
        tuple(rows),
        "",
        (21, 11, 15, 19, 10, 24),
    )


def _rates(evidence: find.Record, names: tuple[str, ...], attribute: list[str]) -> Table | None:
    """One row a group, one column a metric: value, interval and the number of people it rests on."""
    found = {n: find.every(evidence["rates"], metric=n, attribute=attribute) for n in names}
    present = [n for n in names if found[n]]
    if not present:
        return None
    groups = [r["group"] for r in found[present[0]]]
    plain = names is SCORES
    rows = []
    for group in groups[:MOST_ROWS]:
        cells = [_cell(find.one(found[n], group=group), plain) for n in present]
        rows.append((words.name_of(group), *cells))
    title = "Scores" if plain else "Rates"
    rest = 78 // len(present)
    return Table(
        f"{title} by {words.by(attribute)}",
        ("Group", *(words.capital(words.metric(n)) for n in present)),
        tuple(rows),
        _missing([r for n in present for r in found[n]]),
        (22, *([rest] * len(present))),
    )


def _cell(r: find.Record | None, plain: bool) -> str:
    if r is None or not r["estimable"]:
        return "not estimable"
    value = words.number(r["value"]) if plain else words.share(r["value"])
    limits = ""
    if r["low"] is not None:
        limits = f" [{r['low']:.3f}, {r['high']:.3f}]" if plain else f" [{100 * r['low']:.1f}, {100 * r['high']:.1f}]"
    of = f"of {words.count(r['denominator'])}"
    return f"{value}{limits} {of}" if plain else f"{value}{limits}, {words.count(r['numerator'])} {of}"


def _missing(rates: list[find.Record]) -> str:
    """Why values are missing, by name; the counts at fault stand in each reason."""
    out = [
        f"{words.name_of(r['group'])}, {words.metric(r['metric'])}: {r['reason']}" for r in rates if not r["estimable"]
    ]
    if not out:
        return ""
    more = f"; and {len(out) - 8} more, each with its reason in the evidence" if len(out) > 8 else ""
    return "Not estimable: " + "; ".join(out[:8]) + more + "."


def _chart(evidence: find.Record, metric: str, attribute: list[str]) -> list[Block]:
    rates = find.every(evidence["rates"], metric=metric, attribute=attribute)[:20]
    if not any(r["estimable"] for r in rates):
        return []
    gap = find.gap(evidence, metric, attribute)
    overall = find.rate(evidence, metric, (), ())
    by = words.by(attribute)
    name = words.metric(metric)
    alt = f"{words.capital(name)} by {by} with 95 % intervals."
    if gap and gap["value"] is not None:
        alt += f" From {words.name_of(gap['lowest'])} to {words.name_of(gap['highest'])}: {words.points(gap)}."
    drawn = charts.dots(
        [charts.Dot(words.name_of(r["group"]), r["value"], r["low"], r["high"]) for r in rates],
        mark=overall["value"] if overall else None,
    )
    caption = f"{words.capital(name)} by {by}, with 95 % intervals; the dotted line is everyone's rate"
    return [Figure(drawn, alt, caption)]
