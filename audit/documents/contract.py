"""What became of a contract: the `contract` entry of evidence.json, and what `assay contract --check --json` prints."""

from __future__ import annotations

from typing import Any

from msgspec import field

from audit.documents.base import Names, Record


class GroupShare(Record, frozen=True):
    """How many rows of one group fail, with the 95 % interval (Wilson) of the share."""

    attribute: Names
    group: Names
    rows: int
    failed: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


class GroupsApart(Record, frozen=True):
    """The widest difference of failing shares between two groups; p adjusted (Holm) over the whole contract."""

    attribute: Names
    highest: Names
    lowest: Names
    value: float
    low: float
    high: float
    p_value: float | None = None
    p_adjusted: float | None = None
    method: str = ""


class CheckHeld(Record, frozen=True):
    """One check. rows: looked at; failed: of them; value: where it is about a whole column; reason: why it could not be
    made, and then it has not passed."""

    kind: str
    columns: Names
    words: str
    passed: bool
    rows: int
    failed: int
    severity: str
    given: dict[str, Any] = field(default_factory=dict)
    mostly: float = 1.0
    because: str = ""
    share: float | None = None
    low: float | None = None
    high: float | None = None
    value: Any = None
    reason: str | None = None
    by_group: tuple[GroupShare, ...] = ()
    apart: tuple[GroupsApart, ...] = ()


class ContractHeld(Record, frozen=True):
    """not_understood: lines of a suite by name, with how many: never passed over in silence."""

    rows: int
    checks: tuple[CheckHeld, ...]
    kept: int
    broken: int
    source: str = ""
    sha256: str = ""
    not_understood: dict[str, int] = field(default_factory=dict)
    sentences: Names = ()
    schema: str | None = None
