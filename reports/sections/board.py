"""Page 1, the decision: what is decided, who fares worse in people, how sure, the options side by side, what is asked.

Names are cut where they differ, and lists end early, so that it stays one page; the chapters behind carry everything.
Its sentences are for people who know no statistics: a test measures their reading grade.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.documents.mitigation import Mitigation
from audit.findings import NormResult, turned_words
from audit.load.forms import ABOUT
from audit.metrics import ACCURACY, EQUAL_OPPORTUNITY, SELECTION_RATE, TRUE_NEGATIVE_RATE, TRUE_POSITIVE_RATE
from audit.sizes import measured, unit
from audit.values import Gap, Pair
from reports import conditions, words
from reports.about import SAME
from reports.blocks import Block, Heading, Key, Keys, Lead, Notice, Paragraph, Points, Section, Sources, Table
from reports.conditions import plain
from reports.sections import find

MOST, FULL = 3, 2
"""Attributes with a figure of their own, and those of them with sentences of their own."""
NAME = 30
MOST_NORMS = 5
BOX = "\u2610"
LABELS = {
    "decided_by": "Who decides",
    "affected": "About whom",
    "system": "System",
    "version": "Version",
    "owner": "Owner",
    "period": "Data from",
    "contact": "Complaints",
}
assert set(LABELS) == set(ABOUT)


def section(sources: Sources) -> Section:
    """The page; it ends with the decision that is asked for and where to sign."""
    evidence = sources.evidence
    blocks: list[Block] = [
        Lead(opening(evidence)),
        Paragraph(_facts(evidence)),
        *_model_notices(evidence),
        *_keys(sources),
        Heading("Who fares worse, and how sure that is"),
        Points(tuple(worse_off(evidence))),
        Heading("What could not be seen"),
        Points(tuple(_unseen(sources))),
        *_options(sources),
        Heading("What you are asked"),
        Paragraph(_asked(sources)),
        _conditions(sources),
        *_sign(sources),
    ]
    return Section("board", "For the board: the decision on one page", tuple(blocks))


def _name(group: Names | None) -> str:
    return words.short(words.name_of(group), NAME)


def _pair(a: Names | None, b: Names | None) -> tuple[str, str]:
    """Two groups, cut so that they can be told apart."""
    x, y = words.apart(words.name_of(a), words.name_of(b), NAME)
    return f"“{x}”", f"“{y}”"


def _attribute(attribute: Names) -> str:
    return words.short(words.by(attribute), NAME)


def opening(evidence: Evidence) -> str:
    """What is decided, about how many, and how many get it."""
    data = evidence.data
    text = f"{words.short(evidence.case.purpose, 150).rstrip('.')}. {measured(data)} were looked at."
    everyone = find.rate(evidence, SELECTION_RATE, (), ())
    if everyone and everyone.estimable:
        text += (
            f" {of_100(everyone.value)} of 100 got “{words.short(str(data.favourable), NAME)}”, the answer that "
            "is good for the person. Below, “get it” means that."
        )
    if data.weight:
        text += " Shares are of the people whom these stand for."
    return text


def of_100(share: float | None) -> str:
    """Of 100 people: 8; below 1 and above 99 with one decimal."""
    n = 100 * (share or 0.0)
    return f"{n:.1f}" if 0 < n < 1 or 99 < n < 100 else f"{n:.0f}"


def _facts(evidence: Evidence) -> str:
    case = evidence.stated
    here = [
        f"{LABELS[k]}: {words.short(str(case[k]).rstrip('.'), 90)}." for k in LABELS if k in case and k != "contact"
    ]
    missing = [LABELS[k].lower() for k in LABELS if k not in case and k != "contact"]
    return " ".join([*here, f"Not stated: {', '.join(missing)}." if missing else ""]).strip()


MOST_NOTICES, NOTICE = 2, 220


def _model_notices(evidence: Evidence) -> list[Block]:
    """What must be known of the model before any figure is read: which rule decides, consent, scores turned round."""
    turned = turned_words(evidence.rates)
    said = [*([turned] if turned else []), *dict.fromkeys(evidence.model.notes or ())]
    blocks: list[Block] = [Notice(words.unquoted(words.short(n, NOTICE))) for n in said[:MOST_NOTICES]]
    if len(said) > MOST_NOTICES:
        blocks.append(
            Notice(f"{_many(len(said) - MOST_NOTICES, 'more notice')} about the model: see the data chapter.")
        )
    return blocks


def _widest(evidence: Evidence) -> list[Names]:
    """The attributes that the page has room for: those of the widest gaps, in the order of the case."""
    alone = find.attributes(evidence, alone=True)

    def width(attribute: Names) -> float:
        gap = find.gap(evidence, SELECTION_RATE, attribute)
        return -1.0 if gap is None or gap.value is None else float(gap.value)

    kept = sorted(alone, key=lambda a: -width(a))[:MOST]
    return [a for a in alone if a in kept]


def most_people(evidence: Evidence, attribute: Names) -> Pair | None:
    """The pair of groups in which most people fare worse than chance explains; None where there is none."""
    found = [
        p
        for p in find.every(evidence.pairs, metric=SELECTION_RATE, attribute=attribute)
        if p.shortfall is not None and p.low is not None and p.low > 0
    ]
    return max(found, key=lambda p: p.shortfall or 0.0, default=None)


def _keys(sources: Sources) -> list[Block]:
    evidence = sources.evidence
    items = []
    for attribute in _widest(evidence):
        pair = most_people(evidence, attribute)
        if pair is None:
            continue
        top, bottom = _pair(pair.higher, pair.lower)
        items.append(
            Key(
                f"By {_attribute(attribute)}",
                f"{pair.shortfall:,.0f} {unit(evidence.data)}",
                f"more in {bottom} would get it\nat the rate of {top}\n(95 % sure: {_ends(pair)})",
            )
        )
    return [Keys(tuple(items))] if items else []


def _ends(pair: Pair) -> str:
    return f"{pair.shortfall_low:,.0f} to {pair.shortfall_high:,.0f}"


def worse_off(evidence: Evidence) -> list[str]:
    """Per attribute: of 100 of each group, how many get it; of those who merit it; how sure."""
    if evidence.regression is not None:
        return [words.unquoted(f) for f in evidence.findings[:4]]
    out = []
    shown = _widest(evidence)
    for attribute in shown[:FULL]:
        gap = find.gap(evidence, SELECTION_RATE, attribute)
        if gap is None or gap.value is None:
            out.append(
                f"By {_attribute(attribute)}, groups cannot be compared: {gap.reason if gap else 'not measured'}."
            )
            continue
        out.append(_compared(evidence, attribute, gap))
    crossed = [a for a in find.printed(evidence) if len(a) > 1]
    gaps = [g for a in crossed if (g := find.gap(evidence, SELECTION_RATE, a)) and g.value is not None]
    if gaps:
        g = max(gaps, key=lambda g: g.value or 0.0)
        top, bottom = _pair(g.highest, g.lowest)
        out.append(
            f"By {_attribute(g.attribute)} taken together, {bottom} and {top} are furthest apart: {words.width(g)}."
        )
    more = len(find.attributes(evidence, alone=True)) - min(len(shown), FULL)
    if more:
        out.append(f"{_many(more, 'more attribute')} measured: see the chapters behind.")
    return out


def _compared(evidence: Evidence, attribute: Names, gap: Gap) -> str:
    high = find.rate(evidence, gap.metric, attribute, gap.highest or ())
    low = find.rate(evidence, gap.metric, attribute, gap.lowest or ())
    if high is None or low is None:
        raise KeyError(f"the groups of the gap by {words.by(attribute)}")
    top, bottom = _pair(gap.highest, gap.lowest)
    text = (
        f"By {_attribute(attribute)}: of 100 in {bottom}, {of_100(low.value)} get it; of 100 in {top}, "
        f"{of_100(high.value)}. The gap is {words.width(gap)} (95 % sure: {words.span(gap)})."
    )
    return text + _sure(gap) + _merit(evidence, attribute)


def _sure(gap: Gap) -> str:
    """What chance could do, from the adjusted p-value of the two groups, or of all of them."""
    if gap.idle:
        return f" {words.capital(gap.idle)}."
    p = gap.pair_p_adjusted if gap.pairs else gap.p_adjusted
    if p is None:
        return ""
    if p >= 0.05:
        low = words.ends(gap)[0]
        if low is None or low <= 0:
            return " It may be chance."
        return " By itself it is hardly chance; among so many pairs of groups looked at, it may be."
    return " It is hardly chance." if p >= 0.001 else " Chance alone would almost never do that."


def _merit(evidence: Evidence, attribute: Names) -> str:
    merit = find.gap(evidence, EQUAL_OPPORTUNITY, attribute)
    if merit is None or merit.value is None:
        return ""
    data = evidence.data
    metric = TRUE_POSITIVE_RATE if data.positive == data.favourable else TRUE_NEGATIVE_RATE
    low, high = (find.rate(evidence, metric, attribute, g or ()) for g in (merit.lowest, merit.highest))
    if low is None or high is None or low.value is None or high.value is None:
        return ""
    top, bottom = _pair(merit.highest, merit.lowest)
    maybe = words.ends(merit)[0]
    return (
        f" Of 100 who merit it, {of_100(1 - low.value)} in {bottom} go without, and {of_100(1 - high.value)} in "
        f"{top}." + (" That may be chance." if maybe is not None and maybe <= 0 else "")
    )


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _unseen(sources: Sources) -> list[str]:
    evidence = sources.evidence
    out = ["Why groups are apart, and whether that is right. Figures alone cannot say."]
    out += _unknown(evidence)
    if evidence.data.label is None:
        out.append("Whether decisions were right: what became of the people is not in the data.")
    else:
        out.append("How people fare whose outcome nobody saw, such as those who were refused.")
    known = evidence.data.label is not None
    short = [r for r in evidence.rates if not r.estimable and (known or r.metric == SELECTION_RATE)]
    small = list(dict.fromkeys(_name(r.group) for r in short))
    if small:
        named = ", ".join(small[:2]) + (f" and {len(small) - 2} more" if len(small) > 2 else "")
        out.append(f"Some figures of groups with few people: {named}.")
    if sources.explain is None or not sources.explain.overall:
        out.append("What led to the decisions: no one has looked into that.")
    return out


def _unknown(evidence: Evidence) -> list[str]:
    """Where the group of some is not known: of how many, and what the gap could be."""
    return [
        f"The {words.short(name, NAME)} of {n:,} of {of:,} {unit(evidence.data)} is not known." + _bound(evidence, name)
        for name, n, of in conditions.unknown_of(evidence)[:1]
    ]


def _bound(evidence: Evidence, attribute: str) -> str:
    found = find.one(
        evidence.bounds.unknown_group if evidence.bounds else (),
        metric=SELECTION_RATE, kind="difference", attribute=(attribute,),
    )  # fmt: skip
    return "" if found is None else f" If it were, the gap could be anything from {words.span(found)} points."


def _options(sources: Sources) -> list[Block]:
    """Each norm of the policy for what stands today and for each option, worst first; what is won and lost."""
    evidence, m = sources.evidence, sources.mitigation
    norms = evidence.norms
    version = words.short(str(evidence.policy.version), NAME)
    if not norms:
        return [Paragraph(f"Policy {version} sets no limit for these groups.")]
    arms: list[tuple[str, tuple[NormResult, ...], find.Measured]] = [("Go on as it is", norms, evidence)]
    if m is not None:
        arms = [
            (title, arm.norms, arm)
            for title, arm in (
                ("Go on as it is", m.arms.original),
                ("Only move the threshold", m.arms.matched),
                (f"Candidate: {words.short(str(m.title), 26)}", m.arms.candidate),
            )
            if arm
        ]
    order = {"outside": 0, "undecided": 1, "not_estimable": 2, "inside": 3}
    known = [n for n in arms[0][1] if n.value is not None]
    shown = sorted(known, key=lambda n: (order[n.status], n.metric != SELECTION_RATE, n.kind != "difference"))
    rows = [
        (
            f"{words.capital(plain(n.metric))}, {'gap' if n.kind == 'difference' else 'ratio'} by "
            f"{_attribute(n.attribute)}: {_limit(n)}",
            *(_stand(find.one(found, metric=n.metric, attribute=n.attribute, kind=n.kind)) for _, found, _ in arms),
        )
        for n in shown[:MOST_NORMS]
    ]
    rows += [_right([arm for _, _, arm in arms])] if len(arms) > 1 else []
    rest = len(norms) - len(shown[:MOST_NORMS])
    behind = f" {_many(rest, 'more limit')}: see the chapters behind." if rest else ""
    note = f"{evidence.policy.words} 95 % range in brackets.{behind}"
    heads = ("What is asked of it", *(title for title, _, _ in arms))
    widths = {1: (56, 44), 2: (40, 30, 30), 3: (34, 22, 22, 22)}[len(arms)]
    out: list[Block] = [Table("The options side by side", heads, tuple(rows), note, widths)]
    if m is None:
        out.append(Paragraph("No other way was tried: there is nothing to choose beside it."))
        return out
    people = words.part(m.splits, "test", m.notes)
    out.append(
        Paragraph(f"Measured on {people} {unit(evidence.data)} that no option learned from.{_flips(m)}{_chosen(m)}")
    )
    return [*out, *_reads_groups(sources)]


def _reads_groups(sources: Sources) -> list[Block]:
    """Said loudly where the candidate needs to know each person's group when it decides."""
    m = sources.mitigation
    return [Notice(str(m.notice))] if m is not None and m.needs_sensitive_at_decision else []


