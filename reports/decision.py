"""A board member's decision as it is signed: one line of text, written and read here alone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from audit.errors import InputError, nearest

DECISIONS = ("approve", "reject")
_CONDITIONS = " CONDITIONS: "
_UNTIL = " UNTIL: "
_DAY = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_DATED = re.compile(r" UNTIL: (?P<date>\d{4}-\d\d-\d\d)$")


@dataclass(frozen=True, slots=True)
class Decision:
    """approve or reject, the reason, the conditions under which it holds (may be empty).

    until : the last day on which it holds, ISO 8601, after which the board looks again; None where no day was named.
    """

    decision: str
    reason: str
    conditions: str = ""
    until: str | None = None

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise InputError(
                "the decision is not known", got=repr(self.decision), expected="approve or reject",
                todo=nearest(self.decision, DECISIONS),
            )  # fmt: skip
        if not self.reason.strip():
            raise InputError("a decision needs a reason", expected="one sentence or more", todo="add --reason TEXT")
        for text in (self.reason, self.conditions):
            if any(ord(c) < 32 for c in text):
                raise InputError("the reason has control characters or line breaks", expected="one line of text")
            for word in (_CONDITIONS.strip(), _UNTIL.strip()):
                if word in text:
                    raise InputError("the reason holds a word that is reserved", got=word, expected="plain text")
        if self.until is not None:
            read_date(self.until)

    def to_text(self) -> str:
        """The canonical line that is signed."""
        line = f"{self.decision.upper()}: {self.reason.strip()}"
        if self.conditions.strip():
            line += f"{_CONDITIONS}{self.conditions.strip()}"
        return f"{line}{_UNTIL}{self.until}" if self.until else line

    @classmethod
    def from_text(cls, text: str) -> Decision:
        """The decision in a signature's /Reason. Raises InputError where it is not one, so that nothing is guessed."""
        for decision in DECISIONS:
            head = f"{decision.upper()}: "
            if text.startswith(head):
                dated = _DATED.search(text)
                body = text[len(head) : dated.start()] if dated else text[len(head) :]
                reason, _, conditions = body.partition(_CONDITIONS)
                return cls(decision, reason, conditions, dated["date"] if dated else None)
        raise InputError("a member's signature states no decision", got=repr(text[:80]), expected="APPROVE: or REJECT:")


def read_date(text: str) -> dt.date:
    """A day as ISO 8601 has it. Raises InputError."""
    try:
        if not _DAY.match(text):  # fromisoformat takes 20270501 and 2027-W18-6 too
            raise ValueError(text)
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            "the date cannot be read", got=repr(text), expected="YYYY-MM-DD, a day of the calendar"
        ) from error
