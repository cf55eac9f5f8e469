"""Entries of the log of reports as records; the lines themselves are hashed and signed, and stay what they are.

    for entry in logged(view.entries): ...      # in order; entries of other types are passed over

Which keys an entry has to hold is said where the log is read (reports.log.store).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from audit.documents.base import Names, Record
from audit.documents.read import FormError, record_in
from audit.errors import DataError


class ConditionStated(Record, frozen=True):
    """A condition as a report was issued with it."""

    number: int
    text: str
    owner: str
    due: str
    state: str


class ReportEntry(Record, frozen=True, tag_field="type", tag="report"):
    """A report was issued. report: sha256 of its certified revision, `size` bytes; about: its model and data."""

    report: str
    number: str
    case: str
    issued: str
    auditor: str = ""
    members: Names = ()
    quorum: int = 0
    logged: str = ""
    certificate: str = ""
    size: int = 0
    evidence: str | None = None
    about: dict[str, str] | None = None
    conditions: tuple[ConditionStated, ...] = ()
    review: str | None = None
    outdated: str | None = None


class DecisionEntry(Record, frozen=True, tag_field="type", tag="decision"):
    """A member decided on a report. revision: sha256 of the file's first `size` bytes, the decision among them."""

    report: str
    member: str
    decision: str
    reason: str
    conditions: str
    until: str | None
    time: str
    time_from: str
    logged: str
    revision: str = ""
    field: str = ""
    certificate: str = ""
    size: int = 0
    statement: dict[str, Any] | None = None


class ConditionEntry(Record, frozen=True, tag_field="type", tag="condition"):
    """How a condition of a case stands from then on; what is empty stays as it was."""

    case: str
    number: int
    state: str
    owner: str
    due: str
    reason: str = ""
    by: str = ""
    logged: str = ""


class ProtocolEntry(Record, frozen=True, tag_field="type", tag="protocol"):
    """What was fixed before the results."""

    file: str
    sha256: str
    logged: str


class SearchEntry(Record, frozen=True, tag_field="type", tag="search"):
    """A search began. sha256: of what was asked; tried: how many candidates there were already."""

    case: str
    sha256: str
    tried: int
    logged: str


class LoopEntry(Record, frozen=True, tag_field="type", tag="loop"):
    """Where a loop's trail ended. loop: hash of its first entry."""

    case: str
    loop: str
    seq: int
    hash: str
    seal: str
    logged: str


Logged = ReportEntry | DecisionEntry | ConditionEntry | ProtocolEntry | SearchEntry | LoopEntry
E_ = TypeVar("E_", bound=Record)
_KINDS: dict[Any, type[Logged]] = {
    "report": ReportEntry, "decision": DecisionEntry, "condition": ConditionEntry, "protocol": ProtocolEntry,
    "search": SearchEntry, "loop": LoopEntry,
}  # fmt: skip


def logged(entries: Sequence[Mapping[str, Any]]) -> tuple[Logged, ...]:
    """The entries of a type that is known, in order. Raises DataError for one of another form than its record."""
    known = ((_KINDS.get(e.get("type")), e) for e in entries)
    return tuple(_entry(kind, e) for kind, e in known if kind is not None)


def logged_as(kind: type[E_], entries: Sequence[Mapping[str, Any]]) -> tuple[E_, ...]:
    """Those of one type, in order. Raises DataError as `logged` does."""
    return tuple(_entry(kind, e) for e in entries if _KINDS.get(e.get("type")) is kind)


def _entry(kind: type[E_], plain: Mapping[str, Any]) -> E_:
    try:
        return record_in(kind, dict(plain), "the log")
    except FormError as error:
        raise DataError(
            "an entry of the log cannot be read", got=error.got, expected="an entry as Assay writes it",
            todo="ask who keeps the log",
        ) from error  # fmt: skip
