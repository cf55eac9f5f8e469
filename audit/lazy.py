"""pandas, loaded when something of it is used: `from audit.lazy import pandas as pd`.

For files whose words are read where no table is: a report's pages, and whoever checks them. Loading it, and pyarrow
with it, takes a third of a second of processor time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["pandas"]

if TYPE_CHECKING:
    import pandas
else:

    class _Pandas:
        def __getattr__(self, name: str) -> Any:
            import pandas as real

            return getattr(real, name)

    pandas = _Pandas()
