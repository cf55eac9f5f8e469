"""What could go wrong: the contract, the worst corruptions that were found, and other ways to build the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.contract import CheckHeld, ContractHeld
from audit.documents.stress import Finding, Stress, Whatif
from audit.numbers import are, many
from audit.stress.words import GIVEN_FITS, WORST, best_of, figure_name, nothing_worse, noticed, plausible, words_of
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Points, Section, Sources, Table
from reports.sections import find

MOST = 12
BY_GROUP = 8


def section(sources: Sources) -> Section | None:
    """The chapter, or None where nothing of it was done."""
    blocks = [*contract(sources.evidence.contract), *_stress(sources.stress), *_whatif(sources.whatif)]
    return Section("stress", "What could go wrong", tuple(blocks)) if blocks else None


def contract(held: ContractHeld | None) -> list[Block]:
    if not held:
        return []
    checks = held.checks
    failed = [c for c in checks if not c.passed]
    out: list[Block] = [
        Heading("Is the data what it should be?"),
        Paragraph(
            f"{held.kept} of {many(len(checks), 'check')} of the contract are kept on the rows that were measured; "
            f"{held.broken} of those that are not are errors, the others warnings."
        ),
    ]
    if failed:
        rows = tuple(
            (
                _check_label(c),
                "warning" if c.severity != "error" else "error",
                "–" if c.share is None else f"{words.count(c.failed)} of {words.count(c.rows)}",
                "–" if c.share is None else f"{words.share(c.share)} {words.bracket(c.low, c.high)}",
                _groups(c),
            )
            for c in failed[:MOST]
        )
        out.append(
            Table(
                "Checks that are not kept",
                ("Check", "Severity", "Rows", "Share [95 %]", "By group"),
                rows,
                "By group: the groups of which most and fewest fail. Where they differ, what is wrong with the data is "
                "not wrong for all alike. " + find.cut(len(failed), "checks"),
                (28, 10, 16, 18, 28),
            )
        )
    if held.not_understood:
        out.append(not_understood(held))
    return out


def not_understood(held: ContractHeld) -> Notice:
    """How many lines of a suite made elsewhere were not checked."""
    return Notice(
        f"{many(sum(held.not_understood.values()), 'line')} of the suite were not understood and not checked."
    )


def _check_label(c: CheckHeld) -> str:
    columns = " and ".join(c.columns) or "the table"
    return f"{columns}: {c.kind.replace('_', ' ')}"


def _groups(c: CheckHeld) -> str:
    lines = []
    for a in c.apart[:2]:
        rate = {g.group: g for g in c.by_group if g.attribute == a.attribute[:1]}
        high, low = rate.get(a.highest), rate.get(a.lowest)
        if high and low and high.share is not None and low.share is not None:
            text = (
                f"{words.share(high.share)} of {words.name_of(a.highest)}, {words.share(low.share)} of "
                f"{words.name_of(a.lowest)}; {words.p_words(a.p_adjusted)}"
            )
            lines.append(text)
    return "\n".join(lines) or "–"


def _stress(document: Stress | None) -> list[Block]:
    if document is None:
        return []
    s, t = document.serving, document.training
    out = [*fed(document), *_table("What the model is fed", s.entries, True), *learned(document)]
    return [*out, *_table("What the model learned from", t.entries, False)] if t.measured else out


def fed(document: Stress) -> list[Block]:
    """How it was searched what the model is fed."""
    s, budget = document.serving, words.share(document.asked.budget)
    return [
        Heading("Data that comes in wrong"),
        Paragraph(
            f"The model stays as it is, and at most {budget} of what it is fed is wrong. "
            f"{many(s.candidates, 'combination')} of an error and of the people hit by it "
            f"{are(s.candidates, 'was', 'were')} looked at on "
            f"{many(s.searched_rows, 'row')}; the worst of each figure was then measured on "
            f"{many(s.reported_rows, 'other row')}, with a 95 % interval "
            f"over all of them. The group of a person is the true one. {WORST}."
        ),
    ]


def learned(document: Stress) -> list[Block]:
    """How it was searched what the model learned from, where it was."""
    t, head = document.training, Heading("Data that the model learned from was wrong")
    if not t.measured:
        return [head, Paragraph("It was not measured what wrong training data would do.")]
    return [
        head,
        Paragraph(
            f"{many(t.candidates, 'combination')} {are(t.candidates, 'was', 'were')} ranked on "
            f"{many(t.searched_rows, 'row')}, and {t.fits} of them "
            f"confirmed by fitting the model again; here are {many(t.reported_rows, 'clean row')} that none of "
            f"this used. {GIVEN_FITS}."
        ),
    ]


def _table(caption: str, entries: Sequence[Finding], noticing: bool) -> list[Block]:
    best = best_of(entries)
    out: list[Block] = []
    if best:
        rows = tuple(
            (
                words.capital(figure_name(e)),
                f"{words.number(e.before)} to {words.number(e.after)}\n"
                f"{words.signed(e.change)} {words.bracket(e.low, e.high, percent=False)}",
                words.number(e.random_worst),
                words.capital(words_of(e)) + f"\n({plausible(e)})",
                f"{e.rows:,} of {e.of:,}",
                *((words.capital(noticed(e)),) if noticing else ()),
            )
            for e in best[:MOST]
        )
        columns = ("Figure", "Now, then\n[95 %]", "Random errors reach", "The worst that was found", "Rows")
        widths = (16, 17, 10, 29, 10, 18) if noticing else (18, 20, 12, 36, 14)
        out.append(
            Table(
                caption,
                (*columns, "Noticed by") if noticing else columns,
                rows,
                "Random errors: as many random rows hit in the same way, at their worst. "
                + find.cut(len(best), "figures"),
                widths,
            )
        )
    if rest := nothing_worse(entries):
        out.append(Paragraph(rest))
    return out


def _whatif(document: Whatif | None) -> list[Block]:
    if document is None:
        return []
    aims, variants = document.aims, document.variants
    out: list[Block] = [
        Heading("How the pipeline could have been built"),
        Paragraph(
            f"{many(len(variants), 'variant')}, each measured on the same {many(document.data.measured_rows, 'row')}; "
            "differences are of the same people, and are held against chance over all variants and figures (Holm)."
        ),
    ]
    out += multiverse(document)
    lines = []
    for i, aim in enumerate(aims):
        clear = [v for v in variants if (p := v.figures[i].p_adjusted) is not None and p <= 0.05]
        clear.sort(key=lambda v: -abs(v.figures[i].change or 0.0))
        if clear:
            most = "; ".join(
                f"{words.truncate(v.variant, 60)} ({words.signed(v.figures[i].change)} "
                f"{words.bracket(v.figures[i].low, v.figures[i].high, percent=False)})"
                for v in clear[:3]
            )
            lines.append(
                f"{words.capital(figure_name(aim))}, {words.number(aim.base)}: {len(clear)} "
                f"{are(len(clear), 'moves', 'move')} it; most: {most}."
            )
    if lines:
        out += [Paragraph("What clearly moves a figure:"), Points(tuple(lines))]
    return out


def multiverse(document: Whatif) -> list[Block]:
    """Of each norm, how many of the pipelines that could have been built are inside it."""
    rows = tuple(
        (
            words.capital(figure_name(m)),
            words.number(m.limit),
            f"{m.inside} of {m.variants}",
            words.number(m.shipped),
            "–" if m.better_than_shipped is None else f"{m.better_than_shipped} of {m.variants}",
        )
        for m in document.multiverse
    )
    note = "Variants of what comes in are not counted here: nobody chooses them."
    heads = ("Norm", "Limit", "Inside it", "The shipped one", "Better than that")
    return (
        [Table("Of the pipelines that could have been built", heads, rows, note, (36, 12, 16, 18, 18))] if rows else []
    )
