"""What was tried against the gaps: before, matched baseline, after; what got worse first; who is affected."""

from __future__ import annotations

from typing import Any

from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find

ARMS = (("original", "original"), ("matched", "original, threshold moved"), ("candidate", "candidate"))
MOST_CHANGES = 25


def section(sources: Sources) -> Section:
    """The comparison on rows that neither model saw."""
    m = sources.mitigation
    blocks: list[Block] = [Notice("No mitigation has been tried.")] if m is None else _body(m)
    return Section("mitigation", "Mitigation", tuple(blocks))


def _body(m: dict[str, Any]) -> list[Block]:
    splits = m["splits"]
    blocks: list[Block] = [
        Paragraph(
            f"Method: {m['title']}. {m['words']} Source: {m['source']}. It learned from {splits['train']:,} rows, "
            f"choices were made on {splits['validation']:,}, and all figures here are of {splits['test']:,} rows that "
            f"neither model saw. Seed {m['seed']}. Candidate: sha256 {m['model']['sha256']}."
        )
    ]
    if m["needs_sensitive_at_decision"]:
        blocks.append(Notice(str(m["notice"])))
    blocks.append(Heading("What got worse"))
    blocks += _worse(m)
    blocks.append(Heading("Before and after"))
    blocks.append(_arms(m))
    blocks.append(
        Paragraph(
            "The second column is the original model with nothing changed but its threshold, moved to the candidate's "
            "selection rate. A gain that it shares is a moved threshold, not mitigation."
        )
    )
    for attribute in find.attributes(m["arms"]["original"]):
        blocks += _groups(m, attribute)
    blocks.append(Heading("Whose decision changes"))
    blocks.append(_flips(m))
    decision = m.get("decision")
    if decision:
        word = "accepted" if decision["accepted"] else "rejected"
        blocks.append(
            Paragraph(f"{decision['by']} {word} the candidate on {decision['time'][:10]}. Reason: {decision['reason']}")
        )
    else:
        blocks.append(Paragraph("Nobody has accepted or rejected the candidate. Assay deploys nothing by itself."))
    blocks += [Notice(n) for n in m["notes"]]
    return blocks


def _arms(m: dict[str, Any]) -> Table:
    present = [(k, n) for k, n in ARMS if m["arms"].get(k)]
    arms = [m["arms"][k] for k, _ in present]
    rows: list[tuple[str, ...]] = [
        (words.capital(words.metric(name)), *(words.share(a[name]) for a in arms))
        for name in ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate")
    ]
    rows.append(("Threshold", *(words.number(a["threshold"]) for a in arms)))
    for name in ("selection_rate", "equal_opportunity", "equalized_odds"):
        for attribute in find.attributes(arms[0]):
            gaps = [find.gap(a, name, attribute) for a in arms]
            label = f"Gap in {words.metric(name)} by {words.by(attribute)}"
            rows.append((label, *(_gap(g) for g in gaps)))
    return Table(
        "Original, baseline and candidate on untouched rows",
        ("Figure", *(n.capitalize() for _, n in present)),
        tuple(rows),
        "Gaps in points, with simultaneous 95 % intervals.",
        (31, *([69 // len(arms)] * len(arms))),
    )


def _gap(gap: dict[str, Any] | None) -> str:
    if gap is None or gap["value"] is None:
        return "not estimable"
    return f"{100 * gap['value']:.1f} [{100 * gap['low']:.1f}, {100 * gap['high']:.1f}]"


def _worse(m: dict[str, Any]) -> list[Block]:
    worse = [c for c in m["changes"] if c["worse"]]
    if not worse:
        return [Paragraph("No measured figure got worse on these rows.")]
    clear = sum(bool(c.get("clear")) for c in worse)
    rows = tuple(
        (
            words.metric(c["metric"]) + ("" if c["kind"] == "rate" else f", {c['kind']}"),
            words.name_of(c["group"]) if c["group"] or not c["attribute"] else f"by {words.by(c['attribute'])}",
            words.number(c["before"]),
            words.number(c["after"]),
            "–" if c["low"] is None else f"{c['low']:+.3f} to {c['high']:+.3f}",
            "yes" if c.get("clear") else "no",
        )
        for c in worse[:MOST_CHANGES]
    )
    note = "" if len(worse) <= MOST_CHANGES else f"{MOST_CHANGES} of {len(worse)} are printed; all are embedded."
    return [
        Paragraph(
            f"{len(worse)} figures got worse, {clear} of them by more than chance explains "
            "(the interval of the paired change leaves out nought)."
        ),
        Table(
            "Figures that got worse, the worst first",
            ("Figure", "Of", "Before", "After", "Change, 95 % interval", "Beyond chance"),
            rows,
            note,
            (30, 24, 10, 10, 16, 10),
        ),
    ]


def _groups(m: dict[str, Any], attribute: list[str]) -> list[Block]:
    present = [(k, n) for k, n in ARMS if m["arms"].get(k)]
    values = []
    rows = []
    groups = [
        r["group"] for r in find.every(m["arms"]["original"]["rates"], metric="selection_rate", attribute=attribute)
    ]
    for group in groups[:20]:
        cells = []
        for series, (key, _) in enumerate(present):
            r = find.rate(m["arms"][key], "selection_rate", attribute, group)
            known = r is not None and r["estimable"]
            if r is not None:
                values.append(charts.Dot(words.name_of(group), r["value"], r["low"], r["high"], series))
            cells.append(f"{words.share(r['value'])} ({words.interval(r['low'], r['high'])})" if known and r else "–")
        rows.append((words.name_of(group), *cells))
    by = words.by(attribute)
    table = Table(
        f"Selection rate by {by}, before and after",
        ("Group", *(n.capitalize() for _, n in present)),
        tuple(rows),
        "",
        (25, *([75 // len(present)] * len(present))),
    )
    if len(attribute) > 1:
        return [table]
    alt = f"Selection rates by {by} of the original, the baseline and the candidate, with 95 % intervals."
    return [
        Figure(charts.dots(values, series=[n for _, n in present]), alt, f"Selection rate by {by}, before and after"),
        table,
    ]


def _flips(m: dict[str, Any]) -> Table:
    rows = tuple(
        (
            words.name_of(f["group"]) if f["attribute"] else "everyone",
            words.by(f["attribute"]) if f["attribute"] else "–",
            words.count(f["rows"]),
            words.count(f["to_favourable"]),
            words.count(f["to_unfavourable"]),
        )
        for f in m["flips"]
        if len(f["attribute"]) <= 1
    )
    return Table(
        "Decisions that change, by group and direction",
        ("Group", "By", "People", "Newly favourable", "No longer favourable"),
        rows,
        "",
        (32, 14, 16, 18, 20),
    )
