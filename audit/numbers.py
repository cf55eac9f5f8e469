"""Numbers as people read them: every sentence, table and screen writes its figures by these functions.

fixed(0.3214, 3)        # 0.321
signed(0.3214, 3)       # +0.321
grouped(5421.5, 1)      # 5,421.5
brief(0.10)             # 0.1
percent(0.082)          # 8.2 %
points(0.171)           # 17.1 points

A real minus sign, dashes and what stands where there is no number are the pages' own (reports.words), from these.
Whole numbers are written by Python itself: f"{n:,}".
"""

from __future__ import annotations


def fixed(value: float, digits: int) -> str:
    """So many decimals: 0.321."""
    return f"{value:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """So many decimals, with a plus sign from nought on: +0.321."""
    return f"{value:+.{digits}f}"


def grouped(value: float, digits: int = 0) -> str:
    """With commas at the thousands: 5,421; digits: decimals."""
    return f"{value:,.{digits}f}"


def brief(value: float, digits: int = 6) -> str:
    """At most so many significant digits, and no nought behind: 0.1, 12, 1e-07."""
    return f"{value:.{digits}g}"


def signed_brief(value: float) -> str:
    """As `brief`, with a plus sign from nought on: +0.1."""
    return f"{value:+g}"


def power(value: float, digits: int) -> str:
    """As a power of ten, with so many decimals: 1.2e-07."""
    return f"{value:.{digits}e}"


def percent(share: float, digits: int = 1) -> str:
    """Of a hundred: 8.2 %."""
    return f"{100 * share:.{digits}f} %"


def points(share: float) -> str:
    """Hundredths: 17.1 points."""
    return f"{100 * share:.1f} points"
