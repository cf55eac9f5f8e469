"""The lines of a verification, in order: each check passes, fails with what was got and expected, or is not made."""

from __future__ import annotations

from collections.abc import Callable

from audit.errors import AssayError
from reports.verify.result import FAILED, OK, PART, SKIPPED, Broken, Check, InPart

FACES, PAGES = "faces", "printed pages"
"""The lines of what is set again: a process of its own may make them."""


class Stop(Exception):
    """Nothing further can be checked."""


class Lines:
    """The lines so far. A check is a function that returns its detail, or raises Broken or InPart."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def check(self, name: str, compared: str, work: Callable[[], str], *, stop: bool = False) -> bool:
        try:
            detail = work()
        except Broken as broken:
            self.checks.append(
                Check(name, compared, FAILED, broken.problem, broken.got, broken.expected, broken.todo)
            )  # fmt: skip
            if stop:
                raise Stop from broken
            return False
        except InPart as part:
            self.checks.append(Check(name, compared, PART, part.detail, part.got, part.expected, part.todo))
            return True
        except AssayError as error:
            self.checks.append(Check(name, compared, FAILED, error.problem, todo=error.todo))
            if stop:
                raise Stop from error
            return False
        except RecursionError as error:
            self.checks.append(Check(name, compared, FAILED, "the file is nested too deeply"))
            raise Stop from error
        self.checks.append(Check(name, compared, OK, detail))
        return True

    def skip(self, name: str, compared: str, why: str) -> None:
        self.checks.append(Check(name, compared, SKIPPED, why))
