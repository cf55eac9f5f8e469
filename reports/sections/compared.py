"""Compared with the earlier audit: what is the same, what changed, and what got worse first."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.evidence import Evidence
from audit.numbers import many
from reports import words
from reports.blocks import Block, Lead, Notice, Paragraph, Section, Sources, Table
from reports.compare import Change, changes, mix_and_rate, same_people

MOST, DIGITS = 16, 16


def section(sources: Sources) -> Section | None:
    """The chapter, or None where nothing was compared."""
    if not sources.earlier:
        return None
    blocks = between(sources.evidence, sources.earlier, sources.said.earlier_unchecked)
    return Section("compared", "Compared with the earlier audit", blocks)


def between(now: Evidence, before: Evidence, unchecked: Sequence[str] = ()) -> tuple[Block, ...]:
    """Two audits side by side."""
    same = [("Case", now.case.name, before.case.name)]
    same += [
        (part, _digest_head(a.sha256), _digest_head(b.sha256))
        for part, a, b in (
            ("Data", now.data, before.data),
            ("Model", now.model, before.model),
            ("Policy", now.policy, before.policy),
        )
    ]
    rows = tuple((name, "the same" if a == b else "changed", str(b), str(a)) for name, a, b in same)
    entries = changes(now, before)
    paired = same_people(now, before)
    gaps, rates = [c for c in entries if not c.group], [c for c in entries if c.group]
    blocks: list[Block] = [
        Lead(_lead(gaps, rates, paired)),
        Table(
            "What the two audits rest on",
            ("What", "Is", "Earlier", "Now"),
            rows,
            f"The first {DIGITS} digits of each SHA-256; evidence.json and earlier-evidence.json have them whole.",
            (12, 14, 37, 37),
        ),
    ]
    if paired:
        blocks.append(
            Notice(
                "Both audits are of the same people. An interval of the change would need each person's two decisions "
                "side by side; the counts do not hold them, so none is given."
            )
        )
    if unchecked:
        blocks.append(
            Notice(
                "The earlier report was verified only in part when this one was made. No check of it failed; not "
                f"checked whole: {', '.join(map(str, unchecked))}."
            )
        )
    blocks += _norms(now, before)
    blocks += _table(
        "Gaps: clear changes first, then those that grew most",
        sorted(gaps, key=lambda c: (not c.clear, -c.change, c.metric, c.attribute)),
    )
    blocks += _table(
        "Rates by group, the clearest changes first" if not paired else "Rates by group, the largest changes first",
        sorted(rates, key=lambda c: (c.p_adjusted or 0.0, not c.excludes_nought, -abs(c.change))),
    )
    if mix := mix_and_rate(now, before):
        blocks.append(
            Table(
                "Change of everyone's share with the favourable decision, in points",
                ("By", "Change", "Decided otherwise within groups", "Other people came"),
                tuple((words.capital(words.by(a)), *(words.signed(100 * v, 2) for v in vs)) for a, *vs in mix),
                "The two parts add up to the change. They say where it sits, not what caused it.",
                (28, 18, 30, 24),
            )
        )
    return tuple(blocks)


def _digest_head(digest: str | None) -> str:
    return digest[:DIGITS] if digest else "none"


def _lead(gaps: list[Change], rates: list[Change], paired: bool) -> str:
    text = (
        f"{len(gaps)} {words.are(len(gaps), 'gap', 'gaps')} and {len(rates)} {words.are(len(rates), 'rate', 'rates')} "
    )
    text += f"{words.are(len(gaps) + len(rates))} in both audits."
    if paired or not (gaps or rates):
        return text
    counts = [sum(c.clear for c in part) for part in (gaps, rates)]
    if not any(counts):
        return text + " None changed clearly: chance alone could explain each change."
    parts = [many(n, what) for n, what in zip(counts, ("gap", "rate"), strict=True) if n]
    return text + f" {' and '.join(parts)} changed by more than chance explains."


def _norms(now: Evidence, earlier: Evidence) -> list[Block]:
    before = {(n.metric, n.kind, *n.attribute): n for n in earlier.norms}
    rows = []
    for n in now.norms:
        b = before.get((n.metric, n.kind, *n.attribute))
        if b is None:
            continue
        cells = [f"{words.number(x.value)} {words.bracket(x.low, x.high, percent=False)}\n{x.status}" for x in (b, n)]
        rows.append((f"{words.capital(words.metric(n.metric))}, {n.kind} by {words.by(n.attribute)}", *cells))
    if not rows:
        return [Paragraph("The two audits share no norm.")]
    return [Table("Each norm in both audits", ("Norm", "Earlier [95 %]", "Now [95 %]"), tuple(rows), "", (44, 28, 28))]


def _table(caption: str, entries: list[Change]) -> list[Block]:
    if not entries:
        return []
    rows = tuple(
        (
            f"{words.capital(words.metric(c.metric))}, {words.by(c.attribute)}"
            + (f": {words.name_of(list(c.group))}" if c.group else ""),
            _of(c.before, c.people and c.people[0]),
            _of(c.now, c.people and c.people[1]),
            f"{words.signed(c.change)} {words.bracket(c.low, c.high, percent=False) if c.low is not None else ''}",
            "–" if c.p_adjusted is None else words.p_words(c.p_adjusted),
        )
        for c in entries[:MOST]
    )
    more = f" The first {MOST} of {len(entries)} are printed." if len(entries) > MOST else ""
    tested = any(c.p_adjusted is not None for c in entries)
    note = "In brackets: people behind the rate." if any(c.people for c in entries) else ""
    note += " Adjusted (Holm) for all gaps and rates compared." if tested else ""
    note = (note + more).strip()
    columns = ("What", "Earlier", "Now", "Change [95 %]", "Adjusted p")
    return [Table(caption, columns, rows, note, (32, 15, 15, 24, 14))]


def _of(value: float, people: int | None) -> str:
    return words.number(value) + (f" ({people:,})" if people is not None else "")