def _limit(n: NormResult) -> str:
    return f"at most {100 * n.limit:g} points" if n.kind == "difference" else f"at least {n.limit:g}"


STANDS = {"outside": "OUTSIDE", "undecided": "cannot tell", "inside": "inside", "not_estimable": "cannot tell"}


def _stand(n: NormResult | None) -> str:
    if n is None or n.value is None:
        return "cannot tell"
    scaled = n.kind == "difference" and n.metric not in words.SCORES
    value = words.number(100 * n.value, 1) if scaled else words.number(n.value, 2)
    low, high = (
        (words.number(100 * v, 1) if scaled else words.number(v, 2)) if v is not None else "–" for v in (n.low, n.high)
    )
    return f"{value} [{low}, {high}] {STANDS[n.status]}"


def _right(arms: Sequence[find.Measured]) -> tuple[str, ...]:
    cells = []
    for arm in arms:
        found = find.rate(arm, ACCURACY, (), ())
        cells.append(
            f"{100 * found.value:.1f} of 100" if found and found.value is not None and found.estimable else "not known"
        )
    return ("How many decisions are right", *cells)


def _flips(m: Mitigation) -> str:
    everyone = find.one(m.flips, attribute=())
    if everyone is None:
        return ""
    gain, loss = everyone.to_favourable, everyone.to_unfavourable
    text = f" With the candidate, {gain:,} would newly get it and {loss:,} would lose it."
    clear = sum(bool(c.worse and c.clear) for c in m.changes)
    return text + (f" {_many(clear, 'figure')} would get worse by more than chance." if clear else "")


