"""What was tried against the gaps: before, matched baseline, after; what got worse first; who is affected."""

from __future__ import annotations

from audit.documents.base import Names
from audit.documents.mitigation import ARMS, Arm, Change, Mitigation
from audit.findings import NormResult
from audit.metrics import (
    ACCURACY,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
    FALSE_POSITIVE_RATE,
    METRICS,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
)
from audit.numbers import brief, grouped, many
from audit.values import Gap, Rate
from debias.held import aim_words
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find, measures, search

MOST_CHANGES = 15
BASELINE = Paragraph(
    "The second column is the original model with nothing changed but its threshold, moved so that it "
    "selects as many as the candidate does; no outcome is looked at for that. A gain that it shares is a moved "
    "threshold, not mitigation."
)


def section(sources: Sources) -> Section:
    """The comparison on rows that neither model saw."""
    m = sources.mitigation
    searched = search.blocks(sources)
    if m is None:
        none = "No candidate has been compared with the original." if searched else "No mitigation has been tried."
        blocks: list[Block] = [Notice(none), *searched]
    else:
        blocks = [*_body(m), *searched]
    return Section("mitigation", "Mitigation", tuple(blocks))


def _body(m: Mitigation) -> list[Block]:
    train, validation, test = (words.part(n, m.notes) for n in (m.splits.train, m.splits.validation, m.splits.test))
    blocks: list[Block] = [
        Paragraph(
            f"Method: {m.title}. {m.words} Source: {m.source}. It learned from {train} rows, "
            f"choices were made on {validation}, and all figures here are of {test} rows that "
            f"neither model saw. Seed {m.seed}."
        )
    ]
    if m.needs_sensitive_at_decision:
        blocks.append(Notice(words.unquoted(str(m.notice))))
    blocks.append(_candidate_table(m))
    blocks.append(Paragraph(aim_words(m.constraint)))
    blocks.append(Heading("The norms, before and after"))
    blocks += judged_of(m)
    blocks.append(Heading("What got worse"))
    blocks += worse_of(m)
    blocks.append(Heading("Before and after"))
    blocks.append(arms_of(m))
    blocks.append(BASELINE)
    for attribute in find.printed(m.arms.original):
        blocks += _groups(m, attribute)
    blocks.append(Heading("Whose decision changes"))
    blocks.append(flips_of(m))
    blocks.append(Paragraph(decided(m)))
    blocks += [Notice(words.unquoted(n)) for n in m.notes]
    return blocks


def decided(m: Mitigation) -> str:
    """Who accepted or rejected the candidate, and why."""
    decision = m.decision
    if not decision:
        return "Nobody has accepted or rejected the candidate. Assay deploys nothing by itself."
    word = "accepted" if decision.accepted else "rejected"
    return f"{decision.by} {word} the candidate on {str(decision.time)[:10]}. Reason: {decision.reason}"


def _candidate_table(m: Mitigation) -> Table:
    """What the candidate was made with; lists of parameters stay in the evidence."""
    rows = [("Candidate, SHA-256", str(m.model.sha256)), ("Made by", f"{m.title} ({m.stage}-processing)")]
    rows.append(("Sensitive value needed to decide", "yes" if m.needs_sensitive_at_decision else "no"))
    for name, value in m.parameters.items():
        if isinstance(value, str | int | float):
            shown = _shown(value)
            rows.append((words.capital(name.replace("_", " ")), shown))
    return Table("What the candidate was made with", ("Item", "Value"), tuple(rows[:14]), "", (30, 70))


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value.replace("_", " ")
    return grouped(value) if abs(value) >= 1000 else brief(value, 4)


