"""The section [population] of a case file: whom the data should stand for."""

from __future__ import annotations

from typing import Any

from audit.case import Population
from audit.errors import CaseError, nearest
from audit.load.written import PopulationSection
from audit.numbers import brief, many


def from_section(section: PopulationSection) -> Population:
    """[population] as written."""
    return Population(section.shares, section.source)


def check(population: Population, sensitive: tuple[str, ...]) -> None:
    """Refuse shares of a column that is not audited, or that are neither shares nor numbers of people."""
    for attribute, groups in population.shares.items():
        if attribute not in sensitive:
            raise CaseError(
                f"[population] names {attribute!r}, which is not in `sensitive`",
                got=repr(attribute),
                expected="one of " + ", ".join(repr(s) for s in sensitive),
                todo=nearest(attribute, sensitive),
            )
        total = sum(groups.values())
        people = total > 1 and all(float(v).is_integer() for v in groups.values())
        if len(groups) < 2 or not (people or abs(total - 1) <= 0.02):
            raise CaseError(
                f"the population's shares of {attribute!r} cannot be used",
                got=f"{many(len(groups), 'group')} that add up to {brief(total)}",
                expected="two groups or more; shares that add up to 1, or numbers of people",
                todo="name every group of the population: one that is left out is counted apart",
            )


def to_table(population: Population) -> dict[str, Any]:
    """The section as a table for TOML."""
    return {"source": population.source, "shares": {a: dict(g) for a, g in population.shares.items()}}
