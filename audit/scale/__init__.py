"""Tables larger than memory: DuckDB puts equal rows together, and only that comes back.

    if is_large(case):
        counted = count(case)           # one GROUP BY over the file
        cube = cube_of(counted.coded)   # the same as from the rows

It serves cases whose decisions or scores are columns of Parquet or CSV. A model needs the rows themselves.
"""

from __future__ import annotations

from audit.scale.count import count
from audit.scale.source import LARGE_BYTES, LARGE_ROWS, is_large
from audit.scale.typed import Counted

__all__ = ["LARGE_BYTES", "LARGE_ROWS", "Counted", "count", "is_large"]
