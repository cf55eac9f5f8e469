"""What a verification found: one frozen line a check, in the order they were made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from audit.documents.mitigation import ARMS
from audit.errors import AssayError, VerificationError, VerifiedInPart
from audit.numbers import many

OK, FAILED, PART, SKIPPED = "ok", "failed", "in part", "not checked"
"""PART: a check that a verification promises, and that could say neither yes nor no here. SKIPPED: nobody asked."""


def one_safe_line(text: object, length: int = 400) -> str:
    """Text as one line that does nothing to a terminal or to the words beside it: no control characters, no marks that
    turn the direction of writing, of bounded length."""
    kept = "".join(c if c.isprintable() else "\ufffd" for c in str(text)[: length + 1])
    return kept if len(kept) <= length else kept[: length - 1] + "\u2026"


def shown(value: Any) -> str:
    """A value of a file that may be told: numbers as they are; of everything else, what it is and how long."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else "yes" if value else "no"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return f"{value}" if abs(value) < 10**30 else "a number of more than 30 digits"
    if isinstance(value, str):
        return f"a text of {many(len(value), 'character')}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    return f"an object of {many(len(value), 'entry')}" if isinstance(value, dict) else "something else"


def digest(value: Any) -> str:
    """A sha256 as it is; what is none is not quoted."""
    fine = isinstance(value, str) and len(value) == 64 and all(c in "0123456789abcdef" for c in value)
    return str(value) if fine else shown(value)


_OURS = re.compile(r"Auditor|Member[0-9]{1,3}|ArchiveTimestamp")


def field_named(name: object) -> str:
    """A signature's field by its name where it is one that Assay gives; what is another name is not quoted."""
    return str(name) if _OURS.fullmatch(str(name)) else "a field of another name"


def arm_named(name: object) -> str:
    """An arm of a mitigation by its name where it is one that Assay gives."""
    return str(name) if name in ARMS else "of another name"


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


class Broken(Exception):
    """A check failed: what was wrong, got, expected, what to do; document: of which embedded one, where it is of one.
    Caught by `verify` and before a report is signed, never seen outside."""

    def __init__(
        self, problem: str, *, got: object = "", expected: object = "", todo: str = "", document: str = ""
    ) -> None:
        self.problem, self.got, self.expected, self.todo = problem, _text_of(got), _text_of(expected), todo
        self.document = document
        super().__init__(problem)


class InPart(Exception):
    """A check could say neither yes nor no: how far it came, got, expected, what to do. Never exit 0."""

    def __init__(self, detail: str, *, got: object = "", expected: object = "", todo: str = "") -> None:
        self.detail, self.got, self.expected, self.todo = detail, str(got), str(expected), todo
        super().__init__(detail)


def _make_plain(record: Any, length: int = 1000) -> None:
    """What came out of a file is made plain where it becomes a line, whoever wrote the line."""
    for entry in fields(record):
        if isinstance(value := getattr(record, entry.name), str):
            object.__setattr__(record, entry.name, one_safe_line(value, length))


@dataclass(frozen=True, slots=True)
class Check:
    """One line. status: "ok", "failed", "in part" or "not checked"; compared: what with what; detail: what came out."""

    name: str
    compared: str
    status: str
    detail: str
    got: str = ""
    expected: str = ""
    todo: str = ""

    def __post_init__(self) -> None:
        _make_plain(self)

    def to_json(self) -> dict[str, str]:
        """The line; got, expected and todo only where it failed or could not be made."""
        out = {"check": self.name, "compared": self.compared, "status": self.status, "detail": self.detail}
        if self.status in (FAILED, PART):
            out |= {"got": self.got, "expected": self.expected, "todo": self.todo}
        return out

    @property
    def line(self) -> str:
        """`ok           certification   ...` for a terminal."""
        return f"{self.status:<12} {self.name:<15} {self.detail}"


@dataclass(frozen=True, slots=True)
class SignatureInfo:
    """One signature. role: auditor, member or timestamp; time: ISO 8601, from the timestamp where there is one.

    trusted: True where the chain leads to the root given, None where no root was given.
    """

    field: str
    role: str
    name: str
    fingerprint: str
    time: str
    time_from: str
    level: str
    trusted: bool | None
    decision: str | None = None
    reason: str | None = None
    conditions: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        _make_plain(self, 2200)

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Verification:
    """Every check made, in order; who signed; whether the identity of the signers is established.

    established : whether every signer leads to a root, or is a certificate, that the reader gave. isolation: behind
    which walls the file was read, as they held when tried. again: a fresh printing of the checked evidence, where it
    was asked for and nothing failed.
    """

    checks: tuple[Check, ...]
    signers: tuple[SignatureInfo, ...] = ()
    identity: str = "not established"
    sha256: str = ""
    notes: tuple[str, ...] = field(default=())
    established: bool = False
    isolation: tuple[str, ...] = ()
    again: bytes | None = field(default=None, repr=False)

    @property
    def failed(self) -> Check | None:
        """The first check that failed, or None."""
        return next((c for c in self.checks if c.status == FAILED), None)

    @property
    def partial(self) -> tuple[Check, ...]:
        """The checks that could say neither yes nor no."""
        return tuple(c for c in self.checks if c.status == PART)

    @property
    def ok(self) -> bool:
        """Whether every check held. Prefer `verify_or_raise`, which cannot be overlooked."""
        return self.failed is None and not self.partial

    @property
    def verdict(self) -> str:
        """The last line. A failure outranks what could not be checked, and that outranks the rest."""
        if self.failed is not None:
            return f"FAILED: {self.failed.name}: {self.failed.detail}"
        who = "the signers lead to the root given" if self.established else "who signed is not established"
        if self.partial:
            return f"in part: {who}; not settled here: {', '.join(c.name for c in self.partial)}"
        return f"verified: every check held, and {who}" if self.established else f"intact and consistent; {who}"

    def error(self) -> AssayError:
        """The first failure, or else what could not be checked, as an exception. Raises ValueError where all held."""
        check = self.failed
        if check is None and self.partial:
            first = self.partial[0]
            return VerifiedInPart(
                (c.name for c in self.partial),
                f"verified in part: {'; '.join(f'{c.name}: {c.detail}' for c in self.partial)}",
                got=first.got,
                expected=first.expected,
                todo=first.todo or "check it on a machine with the versions that the report names",
            )
        if check is None:
            raise ValueError("no check failed")
        return VerificationError(
            check.name,
            f"{check.name}: {check.detail}",
            got=check.got,
            expected=check.expected,
            todo=check.todo or "do not rely on this file; ask the auditor for the report again",
        )

    def lines(self) -> list[str]:
        """For a terminal: one line a check, then who signed and the verdict."""
        out = [c.line for c in self.checks]
        for s in self.signers:
            words = f": {s.decision}, {s.reason}" if s.decision else ""
            words += f" Conditions: {s.conditions}" if s.conditions else ""
            words += f" Until {s.until}" if s.until else ""
            out.append(f"signed by    {s.name} ({s.role}), {s.time} ({s.time_from}), {s.level}{words}")
        out.append(f"identity     {self.identity}")
        if self.isolation:
            out.append(f"read behind  {', '.join(self.isolation)}")
        return [*out, self.verdict]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.ok,
            "failed": None if self.failed is None else self.failed.name,
            "partial": [c.name for c in self.partial],
            "verdict": self.verdict,
            "identity": self.identity,
            "sha256": self.sha256,
            "checks": [c.to_json() for c in self.checks],
            "signers": [s.to_json() for s in self.signers],
            "notes": list(self.notes),
            "isolation": list(self.isolation),
        }
