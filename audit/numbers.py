"""Numbers as people read them: every sentence, table and screen writes its figures by these functions.

fixed(0.3214, 3)        # 0.321
signed(0.3214, 3)       # +0.321
grouped(5421.5, 1)      # 5,421.5
brief(0.10)             # 0.1
percent(0.082)          # 8.2 %
points(0.171)           # 17.1 points
many(1, "row")          # 1 row
are(1)                  # is

What is not known (None) is a dash. A real minus sign and names of what cannot be estimated are the pages' own
(reports.words), from these. A whole number that no noun follows is written by Python itself: f"{n:,}".
"""

from __future__ import annotations

DASH = "–"


def fixed(value: float | None, digits: int) -> str:
    """So many decimals: 0.321."""
    return DASH if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int) -> str:
    """So many decimals, with a plus sign from zero on: +0.321."""
    return DASH if value is None else f"{value:+.{digits}f}"


def grouped(value: float | None, digits: int = 0) -> str:
    """With commas at the thousands: 5,421; digits: decimals."""
    return DASH if value is None else f"{value:,.{digits}f}"


def brief(value: float | None, digits: int = 6, *, commas: bool = False, plus: bool = False) -> str:
    """At most so many significant digits, and no zero behind: 0.1, 12, 1e-07; commas: at the thousands;
    plus: a sign from zero on."""
    return DASH if value is None else f"{value:{'+' if plus else ''}{',' if commas else ''}.{digits}g}"


def power(value: float | None, digits: int) -> str:
    """As a power of ten, with so many decimals: 1.2e-07."""
    return DASH if value is None else f"{value:.{digits}e}"


def percent(share: float | None, digits: int = 1) -> str:
    """Of a hundred: 8.2 %."""
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def points(share: float | None) -> str:
    """Hundredths: 17.1 points."""
    return DASH if share is None else f"{100 * share:.1f} points"


def many(n: float | None, what: str) -> str:
    """So many of them: 1 row, 5,421 rows, 0 people. what: the noun in the singular, last of its words."""
    number = brief(n, 12, commas=True) if n is None or isinstance(n, float) else f"{n:,}"
    return f"{number} {what if n == 1 else plural(what)}"


def are(n: float | None, one: str = "is", more: str = "are") -> str:
    """The verb that goes with a number: 1 is, 2 are, 0 are."""
    return one if n == 1 else more


def plural(noun: str) -> str:
    """Rows of row, batches of batch, entries of entry, people of person."""
    before, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        return before + space + _IRREGULAR[last]
    if last.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if last.endswith("y") and last[-2:-1] not in "aeiou" else f"{noun}s"


_IRREGULAR = {"person": "people", "stratum": "strata", "index": "indices"}
