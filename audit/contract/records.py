"""A contract of the data and what became of it, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.values import from_json

SCHEMA = "assay/contract/1"
SEVERITIES = ("error", "warning")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the kinds of check take, each its own part. min, max: a number or a date, None for no limit; strict_*: the
    limit itself is outside. at, limits: quantiles and the limits of each. exact: no other columns."""

    min: Any = None
    max: Any = None
    strict_min: bool = False
    strict_max: bool = False
    values: tuple[Any, ...] = ()
    pattern: str = ""
    type: str = ""
    names: tuple[str, ...] = ()
    in_order: bool = False
    exact: bool = True
    at: tuple[float, ...] = ()
    limits: tuple[Sequence[Any], ...] = ()
    or_equal: bool = True
    strictly: bool = False

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Parameters:
        """From the field `given` of a check."""
        return from_json(cls, dict(mapping))


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a contract. kind: a row of `audit.contract.kinds.KINDS`; columns: none where it is about the table.

    given: the parameters of the kind. mostly: the share of looked-at rows that must pass, 0 to 1. reason: why a person
    (or a proposal) asks for it.
    """

    kind: str
    columns: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    mostly: float = 1.0
    severity: str = "error"
    reason: str = ""

    @property
    def column(self) -> str:
        return self.columns[0]

    @property
    def parameters(self) -> Parameters:
        """`given` as a record."""
        return Parameters.of(self.given)


@dataclass(frozen=True, slots=True)
class Contract:
    """Checks in order. source: the file's name; sha256: of its bytes. not_understood: name -> how many lines of a suite
    were not understood: counted and named, never passed over."""

    checks: tuple[Check, ...]
    source: str = ""
    sha256: str = ""
    not_understood: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows of one group fail; low, high: the Wilson 95 % interval of the share, or None where rows is 0."""

    attribute: str
    group: str
    rows: int
    failed: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Apart:
    """The widest difference of failing shares between the groups of one attribute; a 95 % interval of these two for all
    pairs at once, and their own p times the pairs, adjusted (Holm) over every check and attribute of the contract."""

    attribute: str
    highest: str
    lowest: str
    value: float
    low: float
    high: float
    p_value: float | None
    p_adjusted: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check on one table. rows: looked at; failed: of them; share: failed / rows. value: what was measured where
    the check is about the whole column or table. reason: why it could not be checked (then it has not passed)."""

    check: Check
    passed: bool
    rows: int
    failed: int
    share: float | None
    low: float | None = None
    high: float | None = None
    value: Any = None
    reason: str | None = None
    by_group: tuple[Share, ...] = ()
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A contract held against a table of `rows` rows."""

    contract: Contract
    rows: int
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if not o.passed)

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """What failed and is an error, not a warning."""
        return tuple(o for o in self.failed if o.check.severity == "error")
