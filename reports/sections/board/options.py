"""Each norm of the policy for what stands today and for each option, side by side; what is won and lost."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.documents.mitigation import Mitigation
from audit.findings import NormResult
from audit.metrics import ACCURACY, SELECTION_RATE
from audit.numbers import brief, fixed, many
from audit.sizes import unit
from reports import words
from reports.blocks import Block, Notice, Paragraph, Sources, Table
from reports.conditions import everyday_words
from reports.sections import find
from reports.sections.board.said import NAME, named
from reports.sections.mitigation import turned

CANNOT = "cannot tell"
STANDS = {"outside": "OUTSIDE", "undecided": CANNOT, "inside": "inside", "not_estimable": CANNOT}


def options(sources: Sources, most: int) -> list[Block]:
    """Each norm of the policy for what stands today and for each option, worst first; what is won and lost."""
    evidence, m = sources.evidence, sources.mitigation
    norms = evidence.norms
    version = words.truncate(str(evidence.policy.version), NAME)
    if not norms:
        return [Paragraph(f"Policy {version} sets no limit for these groups.")]
    arms: list[tuple[str, tuple[NormResult, ...], find.Measured]] = [("Go on as it is", norms, evidence)]
    if m is not None:
        arms = [
            (title, arm.norms, arm)
            for title, arm in (
                ("Go on as it is", m.arms.original),
                ("Only move the threshold", m.arms.matched),
                (f"Candidate: {words.truncate(str(m.title), 26)}", m.arms.candidate),
            )
            if arm
        ]
    shown = _shown(arms[0][1], most)
    rows = [
        (
            f"{words.capital(everyday_words(n.metric))}, {'gap' if n.kind == 'difference' else 'ratio'} by "
            f"{named(evidence, n.attribute)}: {_limit(n)}",
            *(
                _stand(find.one(arm_norms, metric=n.metric, attribute=n.attribute, kind=n.kind))
                + _round(arms[0][2], arm, n)
                for _, arm_norms, arm in arms
            ),
        )
        for n in shown
    ]
    rows += [_right([arm for _, _, arm in arms])] if len(arms) > 1 else []
    rest = [n for n in norms if n not in shown]
    over = sum(n.status == "outside" for n in rest)
    where = f"{over or 'none'} of them {STANDS['outside']} today: see the chapters behind"
    behind = f" {many(len(rest), 'more limit')}, {where}." if rest else ""
    is_unclear = any(CANNOT in cell for row in rows for cell in row[1:])
    cannot = (
        f" “{words.capital(CANNOT)}” is about the limit: it lies within the range, or too few were measured."
        if is_unclear
        else ""
    )
    note = f"{evidence.policy.words} 95 % range in brackets.{cannot}{behind}"
    heads = ("What is asked of it", *(title for title, _, _ in arms))
    widths = {1: (56, 44), 2: (40, 30, 30), 3: (34, 22, 22, 22)}[len(arms)]
    out: list[Block] = [Table("The options side by side", heads, tuple(rows), note, widths)]
    if m is None:
        out.append(Paragraph(_untaken(sources)))
        return out
    people = words.part(m.splits.test, m.notes)
    out.append(
        Paragraph(
            f"Measured on {people} {unit(evidence.data)} whom no option has learned from."
            + _flips(evidence, m)
            + _chosen(m)
        )
    )
    return [*out, *_reads_groups(sources)]


def _untaken(sources: Sources) -> str:
    """Why nothing stands beside what there is."""
    if sources.search is None:
        return "No other way was tried: there is nothing to choose beside it."
    tried = many(len(sources.search.trials), "other way")
    return (
        f"{tried} of deciding {'was' if tried.startswith('1 ') else 'were'} tried in a search; nobody has picked one."
    )


def _shown(norms: Sequence[NormResult], most: int) -> list[NormResult]:
    """Those that the page has room for, worst first."""
    order = {"outside": 0, "undecided": 1, "not_estimable": 2, "inside": 3}
    known = [n for n in norms if n.value is not None]
    return sorted(known, key=lambda n: (order[n.status], n.metric != SELECTION_RATE, n.kind != "difference"))[:most]


def ranged(sources: Sources, most: int) -> list[Names]:
    """Attributes whose gap in who gets it stands in the table of options, with its range, as it was measured."""
    m, evidence = sources.mitigation, sources.evidence
    shown = _shown(m.arms.original.norms if m is not None and m.arms.original else evidence.norms, most)
    gaps = {n.attribute: n.value for n in shown if n.metric == SELECTION_RATE and n.kind == "difference"}
    measured = ((a, find.gap(evidence, SELECTION_RATE, a), value) for a, value in gaps.items())
    return [a for a, gap, value in measured if gap is not None and gap.value == value]


def _reads_groups(sources: Sources) -> list[Block]:
    """Said loudly where the candidate needs to know each person's group when it decides."""
    m = sources.mitigation
    return [Notice(str(m.notice))] if m is not None and m.needs_sensitive_at_decision else []


def _limit(n: NormResult) -> str:
    return f"at most {brief(100 * n.limit)} points" if n.kind == "difference" else f"at least {brief(n.limit)}"


def _stand(n: NormResult | None) -> str:
    if n is None or n.value is None:
        return CANNOT
    scaled = n.kind == "difference" and n.metric not in words.SCORES
    value = words.number(100 * n.value, 1) if scaled else words.number(n.value, 2)
    low, high = (
        (words.number(100 * v, 1) if scaled else words.number(v, 2)) if v is not None else "–" for v in (n.low, n.high)
    )
    return f"{value} [{low}, {high}] {STANDS[n.status]}"


def _round(before: find.Measured, arm: find.Measured, n: NormResult) -> str:
    """Said in the cell where those who were highest today would be lowest, beyond chance: the gap turned round."""
    return ", turned round" if turned(before, arm, n) else ""


def _right(arms: Sequence[find.Measured]) -> tuple[str, ...]:
    cells = []
    for arm in arms:
        rate = find.rate(arm, ACCURACY, (), ())
        cells.append(
            f"{fixed(100 * rate.value, 1)} of 100"
            if rate and rate.value is not None and rate.estimable
            else "not known"
        )
    return ("How many decisions are right", *cells)


def _flips(evidence: Evidence, m: Mitigation) -> str:
    everyone = find.one(m.flips, attribute=())
    if everyone is None:
        return ""
    gain, loss = everyone.to_favourable, everyone.to_unfavourable
    text = f" With the candidate, {gain:,} would newly get it and {loss:,} would lose it."
    worse = [c for c in m.changes if c.worse and c.clear]
    gaps = [c for c in worse if (c.metric, c.kind, c.group) == (SELECTION_RATE, "difference", None)]
    for c in [c for c in gaps if len(c.attribute) == 1][:2]:
        before, after = (words.number(100 * v, 1) for v in (c.before, c.after))
        text += f" The gap by {named(evidence, c.attribute)} in who gets it would grow from {before} to {after} points."
    return text + (f" {many(len(worse), 'figure')} would get worse by more than chance." if worse else "")


def _chosen(m: Mitigation) -> str:
    decision = m.decision
    if not decision:
        return " Nobody has accepted or rejected the candidate yet."
    word = "accepted" if decision.accepted else "rejected"
    return f" {words.truncate(str(decision.by), NAME)} {word} it: {words.truncate(str(decision.reason), 120)}"
