"""How large a table may be. Above these a reader stops before memory does."""

from __future__ import annotations

MAX_COLUMNS = 10_000
MAX_BYTES = 4 << 30
"""Of one data set once unpacked."""

MAX_RATIO = 200
"""Bytes out for each byte in, of a compressed text file; looked at once RATIO_FROM bytes are out."""

RATIO_FROM = 64 << 20
MAX_CELLS = 1_000_000_000
"""Rows times columns read."""

MAX_GROUPS = 1_500
"""Groups of one sensitive column."""

MANY_GROUPS = 100
"""A column of more groups than this is not proposed as a ground, and measured where a group has ROWS_EACH rows on
average."""

ROWS_EACH = 3

MAX_NUMBERS = 20
"""Distinct numbers of a sensitive column without bins."""

WEIGHTS = 1e-30, 1e30
"""Between these is the largest weight: sums of its eighth powers, which intervals ask for, are then numbers too."""
