"""The board's page: one page of sentences. Who is affected, how wide the gaps are, what was tried, what got worse.

Names are cut here, and lists end early, so that it stays one page; the chapters behind carry everything.
"""

from __future__ import annotations

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.documents.mitigation import Change, Mitigation
from audit.findings import NormResult, turned_words
from audit.sizes import measured, rows_behind, unit, weighed
from audit.values import Gap, Rate
from reports import words
from reports.about import SAME
from reports.blocks import Block, Heading, Key, Keys, Lead, Notice, Paragraph, Points, Section, Sources
from reports.sections import find

MOST, FULL = 3, 2
"""Attributes with a figure of their own, and those of them with sentences of their own."""
NAME = 34


def section(sources: Sources) -> Section:
    """The page; it ends with the decision that is asked for."""
    evidence = sources.evidence
    blocks: list[Block] = [
        Lead(_opening(evidence)),
        *_model_notices(evidence),
        *_keys(evidence),
        Heading("Who is affected"),
        Points(tuple(_affected(evidence))),
        Heading("Where the norms stand"),
        Paragraph(_norms(evidence)),
        Heading("What was tried, and what got worse"),
        *_tried(sources),
        Heading("What cannot be said"),
        Points(tuple(_unsaid(sources))),
        Heading("What you are asked to decide"),
        Paragraph(_asked(sources)),
    ]
    return Section("board", "For the board: one page", tuple(blocks))


def _name(group: Names | None) -> str:
    return words.short(words.name_of(group), NAME)


def _names(gap: Gap) -> tuple[str, str]:
    """The highest and the lowest group of a gap, cut so that they can be told apart."""
    return words.apart(words.name_of(gap.highest), words.name_of(gap.lowest), NAME)


def _attribute(attribute: Names) -> str:
    return words.short(words.by(attribute), NAME)


def _opening(evidence: Evidence) -> str:
    data = evidence.data
    purpose = words.short(evidence.case.purpose, 150).rstrip(".")
    everyone = find.rate(evidence, "selection_rate", (), ())
    text = " ".join((f"{purpose}. {measured(data)} were measured.", weighed(data))).strip()
    if everyone and everyone.estimable:
        text += (
            f" {words.share(everyone.value)} of them ({words.interval(everyone.low, everyone.high)}) "
            f"received the favourable decision, “{words.short(str(data.favourable), NAME)}”."
        )
    return text


MOST_NOTICES, NOTICE = 3, 260


def _model_notices(evidence: Evidence) -> list[Block]:
    """What must be known of the model before any figure is read: which rule decides, consent, scores turned round."""
    turned = turned_words(evidence.rates)
    said = [*([turned] if turned else []), *dict.fromkeys(evidence.model.notes or ())]
    blocks: list[Block] = [Notice(words.short(n, NOTICE)) for n in said[:MOST_NOTICES]]
    if len(said) > MOST_NOTICES:
        blocks.append(
            Notice(f"{_many(len(said) - MOST_NOTICES, 'more notice')} about the model: see the data chapter.")
        )
    return blocks


def _widest(evidence: Evidence) -> list[Names]:
    """The attributes that the page has room for: those of the widest gaps, in the order of the case."""
    alone = find.attributes(evidence, alone=True)

    def width(attribute: Names) -> float:
        gap = find.gap(evidence, "selection_rate", attribute)
        return -1.0 if gap is None or gap.value is None else float(gap.value)

    kept = sorted(alone, key=lambda a: -width(a))[:MOST]
    return [a for a in alone if a in kept]


def _keys(evidence: Evidence) -> list[Block]:
    items = []
    for attribute in _widest(evidence):
        gap = find.gap(evidence, "selection_rate", attribute)
        if gap is None or gap.value is None:
            continue
        high, low = _ends(evidence, attribute, gap)
        top, bottom = _names(gap)
        items.append(
            Key(
                f"Apart by {_attribute(attribute)}",
                words.width(gap),
                f"95 % interval {words.span(gap)}\n"
                f"{bottom}: {words.share(low.value)}\n"
                f"{top}: {words.share(high.value)}",
            )
        )
    return [Keys(tuple(items))] if items else []


