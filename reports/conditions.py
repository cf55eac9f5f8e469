"""Conditions that a board is asked to set: numbered, with owner and day, kept across the reports of one case.

A new report takes over the conditions of its case that the log holds as open, under their numbers, and adds what its
own figures ask for. The log alone says how a condition stands (`assay register --condition`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.documents import record_in
from audit.documents.evidence import Evidence
from audit.documents.log import ConditionEntry, ConditionStated, ReportEntry, logged
from audit.documents.mitigation import Mitigation
from audit.errors import InputError
from audit.findings import NormResult
from audit.load.forms import BY
from audit.metrics import METRICS, SELECTION_RATE
from audit.numbers import brief, many
from audit.sizes import unit
from audit.values import UNKNOWN
from reports import words

ENTRY = "condition"
"""The type of the log's entry that changes a condition."""
OPEN, MET, DROPPED = "open", "met", "dropped"
STATES = (OPEN, MET, DROPPED)
MOST, LONGEST = 5, 200
UNKNOWN_SHARE = 0.02
"""From this share of people of unknown group on, page 1 asks to find out."""
REVIEW_DAYS = 365


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. number: within its case, never used again. due: a day, or "". state: open, met or dropped."""

    number: int
    text: str
    owner: str = ""
    due: str = ""
    state: str = OPEN

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def read(raw: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """From a manifest."""
    return _read(record_in(tuple[ConditionStated, ...], raw, "manifest.json"))


def _read(stated: Sequence[ConditionStated]) -> tuple[Condition, ...]:
    return tuple(Condition(c.number, c.text, c.owner, c.due, c.state) for c in stated)


def of_case(entries: Sequence[Mapping[str, Any]], case: str) -> tuple[Condition, ...]:
    """How the conditions of a case stand by the log: those of its reports, and what was entered about them since."""
    conditions: dict[int, Condition] = {}
    for e in logged(entries):
        if isinstance(e, ReportEntry) and e.case == case:
            for c in _read(e.conditions):
                conditions.setdefault(c.number, c)
        elif isinstance(e, ConditionEntry) and e.case == case and e.number in conditions:
            old = conditions[e.number]
            conditions[e.number] = replace(
                old, owner=e.owner or old.owner, due=e.due or old.due, state=e.state or old.state
            )
    return tuple(conditions[n] for n in sorted(conditions))


def changed(
    case: str | None, number: int, state: str | None, owner: str, due: str, reason: str
) -> tuple[str, dict[str, Any]]:
    """The case and the change for the log. Raises InputError where it says nothing, or no case, or no reason."""
    import getpass

    if not case:
        raise InputError("it is not said of which case the condition is", expected="--case NAME beside --condition")
    if not (state or owner or due):
        raise InputError("nothing about the condition changes", expected="--state, --owner or --due")
    if state and not reason.strip():
        raise InputError("the state of a condition needs a reason", expected='--reason "..." beside --state')
    if due:
        try:
            dt.date.fromisoformat(due)
        except ValueError as error:
            raise InputError("the day is none", got=due, expected="a day such as 2027-03-01") from error
    return case, {
        "number": number,
        "state": state or "",
        "owner": _line(owner),
        "due": due,
        "reason": _line(reason),
        "by": _line(getpass.getuser()),
    }


def _line(text: str) -> str:
    line = " ".join(text.split())
    if not line.isprintable() or len(line) > LONGEST:
        raise InputError(
            "a text cannot be printed", got=repr(text[:60]), expected=f"a line of at most {LONGEST} characters"
        )
    return line


def conditions_for(
    evidence: Evidence,
    mitigation: Mitigation | None,
    *,
    earlier: Sequence[Condition] = (),
    requested: Sequence[str] = (),
    watched: bool = False,
) -> tuple[Condition, ...]:
    """What a report asks for: open conditions of the case first, then `requested`, or else what the figures ask for."""
    still = [c for c in earlier if c.state == OPEN]
    number = max((c.number for c in earlier), default=0)
    out = list(still)
    known = {c.text for c in still}
    for text in (
        (_printable_line(t) for t in requested) if requested else proposed(evidence, mitigation, watched=watched)
    ):
        if text not in known:
            number += 1
            out.append(Condition(number, text))
    return tuple(out)


def _printable_line(text: str) -> str:
    line = " ".join(text.split())
    if not line or not line.isprintable() or len(line) > LONGEST:
        raise InputError(
            "a condition cannot be printed", got=repr(text[:60]), expected=f"a sentence of at most {LONGEST} characters"
        )
    return line


def proposed(evidence: Evidence, mitigation: Mitigation | None, *, watched: bool = False) -> list[str]:
    """What the figures ask for, most urgent first, MOST at most."""
    out = [_gap(evidence, n) for n in worst(evidence.norms)[:2]]
    if any(n.status == "undecided" for n in evidence.norms):
        out.append("Measure again with more people: for some limits, these are too few to tell.")
    if mitigation is None and out:
        out.append("Try another way of deciding, or write down why that is not needed.")
    clear = sum(bool(c.worse and c.clear) for c in (mitigation.changes if mitigation else ()))
    if clear:
        out.append(f"If the candidate is taken, name who answers for the {many(clear, 'figure')} that get worse.")
    out += [
        f"Find out {column(evidence, a)} for the {n:,} {unit(evidence.data)} where it is not known."
        for a, n, of in unknown_of(evidence)
        if n >= UNKNOWN_SHARE * of
    ][:1]
    if evidence.data.label is None and evidence.regression is None:
        out.append("Write down what became of these people, so that wrong decisions can be counted.")
    if not watched:
        out.append("Watch later decisions, and bring the figures back to the board on the day of review.")
    return out[:MOST]


def worst(norms: Sequence[NormResult]) -> list[NormResult]:
    """The norms that are outside, one for each attribute: differences in who gets it first."""
    outside = [n for n in norms if n.status == "outside"]
    outside.sort(key=lambda n: (n.metric != SELECTION_RATE, n.kind != "difference"))
    seen: dict[tuple[str, ...], NormResult] = {}
    for n in outside:
        seen.setdefault(tuple(n.attribute), n)
    return list(seen.values())


def _gap(evidence: Evidence, n: NormResult) -> str:
    limit = f"to {brief(100 * n.limit)} points or less" if n.kind == "difference" else f"to {brief(n.limit)} or more"
    what = "gap" if n.kind == "difference" else "ratio"
    by = words.attribute(evidence.stated, n.attribute, 34)
    return f"Bring the {what} by {by} in {everyday_words(n.metric)} {limit}, or write down why it stays."


def column(evidence: Evidence, name: str) -> str:
    """“sex”; where people were born."""
    return words.truncate(text, 60) if (text := evidence.stated.get(BY + name)) else f"“{words.truncate(name, 34)}”"


def everyday_words(metric: str) -> str:
    """A measure in words of every day."""
    return (METRICS[metric].everyday if metric in METRICS else "") or f"the {words.metric(metric)}"


def unknown_of(evidence: Evidence) -> list[tuple[str, int, int]]:
    """(attribute, people of unknown group, people) for each single attribute that has some, the most first."""
    of = int(evidence.data.audited_rows)
    unknown = [
        (c.attribute[0], int(c.rows), of)
        for c in evidence.counts
        if len(c.attribute) == 1 and c.group == (UNKNOWN,) and not c.suppressed and c.rows
    ]
    return sorted(unknown, key=lambda f: -f[1])


def review_day(issued: dt.date, lasts: Sequence[int | None]) -> dt.date:
    """When the board looks again: a year on, or as soon as a form says that an audit is outdated."""
    return issued + dt.timedelta(days=min([REVIEW_DAYS, *(d for d in lasts if d is not None)]))
