"""Everything Assay raises on purpose.

    AssayError                exit 1   a fault of ours, or the base of the rest
    |-- InputError            exit 2   what was given cannot be used
    |   |-- CaseError                  the case file or the roles in it
    |   |-- PolicyError                the norms
    |   |-- DataError                  the table
    |   |-- ModelError                 the model file, or what the model did
    |   |-- KeyFileError               a signing key or its password
    |   |-- AccessError                who is acting may not do this
    |   |-- PublicationError           a report that would give people away beside an earlier one
    |   `-- OutputError                what was to be written could not be (disk full, no permission)
    |-- GateBroken            exit 3   with --gate: a norm or a contract is broken, or a constraint was not met
    |-- VerificationError     exit 4   a report failed a named check
    |-- VerifiedInPart        exit 5   no check failed, and one that is promised could not be made here
    `-- Cancelled             exit 1   a person stopped the work

A message says what was wrong, what was got and expected, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from audit.printable import printable


class AssayError(Exception):
    """One message in four parts.

    Parameters
    ----------
    problem : str
        What was wrong, one sentence without the full stop.
    got, expected : object
        What was found and what would have been right; either may be empty.
    todo : str
        What to do next.
    """

    exit_code = 1

    def __init__(self, problem: str, *, got: object = "", expected: object = "", todo: str = "") -> None:
        self.problem = problem
        self.got = str(got)
        self.expected = str(expected)
        self.todo = todo
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The message as one paragraph: names in it come from strangers' files and begin no line of their own."""
        parts = [_ended(self.problem)]
        if self.got:
            parts.append(f"Got: {_ended(self.got)}")
        if self.expected:
            parts.append(f"Expected: {_ended(self.expected)}")
        if self.todo:
            parts.append(f"What to do: {_ended(self.todo)}")
        return printable(" ".join(line.strip() for line in " ".join(parts).splitlines()))

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> Self:
        """The error that these parts, by name, are of; what else they hold is passed over."""
        got, expected, todo = (parts.get(name, "") for name in ("got", "expected", "todo"))
        return cls(parts.get("problem", ""), got=got, expected=expected, todo=todo)

    def to_json(self) -> dict[str, str]:
        """The four parts by name, for `--json`."""
        return {
            "error": type(self).__name__,
            "problem": self.problem,
            "got": self.got,
            "expected": self.expected,
            "todo": self.todo,
        }


class InputError(AssayError):
    """What was given cannot be used."""

    exit_code = 2


class CaseError(InputError):
    """The case file, or a role in it, cannot be used."""


class PolicyError(InputError):
    """The norms cannot be used."""


class DataError(InputError):
    """The table cannot be used."""


class ModelError(InputError):
    """The model file cannot be used, or the model failed."""


class KeyFileError(InputError):
    """The signing key or its password cannot be used."""


class AccessError(InputError):
    """Who is acting may not do this."""


class PublicationError(InputError):
    """A report would give people away beside one that is out already; a person may say why it goes out all the same."""


class OutputError(InputError):
    """A result could not be written; nothing that was there before is lost."""


class GateBroken(AssayError):
    """A norm of the policy, or an error check of the contract, is broken (with --gate)."""

    exit_code = 3


class VerificationError(AssayError):
    """A report failed a check. `check` is the check's name."""

    exit_code = 4

    def __init__(self, check: str, problem: str, *, got: object = "", expected: object = "", todo: str = "") -> None:
        self.check = check
        super().__init__(problem, got=got, expected=expected, todo=todo)


class VerifiedInPart(AssayError):
    """No check of a report failed, but not every one could be made here. `parts` are the names of those."""

    exit_code = 5

    def __init__(
        self, parts: Iterable[str], problem: str, *, got: object = "", expected: object = "", todo: str = ""
    ) -> None:
        self.parts = tuple(parts)
        super().__init__(problem, got=got, expected=expected, todo=todo)


class Cancelled(AssayError):
    """A person stopped the work."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'sex'?`, or the known names where none is near."""
    names = [str(k) for k in known]
    alike = [n for n in names if n != str(name) and _loosely(n) == _loosely(str(name))]
    if alike:
        return f"did you mean {alike[0]!r}?"
    swapped = [n for n in names if n != str(name) and sorted(n) == sorted(str(name))]
    import difflib  # a hundredth of a second that only a wrong name needs

    close = swapped or difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(repr(n) for n in names[:12])
    return f"known names: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _loosely(name: str) -> object:
    """What stays of a name without capitals and spaces; of a number, its value: 1.0 is 1."""
    try:
        return float(name)
    except ValueError:
        return " ".join(name.split()).casefold()


def _ended(text: str) -> str:
    """With one full stop, unless it ends as a question."""
    return text if text.endswith("?") else text.rstrip(".") + "."