def _ends(evidence: Evidence, attribute: Names, gap: Gap) -> tuple[Rate, Rate]:
    high = find.rate(evidence, gap.metric, attribute, gap.highest or ())
    low = find.rate(evidence, gap.metric, attribute, gap.lowest or ())
    if high is None or low is None:
        raise KeyError(f"the groups of the gap by {words.by(attribute)}")
    return high, low


def _affected(evidence: Evidence) -> list[str]:
    if evidence.regression is not None:
        return list(evidence.findings[:4])
    out = []
    shown = _widest(evidence)
    for attribute in shown[:FULL]:
        gap = find.gap(evidence, "selection_rate", attribute)
        if gap is None or gap.value is None:
            reason = gap.reason if gap else "not measured"
            out.append(f"By {_attribute(attribute)}, groups cannot be compared: {reason}.")
            continue
        out.append(_compared(evidence, attribute, gap))
    crossed = [a for a in find.printed(evidence) if len(a) > 1]
    gaps = [g for a in crossed if (g := find.gap(evidence, "selection_rate", a)) and g.value is not None]
    if gaps:
        g = max(gaps, key=lambda g: g.value or 0.0)
        top, bottom = _names(g)
        out.append(
            f"By {_attribute(g.attribute)} together the widest gap is {words.points(g)}, between {bottom} and {top}."
        )
    more = len(find.attributes(evidence, alone=True)) - len(shown)
    if more:
        out.append(f"{_many(more, 'more attribute')} measured, with narrower gaps: see the chapters behind.")
    return out


def _compared(evidence: Evidence, attribute: Names, gap: Gap) -> str:
    """Two groups, their rates, the gap, what chance could do, and how many people it comes to."""
    high, low = _ends(evidence, attribute, gap)
    fewest = find.people(evidence, attribute, low.group) or rows_behind(low)
    most = find.people(evidence, attribute, high.group) or rows_behind(high)
    top, bottom = _names(gap)
    text = (
        f"By {_attribute(attribute)}: of {words.count(fewest)} {unit(evidence.data)} in the group {bottom}, "
        f"{words.share(low.value)} received the favourable decision (95 % interval "
        f"{words.interval(low.low, low.high)}). Of {words.count(most)} in the group {top}, "
        f"{words.share(high.value)} did ({words.interval(high.low, high.high)})."
    )
    return text + _by_chance(gap) + _short(evidence, attribute, gap) + _merit(evidence, attribute)


def _by_chance(gap: Gap) -> str:
    """The raw p-value of the two groups as a share of audits, then what adjusting makes of it."""
    if gap.idle:
        return f" {words.capital(gap.idle)}."
    if not gap.pairs:
        return _together(gap)
    text = (
        f" If these two groups were alike, they would be so far apart {words.chance(gap.pair_p_value)} "
        f"({words.p_words(gap.pair_p_adjusted)}, adjusted for {_many(gap.pairs_family or 0, 'pair')} of groups)."
    )
    if gap.pair_p_adjusted is not None and gap.pair_p_adjusted >= 0.05:
        text += " So it may be chance."
    if gap.pairs > 1:
        text += _together(gap)
    return text


def _together(gap: Gap) -> str:
    p = words.p_words(gap.p_adjusted)
    return f" All groups tested together: {p}, adjusted for {gap.family} comparisons."


def _short(evidence: Evidence, attribute: Names, gap: Gap) -> str:
    """How many more people it comes to, with the interval of these two groups."""
    found = find.one(evidence.pairs, metric=gap.metric, attribute=attribute, higher=gap.highest, lower=gap.lowest)
    if found is None or found.shortfall is None or found.low <= 0:
        return ""
    top, bottom = _names(gap)
    of = "of" if unit(evidence.data) == "people" else "rows of"
    a, b, c = (found.shortfall, found.shortfall_low, found.shortfall_high)
    return f" At the rate of {top}, about {a:,.0f} more {of} {bottom} would have received it ({b:,.0f} to {c:,.0f})."


def _merit(evidence: Evidence, attribute: Names) -> str:
    merit = find.gap(evidence, "equal_opportunity", attribute)
    if merit is None or merit.value is None:
        return ""
    top, bottom = _names(merit)
    return (
        f" Among those whose outcome merits it, the widest gap is {words.width(merit)} ({words.span(merit)}): "
        f"{bottom} receive it least often, {top} most often.{_maybe(merit)}"
    )


