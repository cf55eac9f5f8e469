"""How many: people, rows and the population they stand for are three things, and are said apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from audit.numbers import brief, grouped, many
from audit.values import Rate


class Sized(Protocol):
    """The entry `data` of evidence.json as a record (audit.documents)."""

    @property
    def people(self) -> int | None: ...
    @property
    def audited_rows(self) -> int: ...
    @property
    def weight(self) -> str | None: ...


def _of(data: Mapping[str, Any] | Sized, name: str) -> Any:
    return data.get(name) if isinstance(data, Mapping) else getattr(data, name)


def unit(data: Mapping[str, Any] | Sized) -> str:
    """What counts are counts of, by the entry `data` of evidence.json: "people", or "rows" where one has several."""
    people = _of(data, "people")
    return "people" if people is None or people == _of(data, "audited_rows") else "rows"


def measured(data: Mapping[str, Any] | Sized) -> str:
    """4,000 people; or 4,000 rows of 400 people."""
    rows = _of(data, "audited_rows")
    return (
        many(rows, "person")
        if unit(data) == "people"
        else (f"{many(rows, 'row')} of {many(_of(data, 'people'), 'person')}")
    )


def weighed(data: Mapping[str, Any] | Sized) -> str:
    """A sentence for weighted data, or nothing."""
    if not _of(data, "weight"):
        return ""
    return (
        f"Shares and gaps are of the population that the {unit(data)} stand for (weights in {_of(data, 'weight')!r}); "
        f"counts are of {unit(data)} measured."
    )


def behind(rate: Rate, of: str = "") -> str:
    """5,421; with weights 1,234 measured, standing for 5,421. of: words behind the number, such as " rows"."""
    rows, whole = rate.rows, rate.denominator
    if rows is None or abs(rows - whole) < 1e-9 * max(rows, 1):
        return f"{grouped(whole)}{of}"
    return (
        f"{rows:,}{of} measured, standing for {grouped(whole)}"
        if whole >= 1 or whole == 0
        else (f"{rows:,}{of} measured, standing for {brief(whole, 2)}")
    )


def rows_behind(rate: Rate) -> float:
    """How many rows a rate rests on: never a sum of weights where rows are known."""
    return float(rate.denominator if rate.rows is None else rate.rows)
