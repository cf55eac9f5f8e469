"""How the candidate was found: how many were tried, the front, who picked one and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.documents.mitigation import Choice
from audit.documents.search import Loss, Place, Search, Trial, WidestGap
from audit.numbers import are, brief, many
from debias.pareto_figures import words_of
from reports import chart_pareto, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Points, Sources, Table

MOST_FRONT = 20


def blocks(sources: Sources) -> list[Block]:
    """The search of the run folder, if there was one."""
    s = sources.search
    if s is None:
        return []
    on = front_of(s)
    asked = s.asked
    train, choose, judge, test = (
        words.part(n, s.notes) for n in (s.splits.train, s.splits.choose, s.splits.judge, s.splits.test)
    )
    methods = sorted({str(t.title).lower() for t in s.trials})
    out: list[Block] = [
        Heading("The search"),
        Paragraph(
            f"{many(len(s.trials), 'candidate')} {are(len(s.trials), 'was', 'were')} tried ({', '.join(methods)}; "
            f"seed {asked.seed}), to weigh wrong decisions against {words_of(asked.constraint).full} by "
            f"{words.by(asked.attributes)}. They learned from {train} rows; what a method chooses by itself it chose "
            f"on {choose} others; the figures here are of {judge} more. None of the {test} test rows was used: those "
            "were kept for the one candidate that a person picks."
        ),
        picked(sources),
    ]
    if not on:
        return [*out, Notice(none_on(s)), table(s, on), Points(tuple(words.unquoted(n) for n in s.notes))]
    out.append(_drawn(s, on, _picked_trial(sources)))
    out.append(table(s, on))
    out.append(Points(tuple(words.unquoted(n) for n in s.notes)))
    return out


def front_of(s: Search) -> list[Trial]:
    """The front, the fewest wrong decisions first."""
    return sorted((t for t in s.trials if t.front), key=lambda t: place_of(t)[0].value)


def beaten(s: Search) -> list[Trial]:
    """Candidates that the original, as it is, beats: no worse in either, and better in one. Until `front_among` says
    that the original takes part, none is judged so."""
    if not s.front_among:
        return []
    loss, gap = place_of(s.original)
    out = []
    for t in s.trials:
        if t.failed is None:
            mine, wide = place_of(t)
            here, there = (loss.value, gap.high), (mine.value, wide.high)
            out += [t] if here != there and here[0] <= there[0] and here[1] <= there[1] else []
    return out


def nobody(s: Search) -> str:
    """Who could have beaten those on the front, and does not."""
    return "neither another candidate nor the original" if s.front_among else "no other candidate"


def none_on(s: Search) -> str:
    """What an empty front means."""
    return (
        f"No candidate is on the front: the original, as it is, beats each of the {len(beaten(s))} that could be made "
        f"in wrong decisions and {words_of(s.asked.constraint).full} together."
    )


def of_this_front(sources: Sources) -> Choice | None:
    """The choice in mitigation.json, where it was made from the search that is embedded."""
    choice = sources.mitigation.choice if sources.mitigation else None
    digest = next((a.sha256 for a in sources.manifest.attachments if a.name == "search.json"), None)
    return choice if choice and choice.search.sha256 == digest else None


def _picked_trial(sources: Sources) -> int | None:
    choice = of_this_front(sources)
    return None if choice is None else int(choice.trial)


def choice_words(choice: Choice) -> str:
    """Who picked which candidate, and why."""
    return (
        f"{choice.by} picked candidate {choice.trial} of {choice.looked_at} on {choice.time[:10]}. "
        f"Reason: {choice.reason}"
    )


def picked(sources: Sources) -> Block:
    """Who picked which candidate, and why."""
    choice = sources.mitigation.choice if sources.mitigation else None
    if choice is None:
        return Paragraph("Nobody has picked a candidate of this search.")
    text = choice_words(choice)
    if of_this_front(sources) is None:
        return Notice(f"{text} That was from an earlier search, not from the one printed here.")
    return Paragraph(text if choice.on_front else f"{text} It is not on the front.")


def _drawn(s: Search, on: Sequence[Trial], picked: int | None) -> Figure:
    points = [_point(0, t, str(t.trial), t.trial == picked) for t in on]
    points.append(_point(1, s.original))
    points += [_point(2, t.matched) for t in on if t.matched]
    points += [_point(3, t, "", t.trial == picked) for t in s.trials if not t.front and not t.failed]
    weighed = words_of(s.asked.constraint)
    alt = alt_of(s, on)
    if picked is not None:
        alt += f" Candidate {picked}, the one picked, is ringed."
    across = f"{weighed.full.removeprefix('the ')}: upper end of its 95 % interval, points"
    ring = "" if picked is None else "; the one picked is ringed"
    caption = f"Wrong decisions (share, up) against the {weighed.short} (across), with 95 % intervals{ring}"
    return Figure(chart_pareto.front(points, across=across), alt, caption)


def alt_of(s: Search, on: Sequence[Trial]) -> str:
    """What the chart of the front shows."""
    weighed = words_of(s.asked.constraint)
    first, last = (
        f"{t.trial} ({words.share(loss.value)} wrong, {weighed.short} at most {_points(gap.high)} points)"
        for t in (on[0], min(on, key=lambda t: place_of(t)[1].high))
        for loss, gap in (place_of(t),)
    )
    return (
        f"Wrong decisions against the upper bound of {weighed.full}, {many(len(s.trials), 'candidate')}. The front "
        f"goes from candidate {first} to candidate {last}."
    )


def place_of(entry: Place | Trial) -> tuple[Loss, WidestGap]:
    """Where a candidate that could be made stands."""
    if entry.loss is None or entry.gap is None:
        raise ValueError("a candidate without figures is among those that have some")
    return entry.loss, entry.gap


def _point(kind: int, entry: Place | Trial, name: str = "", picked: bool = False) -> chart_pareto.Point:
    loss, gap = place_of(entry)
    return chart_pareto.Point(
        kind, gap.low, gap.high, loss.value, loss.low, loss.high, name, picked
    )  # fmt: skip


def table(s: Search, on: Sequence[Trial]) -> Table:
    weighed = words_of(s.asked.constraint)
    rows: list[tuple[str, ...]] = [("–", "Original, as it is", *_cells(s.original), "–")]
    rows += [
        (
            str(t.trial),
            f"{t.title}{_with(t.parameters)}",
            *_cells(t),
            "–" if t.matched is None else f"{words.share(t.matched.loss.value)}, at most {_points(t.matched.gap.high)}",
        )
        for t in on[:MOST_FRONT]
    ]
    worst = len(beaten(s))
    worse = (
        f" {worst:,} of {many(len(s.trials), 'candidate')} {are(worst)} beaten by the original as it is, and not "
        "on the front."
        if worst
        else ""
    )
    cut = "" if len(on) <= MOST_FRONT else f" {MOST_FRONT} of {len(on)} are printed; all are embedded."
    return Table(
        f"The front: {nobody(s)} errs less {weighed.better}",
        (
            "No.",
            "Candidate",
            "Wrong decisions [95 %]",
            f"{weighed.short.capitalize()}, points [95 %]",
            "Original, threshold moved",
        ),
        tuple(rows),
        "The last column is the original with only its threshold moved to select as many: its wrong decisions, and the "
        f"upper end of its {weighed.short}. A candidate that is no better than that has moved a threshold.{worse}"
        + cut,
        (6, 34, 20, 20, 20),
    )


def _with(parameters: dict[str, Any]) -> str:
    text = ", ".join(f"{k.replace('_', ' ')} {brief(v)}" for k, v in parameters.items())
    return f"\n{text}" if text else ""


def _cells(entry: Place | Trial) -> tuple[str, str]:
    loss, gap = place_of(entry)
    return (
        f"{words.share(loss.value)} {words.bracket(loss.low, loss.high)}",
        f"{_points(gap.value)} {words.bracket(gap.low, gap.high)}",
    )


def _points(value: float) -> str:
    return words.number(100 * value, 1)