def arms_of(m: Mitigation, *, alone: bool = False) -> Table:
    """Original, baseline and candidate over everyone, and their gaps; alone: by single attributes only."""
    measured = m.arms.present()
    present = [(k, n) for k, n in ARMS.items() if k in measured]
    arms = [measured[k] for k, _ in present]
    rows: list[tuple[str, ...]] = [
        (words.capital(words.metric(name)), *(words.rate_cell(find.rate(a, name, (), ())) for a in arms))
        for name in (ACCURACY, SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)
    ]
    rows.append(("Threshold", *(words.number(a.threshold) for a in arms)))
    for name in (SELECTION_RATE, EQUAL_OPPORTUNITY, EQUALIZED_ODDS):
        for attribute in [a for a in find.printed(arms[0]) if len(a) == 1 or not alone]:
            gaps = [find.gap(a, name, attribute) for a in arms]
            label = f"Gap in {words.metric(name)} by {words.by(attribute)}"
            rows.append((label, *(_gap(g) for g in gaps)))
    return Table(
        "Original, baseline and candidate on untouched rows",
        ("Figure", *(words.capital(n) for _, n in present)),
        tuple(rows),
        "Each with its 95 % interval; rates with the people behind them. For every gap, smaller is less apart.",
        (31, *([69 // len(arms)] * len(arms))),
    )


def _gap(gap: Gap | None) -> str:
    if gap is None or gap.value is None:
        return "not estimable"
    return f"{words.width(gap)} {words.bracket(gap.low, gap.high)}"


RANK = ("inside", "undecided", "not_estimable", "outside")


def judged_of(m: Mitigation) -> list[Block]:
    """Every norm for what stands today and for each option, side by side: first what turned worse, or turned round."""
    arms = m.arms.present()
    by = {key: {(n.metric, n.kind, n.attribute): n for n in arm.norms} for key, arm in arms.items()}
    original, candidate = (by.get(key, {}) for key in ("original", "candidate"))
    keys = list(original)
    if not keys:
        return [measures.NO_NORM]
    worse = [k for k in keys if RANK.index(candidate[k].status) > RANK.index(original[k].status)]
    out: list[Block] = []
    if worse:
        named = "; ".join(_norm_words(original[k]) for k in worse)
        out.append(Notice(f"Against the original the candidate stands worse in {len(worse)}: {named}."))
    round_ = [sentence for k in keys if (sentence := turned_round(m, candidate[k]))]
    out += [Notice(" ".join(dict.fromkeys(round_)))] if round_ else []
    present = present_in(m)
    rows = tuple(
        (
            f"{_norm_words(original[k])}, {measures.limit_of(original[k])}",
            *(_judged_cell(by[arm][k], arms[arm]) for arm, _ in present),
        )
        for k in sorted(keys, key=lambda k: k not in worse)
    )
    version = m.policy.version if m.policy else ""
    note = f"Norms of policy {version}, on rows that no model saw. In brackets the 95 % interval, then who is lowest."
    heads = ("Norm", *(words.capital(n) for _, n in present))
    return [
        *out,
        Table(
            "Each norm of the policy, for every option", heads, rows, note, (31, *([69 // len(present)] * len(present)))
        ),
    ]


def turned_round(m: Mitigation, norm: NormResult) -> str:
    """A sentence where those who were highest under the original are lowest under the candidate, and beyond chance."""
    gaps = turned(m.arms.original, m.arms.candidate, norm) if norm.kind == "difference" else None
    if gaps is None:
        return ""
    was, now = gaps
    return (
        f"The gap in {words.metric(norm.metric)} by {words.by(norm.attribute)} turned round: "
        f"{words.name_of(was.highest)} had the most before, by {words.points(was)}, and has the least with the "
        f"candidate, by {words.points(now)}."
    )


def turned(before: find.Measured | None, after: find.Measured | None, norm: NormResult) -> tuple[Gap, Gap] | None:
    """The gap before and after, where those who were highest are lowest now, and beyond chance."""
    if before is None or after is None:
        return None
    was, now = (find.gap(a, norm.metric, norm.attribute) for a in (before, after))
    if was is None or now is None or not was.value or not now.value or was.highest is None:
        return None
    return (was, now) if was.highest == now.lowest and (now.low or 0.0) > 0 else None


def _norm_words(n: NormResult) -> str:
    return f"{words.capital(words.metric(n.metric))}, {n.kind}, by {words.by(n.attribute)}"


def _judged_cell(norm: NormResult, arm: Arm) -> str:
    if norm.value is None:
        return f"not estimable: {norm.reason}"
    gap = find.one(arm.gaps, metric=norm.metric, attribute=norm.attribute, kind=norm.kind)
    lowest = f", {words.name_of(gap.lowest)} lowest" if gap is not None and gap.lowest else ""
    ends = f" [{words.number(norm.low, 3)}, {words.number(norm.high, 3)}]"
    return f"{norm.status}: {words.number(norm.value, 3)}{ends}{lowest}{withheld(arm, norm)}"


def withheld(arm: Arm, gap: Gap | NormResult) -> str:
    """How many of the groups are not behind this gap, because they are too small to be shown; or nothing."""
    if gap.value is None:
        return ""
    row = METRICS.get(gap.metric)
    named = {m for parts in row.parts for m in parts} if row else set()
    mine = [r for r in arm.rates if r.attribute == gap.attribute and r.metric in (named or {gap.metric})]
    lacking = {r.group for r in mine if r.value is None}
    return f", without {len(lacking)} of {many(len({r.group for r in mine}), 'group')}" if lacking else ""


def worse_of(m: Mitigation, most: int = MOST_CHANGES) -> list[Block]:
    """The figures that got worse, the worst first."""
    worse = [c for c in m.changes if c.worse]
    if not worse:
        return [Paragraph("No measured figure got worse on these rows.")]
    clear = sum(bool(c.clear) for c in worse)
    note = "" if len(worse) <= most else f"{most} of {len(worse)} are printed; all are embedded."
    return [
        Paragraph(
            f"{many(len(worse), 'figure')} got worse, {clear} of them by more than chance explains: the interval "
            "of their change leaves out zero. Gaps are in points; a wider one is worse."
        ),
        Table(
            "Figures that got worse, the worst first",
            ("Figure", "Of", "Before", "After", "Change [95 %]", "Beyond chance"),
            tuple(_change(c) for c in worse[:most]),
            note,
            (26, 23, 11, 11, 19, 10),
        ),
    ]


def _change(c: Change) -> tuple[str, ...]:
    """One row; rates in percent, gaps in points, ratios and scores as they are."""
    plain = c.kind == "ratio" or c.metric in words.SCORES
    scale, digits = (1.0, 3) if plain else (100.0, 1)
    unit = "" if plain else " %" if c.kind == "rate" else " pts"

    def shown(value: float | None, sign: bool = False) -> str:
        to_text = words.signed if sign else words.number
        return to_text(None if value is None else scale * value, digits)

    ends = "" if c.low is None else f" [{shown(c.low)}, {shown(c.high)}]"
    kind = {"rate": "", "difference": ", gap", "ratio": ", ratio"}[c.kind]
    return (
        words.capital(words.metric(c.metric)) + kind,
        words.name_of(c.group) if c.group or not c.attribute else f"by {words.by(c.attribute)}",
        shown(c.before) + unit,
        shown(c.after) + unit,
        shown(c.delta, True) + ends,
        "yes" if c.clear else "no",
    )


def present_in(m: Mitigation) -> list[tuple[str, str]]:
    """The arms that were measured: key and name."""
    return [(k, n) for k, n in ARMS.items() if k in m.arms.present()]


def selected_by(m: Mitigation, attribute: Names) -> dict[str, dict[Names, Rate]]:
    """The selection rates of each arm by group."""
    arms = m.arms.present()
    return {
        k: {r.group: r for r in find.every(arms[k].rates, metric=SELECTION_RATE, attribute=attribute)}
        for k, _ in present_in(m)
    }


def groups_of(m: Mitigation, attribute: Names) -> Table:
    """Selection rates by group, an arm a column."""
    selected, present = selected_by(m, attribute), present_in(m)
    groups, shown = list(selected.get("original", ())), set(find.kept(m.arms.original, attribute))
    by = words.by(attribute)
    return Table(
        f"Selection rate by {by}, before and after: value, 95 % interval, count",
        ("Group", *(words.capital(n) for _, n in present)),
        tuple(
            (words.name_of(g), *(words.rate_cell(selected[k].get(g)) for k, _ in present)) for g in groups if g in shown
        ),
        find.cut(len(groups)),
        (25, *([75 // len(present)] * len(present))),
    )


def _groups(m: Mitigation, attribute: Names) -> list[Block]:
    table = groups_of(m, attribute)
    if len(attribute) > 1:
        return [table]
    selected, present, by = selected_by(m, attribute), present_in(m), words.by(attribute)
    arms = m.arms.present()
    rates = list(selected.get("original", {}).values())
    groups = [tuple(r.group) for r in find.drawn(rates, find.gap(m.arms.original, SELECTION_RATE, attribute))]
    drawn = charts.dots(
        [
            charts.Dot(words.name_of(g), r.value, r.low, r.high, series, words.behind(r))
            for g in groups
            for series, (k, _) in enumerate(present)
            if (r := selected[k].get(g)) is not None
        ],
        series=[n for _, n in present],
    )
    was, now = (find.gap(arms[k], SELECTION_RATE, attribute) for k in ("original", "candidate"))
    alt = f"Selection rates by {by} of the original, the baseline and the candidate, with 95 % intervals."
    if was and now and was.value is not None and now.value is not None:
        alt += f" The gap goes from {words.points(was)} to {words.points(now)}."
    caption = f"Selection rate by {by}, before and after: share, 95 % interval, count{find.some(len(rates))}"
    return [Figure(drawn, alt, caption), table]


def flips_of(m: Mitigation, most: int = find.MOST_ROWS) -> Table:
    """Whose decision changes, by single attributes."""
    rows = tuple(
        (
            words.name_of(f.group) if f.attribute else "everyone",
            words.by(f.attribute) if f.attribute else "–",
            words.count(f.rows),
            words.count(f.to_favourable),
            words.count(f.to_unfavourable),
        )
        for f in [f for f in m.flips if len(f.attribute) <= 1][:most]
    )
    return Table(
        "Decisions that change, by group and direction",
        ("Group", "By", "People", "Newly favourable", "No longer favourable"),
        rows,
        "",
        (32, 14, 16, 18, 20),
    )