def _maybe(gap: Gap) -> str:
    """Said where the interval of the two groups holds nought: the board is not to take such a gap for a finding."""
    low = words.ends(gap)[0]
    return " That may be chance." if low is not None and low <= 0 else ""


def _norms(evidence: Evidence) -> str:
    norms = evidence.norms
    version = evidence.policy.version
    if not norms:
        return f"Policy {version} has no norm for the attributes of this case."
    n = {s: [x for x in norms if x.status == s] for s in ("outside", "undecided", "inside", "not_estimable")}
    text = (
        f"Policy {version} sets {_many(len(norms), 'norm')} here. Over the whole interval, {len(n['outside'])} "
        f"{'is' if len(n['outside']) == 1 else 'are'} outside and {len(n['inside'])} inside. For {len(n['undecided'])} "
        "the data cannot tell."
    )
    if n["not_estimable"]:
        text += f" {len(n['not_estimable'])} cannot be estimated."
        idle = next((g.idle for g in evidence.gaps if g.idle and g.metric == "selection_rate"), None)
        text += f" {words.capital(idle)}." if idle else ""
    if n["outside"]:
        named = "; ".join(_norm(x) for x in n["outside"][:FULL])
        rest = len(n["outside"]) - FULL
        text += f" Outside: {named}{f'; and {rest} more' if rest > 0 else ''}."
        if any(words.span(x) != words.span(g) for x in n["outside"][:FULL] if (g := _named(evidence, x)) is not None):
            text += " These intervals are of the widest gap, whichever groups it lies between."
    return text


def _named(evidence: Evidence, norm: NormResult) -> Gap | None:
    """The gap of a norm as the chapters print it, with the interval of the two groups that are named."""
    return find.gap(evidence, norm.metric, norm.attribute, norm.kind)


def _norm(n: NormResult) -> str:
    limit = f"{100 * n.limit:g} points" if n.kind == "difference" else f"{n.limit:g}"
    bound = "at most" if n.kind == "difference" else "at least"
    kind = "" if n.kind == "difference" else " (ratio)"
    return (
        f"{words.metric(n.metric)}{kind} by {_attribute(n.attribute)}, {words.width(n)} [{words.span(n)}] where "
        f"{bound} {limit} is set"
    )


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _tried(sources: Sources) -> list[Block]:
    m = sources.mitigation
    of = unit(sources.evidence.data)
    if m is None:
        return [Notice("No mitigation has been tried. The report shows the decision as it is.")]
    blocks: list[Block] = [Points((_trial(m, of), _worse(m), *_flips(m, of)))]
    if m.needs_sensitive_at_decision:
        blocks.append(Notice(str(m.notice)))
    decision = m.decision
    if decision:
        word = "accepted" if decision.accepted else "rejected"
        reason = words.short(str(decision.reason), 200)
        blocks.append(Paragraph(f"{words.short(str(decision.by), NAME)} {word} this candidate: {reason}"))
    else:
        blocks.append(Paragraph("Nobody has accepted or rejected this candidate yet."))
    return blocks


def _trial(m: Mitigation, of: str) -> str:
    """What was tried, what it did to the gaps aimed at, what it cost in accuracy."""
    arms, aim = m.arms, m.constraint
    people = words.part(m.splits, "test", m.notes)
    text = f"{m.title} was tried, and measured on {people} {of} that neither model learned from."
    parts = []
    for entry in aim.by:
        before = find.gap(arms.original, aim.metric, entry.attribute)
        if len(entry.attribute) > 1 or entry.value is None or before is None or before.value is None:
            continue
        parts.append(
            f"by {_attribute(entry.attribute)} from {100 * before.value:.1f} to {100 * entry.value:.1f} "
            f"points [{words.span(entry)}]"
        )
    if parts:
        text += f" The gap in {words.metric(aim.metric)} went {', '.join(parts[:MOST])}."
        if aim.met is not None:
            text += f" The aim, {100 * aim.tolerance:g} points everywhere, was {'' if aim.met else 'not '}reached."
    was, now = (find.rate(arms[k], "accuracy", (), ()) for k in ("original", "candidate"))
    if was and now and was.estimable and now.estimable:
        text += (
            f" Accuracy went from {words.share(was.value)} to {words.share(now.value)} "
            f"({words.interval(now.low, now.high)})."
        )
    return text


