"""What a finding says, from its fields alone: the same in terminal, screen and report; a verifier makes it again."""

from __future__ import annotations

from collections.abc import Iterable

from audit.documents.stress import AimResult, Finding, Multiverse
from audit.findings import percent
from audit.numbers import many
from audit.stress.corrupt import KINDS
from audit.stress.figures import is_gap

WORST = "This is the worst that was found, not the worst there is"
GIVEN_FITS = "The interval is about which people were measured, given the two fitted models"


def words_of(entry: Finding) -> str:
    """If 'age' were recorded in tens, for people with relationship is Wife. Raises KeyError for an unknown kind."""
    what = KINDS[entry.kind].words.format(column=repr(entry.column))
    part = "" if entry.share_of_them >= 1 else f" {percent(entry.share_of_them)} of the"
    who = " and ".join(f"{x.column} {x.how} {x.value}" for x in entry.predicate)
    return f"if {what}, for{part} people with {who}"


def plausible(entry: Finding) -> str:
    """How such an error comes about."""
    return KINDS[entry.kind].plausible


def figure_name(entry: Finding | AimResult | Multiverse) -> str:
    """true positive rate difference by sex; of a side: , Female lower; where it narrows: , Female less far ahead."""
    whole = _whole(entry)
    if not isinstance(entry, Finding) or entry.lowest is None:
        return whole
    return f"{whole}, {entry.lowest} {'lower' if opens(entry) else 'less far ahead'}"


def opens(entry: Finding) -> bool:
    """Whether it ends as a gap, or as a worse rate; if not, it narrows or hides one."""
    return entry.lowest is None or is_gap(entry.figure, entry.after)


def _whole(entry: Finding | AimResult | Multiverse) -> str:
    name, figure = entry.metric.replace("_", " "), entry.figure if isinstance(entry, Finding) else entry.kind
    return name if figure == "rate" else f"{name} {figure} by {' and '.join(entry.attribute)}"


def noticed(entry: Finding) -> str:
    """Which line of a contract would have caught it, and after how many batches the watch."""
    caught, tried = entry.caught, entry.watched
    if tried is None:
        return "only by a contract on the training data"
    line = "no line of a contract"
    if caught is not None:
        column = caught.line.get("column")
        kind = next(k for k in caught.line if k not in ("column", "columns", "mostly", "severity", "because"))
        line = f"the contract's {kind.replace('_', ' ')}" + (f" of {column}" if column else "")
        line += " (proposed)" if caught.proposed else ""
    if entry.watch is not None:
        line += f"; the watch after {many(entry.watch.batches, 'batch')} of {tried.batch:,}"
    elif tried.batches:
        line += f"; the watch not within {many(tried.batches, 'batch')} of {tried.batch:,}"
    else:
        line += "; the watch looks at what comes in, not at outcomes"
    return line


def best_of(entries: Iterable[Finding]) -> list[Finding]:
    """What was confirmed, the largest change first; what narrows or hides a gap after what opens one."""
    return sorted((e for e in entries if e.worse), key=lambda e: (not opens(e), -abs(e.change)))


def not_found(entries: Iterable[Finding]) -> list[str]:
    """Names of the figures for which nothing was confirmed."""
    every = list(entries)
    good = {_whole(e) for e in every if e.worse}
    return list(dict.fromkeys(_whole(e) for e in every if _whole(e) not in good))


def nothing_worse(entries: Iterable[Finding]) -> str:
    """The figures for which nothing was confirmed, as a sentence; or nothing."""
    rest = not_found(entries)
    return f"Nothing worse than chance and random errors explain was found for: {', '.join(rest)}." if rest else ""