def _chosen(m: Mitigation) -> str:
    decision = m.decision
    if not decision:
        return " Nobody has accepted or rejected it yet."
    word = "accepted" if decision.accepted else "rejected"
    return f" {words.short(str(decision.by), NAME)} {word} it: {words.short(str(decision.reason), 120)}"


def _asked(sources: Sources) -> str:
    members, quorum = sources.manifest.members, sources.manifest.quorum
    text = f"{BOX} It may go on as it is.   {BOX} It may go on with these conditions.   {BOX} It may not go on."
    if members:
        text += f" {_many(quorum, 'approval')} of {len(members)} {'is' if quorum == 1 else 'are'} needed."
    return text + " No figure decides this for you." + _before(sources)


def _before(sources: Sources) -> str:
    """The board's earlier decisions on this case, counted; the table is in the chapter Signatures."""
    found = sources.said.register
    if not found:
        return ""
    approvals = sum(line.decision == "approve" for line in found)
    counted = f"{_many(approvals, 'approval')}, {_many(len(found) - approvals, 'rejection')}"
    text = f" Before, on this case: {counted}, the last on {max(str(line.when)[:10] for line in found)}."
    others = sum(line.on != SAME for line in found)
    return text + (f" {others} of them not known to be on this model and this data." if others else "")


def _conditions(sources: Sources) -> Block:
    asked = conditions.read(sources.manifest.extra.get("conditions", ()))
    if not asked:
        return Paragraph("No condition is proposed.")
    rows = tuple((f"{BOX} {c.number}", c.text, c.owner or "", c.due or "") for c in asked[: conditions.MOST])
    more = len(asked) - conditions.MOST
    note = f"{_many(more, 'more condition')} of earlier reports stand in the register." if more > 0 else ""
    return Table("Conditions to tick", ("No.", "Condition", "Owner", "By (day)"), rows, note, (8, 58, 20, 14))


def _sign(sources: Sources) -> list[Block]:
    day = dt.date.fromisoformat(sources.said.review) if sources.said.review else None
    when = "" if day is None else words.date(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))
    text = f"Day of review: {when}." if when else "Day of review: to be set."
    if sources.manifest.members:
        return [Paragraph(f"{text} Members sign in the chapter Signatures, each with a reason.")]
    empty = (("\u00a0\n\u00a0", "", ""),)
    return [Paragraph(f"{text} No member is named in this report. Who decides signs here:"),
            Table("Signature", ("Name", "Date", "Signature"), empty, "", (34, 20, 46))]  # fmt: skip