def _worse(m: Mitigation) -> str:
    clear = [c for c in m.changes if c.worse and c.clear]
    if not clear:
        return "No figure got worse by more than chance explains."
    worst = "; ".join(change_words(c, NAME) for c in clear[:2])
    return f"{_many(len(clear), 'figure')} got worse by more than chance explains. The worst: {worst}."


def change_words(c: Change, most: int = 60) -> str:
    """positive predictive value in the group Female, 78.1 to 64.7 % (95 % interval of the change ... points)."""
    plain = c.kind == "ratio" or c.metric in words.SCORES
    name = words.metric(c.metric)
    if c.kind == "rate":
        what = f"{name}, group {words.short(words.name_of(c.group), most)}"
    else:
        kind = "gap" if c.kind == "difference" else "ratio"
        what = f"{kind} in {name} by {words.short(words.by(c.attribute), most)}"
    if plain:
        text = f"{what}, {words.number(c.before)} to {words.number(c.after)}"
        ends = (words.signed(c.low), words.signed(c.high))
    else:
        unit = "%" if c.kind == "rate" else "points"
        text = f"{what}, {100 * c.before:.1f} to {100 * c.after:.1f} {unit}"
        ends = (_points(c.low), _points(c.high))
    return text if c.low is None else f"{text} (interval of the change {ends[0]} to {ends[1]})"


def _points(value: float | None) -> str:
    return words.signed(None if value is None else 100 * value, 1)


def _flips(m: Mitigation, of: str) -> list[str]:
    everyone = find.one(m.flips, attribute=())
    if everyone is None:
        return []
    text = (
        f"Of {everyone.rows:,} {of}, {everyone.to_favourable:,} would newly receive the favourable decision "
        f"and {everyone.to_unfavourable:,} would lose it."
    )
    groups = [f for f in m.flips if len(f.attribute) == 1 and f.to_unfavourable is not None]
    if groups and everyone.to_unfavourable:
        hit = max(groups, key=lambda f: f.to_unfavourable)
        text += f" Of those who would lose it, {hit.to_unfavourable:,} are in the group {_name(hit.group)}."
    return [text]


def _unsaid(sources: Sources) -> list[str]:
    evidence = sources.evidence
    out = ["Whether a gap is justified, and what caused it. That needs reasons from outside these data."]
    missing = [r for r in evidence.rates if not r.estimable]
    if missing:
        groups = list(dict.fromkeys(_name(r.group) for r in missing))
        shown = ", ".join(groups[:3]) + (" and others" if len(groups) > 3 else "")
        out.append(f"{_many(len(missing), 'rate')} cannot be estimated, for {shown}. Each table says why.")
    out += _unknown(evidence)
    if evidence.data.label is None:
        out.append("Whether decisions were right: the data hold no outcomes.")
    else:
        out.append(
            "How things stand for people whose outcome was never seen. Where outcomes are known only for those "
            "accepted, error rates speak of those alone."
        )
    if sources.explain is None or not sources.explain.overall:
        out.append("What led to the decisions: no explanation was made.")
    return out


def _unknown(evidence: Evidence) -> list[str]:
    """Where the group of many is not known: what the gap could be."""
    found = [
        e
        for e in (evidence.bounds.unknown_group if evidence.bounds else ())
        if (e.metric, e.kind) == ("selection_rate", "difference") and e.attribute in _widest(evidence)
    ]
    if not found:
        return []
    e = max(found, key=lambda e: (e.high or 0.0) - (e.low or 0.0))
    return [
        f"By {_attribute(e.attribute)}, the group of {e.unknown:,} of {e.of:,} {unit(evidence.data)} is "
        f"not known. Whatever it is, the gap of {words.width(e)} lies between {words.span(e)}."
    ]


def _asked(sources: Sources) -> str:
    members, quorum = sources.manifest.members, sources.manifest.quorum
    text = (
        "Whether the decision may go on as it is, may go on with conditions, or may not go on. A member approves or "
        "rejects by signing at the end, with a reason; conditions and dissent are kept. No figure decides this for you."
    )
    if members:
        text += f" {_many(quorum, 'approval')} of {len(members)} {'is' if quorum == 1 else 'are'} needed."
    else:
        text += " No board member is named in this report."
    return text + _before(sources)


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
