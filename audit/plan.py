"""`assay plan`: how many people an audit needs to see a gap. Nothing is read, nothing is written."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from audit import stats
from audit.errors import InputError
from audit.numbers import brief, fixed, many, percent


@dataclass(frozen=True, slots=True)
class GroupNeeded:
    """How many people, in how many rows, one group needs; share: of everyone."""

    group: str
    share: float
    people: int
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """level: of each test, alpha over the pairs of groups.

    design: how many rows are worth one independent person, from repeated rows and from weights.
    """

    gap: float
    rate: float
    power: float
    alpha: float
    level: float
    design: float
    groups: tuple[GroupNeeded, ...]
    people: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """What a person reads."""
        several = self.rows != self.people
        pairs = len(self.groups) * (len(self.groups) - 1) // 2
        which = "the two groups" if pairs == 1 else f"any two of {many(len(self.groups), 'group')}"
        out = [
            f"To see a gap of {brief(100 * self.gap)} points between {which} in {brief(100 * self.power)} of 100 "
            f"audits, where one of them has a rate of {brief(100 * self.rate)} % (two-sided, {brief(100 * self.alpha)} "
            "%" + (f", shared by {many(pairs, 'pair')}" if pairs > 1 else "") + "):",
            "",
        ]
        for g in self.groups:
            more = f", {many(g.rows, 'row')}" if several else ""
            out.append(f"- {g.group} ({percent(g.share)}): {many(g.people, 'person')}{more}")
        out.append(f"- together: {many(self.people, 'person')}" + (f", {many(self.rows, 'row')}" if several else ""))
        if self.design > 1:
            out.append(f"Design effect {fixed(self.design, 2)}: so many rows are worth one independent person.")
        return out


def groups_of(text: str) -> dict[str, float]:
    """ "3" is three groups of one size; "women=0.2,men=0.8" are named shares (or numbers of people)."""
    wrong = InputError(
        "the groups cannot be read",
        got=repr(text),
        expected="how many, from 2 to 200, or names with their shares",
        todo="write for example --groups 3, or --groups women=0.2,men=0.8",
    )
    if text.strip().isdigit():
        number = int(text)
        if not 2 <= number <= 200:
            raise wrong
        return {f"group {i + 1}": 1 / number for i in range(number)}
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, sign, share = part.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            raise wrong from None
        if not sign or not name.strip() or name.strip() in shares or not (math.isfinite(value) and value > 0):
            raise wrong
        shares[name.strip()] = value
    if not 2 <= len(shares) <= 200:
        raise wrong
    total = sum(shares.values())
    return {k: v / total for k, v in shares.items()}


def plan(
    groups: str, gap: float, *, rate: float = 0.5, power: float = 0.8, alpha: float = 0.05, rows: float = 1.0,
    alike: float = 1.0, weights: float = 0.0,
) -> Plan:  # fmt: skip
    """How many people each group needs. rows: of one person, on average; alike: the correlation of a person's rows,
    0 to 1 (1: always decided alike); weights: the coefficient of variation of survey weights. The design effect is
    (1 + (rows - 1) alike) (1 + weights^2) (Kish 1965, 1987). Raises InputError.
    """
    shares = groups_of(groups)
    _within("gap", gap, 0, 1, open_low=True)
    _within("rate", rate, 0, 1)
    _within("power", power, 0.05, 0.999)
    _within("alpha", alpha, 1e-9, 0.5)
    _within("rows", rows, 1, 1e6)
    _within("alike", alike, 0, 1)
    _within("weights", weights, 0, 100)
    if rate - gap < -1e-12 and rate + gap > 1 + 1e-12:
        raise InputError(
            "no rate is so far from the one given",
            got=f"a gap of {brief(gap)} at a rate of {brief(rate)}",
            expected="a gap that leaves the other rate within 0 and 1",
            todo="ask for a smaller --gap, or give another --rate",
        )
    each = stats.people_needed(rate, gap, list(shares.values()), alpha, power)
    if each is None:
        raise InputError(
            "more people are needed than there are",
            got=f"a gap of {brief(gap)} in groups of {', '.join(brief(v, 3) for v in shares.values())}",
            expected="a gap that fewer than a thousand million people show",
            todo="ask for a wider --gap",
        )
    design = (1 + (rows - 1) * alike) * (1 + weights**2)
    people = np.ceil(each * design / rows - 1e-9).astype(int)
    lines = np.ceil(people * rows - 1e-9).astype(int)
    table = tuple(
        GroupNeeded(name, share, int(n), int(r))
        for (name, share), n, r in zip(shares.items(), people, lines, strict=True)
    )
    pairs = len(shares) * (len(shares) - 1) // 2
    return Plan(gap, rate, power, alpha, alpha / pairs, design, table, int(people.sum()), int(lines.sum()))


def _within(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    if not math.isfinite(value) or not low <= value <= high or (open_low and value == low):
        raise InputError(
            f"--{name} is out of range",
            got=brief(value),
            expected=f"a number {'above' if open_low else 'from'} {brief(low)} {'up ' if open_low else ''}to "
            f"{brief(high)}",
            todo="a gap of 10 points is 0.1" if name == "gap" else f"choose another --{name}",
        )
