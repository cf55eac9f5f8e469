"""The decision register: who decided what on which report, when, and until when. It is read from the log alone.

lines = register(view.entries)
lines[0].who, lines[0].decision, lines[0].report, lines[0].until
to_csv(lines)
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.documents.log import DecisionEntry, ReportEntry, logged, logged_as
from audit.numbers import many
from reports.about import SAME, compared
from reports.conditions import OPEN, Condition, of_case
from reports.log.store import Entry
from reports.words import are

ISSUED = "issued"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_HEAD = ("when", "who", "decision", "case", "report", "number", "reason", "conditions", "until", "logged")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. decision: "issued", "approve" or "reject"; report: sha256 of the certified revision.

    when : ISO 8601, by the clock that `when_from` names; until: a day or None; logged: when the log took it, by its own
    clock.
    """

    when: str
    when_from: str
    who: str
    decision: str
    case: str
    report: str
    number: str
    reason: str
    conditions: str
    until: str | None
    logged: str

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a report stands with the board. until: where it is approved, the first day that an approval names."""

    report: str
    number: str
    case: str
    auditor: str
    issued: str
    approved: int
    rejected: int
    members: int
    quorum: int
    until: str | None
    standing: str
    review: str | None = None
    outdated: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def register(entries: Sequence[Entry]) -> tuple[Line, ...]:
    """Every report and decision in the log, in the order in which they were logged."""
    known = logged(entries)
    reports = {e.report: e for e in known if isinstance(e, ReportEntry)}
    out = []
    for e in known:
        if isinstance(e, ReportEntry):
            out.append(
                Line(e.issued, "the auditor's clock", e.auditor, ISSUED, e.case, e.report, e.number, "", "", None,
                     e.logged)
            )  # fmt: skip
        elif isinstance(e, DecisionEntry):
            about = reports.get(e.report)
            case, number = ("", "") if about is None else (about.case, about.number)
            out.append(
                Line(e.time, e.time_from, e.member, e.decision, case, e.report, number, e.reason, e.conditions,
                     e.until, e.logged)
            )  # fmt: skip
    return tuple(out)


def standings(entries: Sequence[Entry], today: dt.date) -> tuple[Standing, ...]:
    """Each report and how it stands on this day, in the order of issue."""
    known = logged(entries)
    out = []
    for e in known:
        if not isinstance(e, ReportEntry):
            continue
        decisions = [d for d in known if isinstance(d, DecisionEntry) and d.report == e.report]
        approved = [d for d in decisions if d.decision == "approve"]
        reached = bool(e.members) and len(approved) >= e.quorum
        until = min((d.until for d in approved if d.until), default=None) if reached else None
        out.append(
            Standing(
                report=e.report,
                number=e.number,
                case=e.case,
                auditor=e.auditor,
                issued=e.issued,
                approved=len(approved),
                rejected=len(decisions) - len(approved),
                members=len(e.members),
                quorum=e.quorum,
                until=until,
                standing=_standing(e, len(approved), len(decisions), until, today) + _old(e, today),
                review=e.review,
                outdated=e.outdated,
            )
        )
    return tuple(out)


def _standing(report: ReportEntry, approved: int, decided: int, until: str | None, today: dt.date) -> str:
    members, quorum = len(report.members), report.quorum
    if not members:
        return "no decision asked for"
    if approved >= quorum:
        if until is not None and dt.date.fromisoformat(until) < today:
            return "approved, the day of review has passed"
        return "approved"
    if members - decided + approved < quorum:
        return "not approved, the quorum can no longer be reached"
    return f"open, {many(quorum - approved, 'more approval')} needed"


def _old(report: ReportEntry, today: dt.date) -> str:
    """Said of an audit that is older than one of its forms allows."""
    day = report.outdated
    return "" if not day or dt.date.fromisoformat(day) >= today else f"; THE AUDIT IS OUTDATED since {day}"


def conditions_of(entries: Sequence[Entry]) -> dict[str, tuple[Condition, ...]]:
    """Case -> its conditions as they stand, for every case that has some."""
    cases = dict.fromkeys(e.case for e in logged_as(ReportEntry, entries))
    return {case: conditions for case in cases if (conditions := of_case(entries, case))}


def earlier(entries: Sequence[Entry], case: str, about: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """What a new report prints of the board's earlier decisions, the last first.

    Those on a case of this name, and those on the same model and data under another name. `on`: how model and data of
    that report stand to those of this one; `case`: its name.
    """
    known = {e.report: e.about for e in logged_as(ReportEntry, entries)}
    keys = ("when", "who", "decision", "number", "conditions", "until", "case")
    out = []
    for line in reversed(register(entries)):
        on = compared(about, known.get(line.report))
        if line.decision != ISSUED and (line.case == case or on == SAME):
            out.append({k: getattr(line, k) for k in keys} | {"on": on})
    return out


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: behind an apostrophe where it begins like one.

    What leads to a formula after spaces is escaped too, since some programs strip them.
    """
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text


def to_csv(lines: Sequence[Line]) -> str:
    """RFC 4180, with a head; every cell safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for line in lines:
        writer.writerow([safe_cell(str(getattr(line, name) or "")) for name in _HEAD])
    return out.getvalue()


def to_text(
    lines: Sequence[Line],
    stands: Sequence[Standing],
    conditions: Mapping[str, Sequence[Condition]] | None = None,
    today: dt.date | None = None,
) -> str:
    """For a terminal: each report with its decisions below it, then the open conditions of each case, and which of them
    are overdue on this day."""
    out = []
    for s in stands:
        out.append(f"{s.number}  {s.case}: {s.standing}" + (f", until {s.until}" if s.until else ""))
        for line in lines:
            if line.report != s.report:
                continue
            text = f"  {line.when}  {line.who}: {line.decision}"
            text += f", {line.reason}" if line.reason else ""
            text += f" Conditions: {line.conditions}" if line.conditions else ""
            out.append(text + (f" Until {line.until}." if line.until else ""))
    for case, case_conditions in (conditions or {}).items():
        left = [c for c in case_conditions if c.state == OPEN]
        out.append(f"{case}: {len(left)} of {many(len(case_conditions), 'condition')} {are(len(left))} open")
        out += [f"  {c.number}. {c.text} {_who(c, today)}" for c in left]
    return "\n".join(out) if out else "The log holds no report yet."


def _who(c: Condition, today: dt.date | None) -> str:
    late = bool(c.due and today and dt.date.fromisoformat(c.due) < today)
    return f"({c.owner or 'no owner'}, {f'by {c.due}' if c.due else 'no day'}{': OVERDUE' if late else ''})"
