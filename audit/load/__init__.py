"""Loading: case files, policies and tables become frozen values, or one clear refusal.

    case = load_case(Path("adult.toml"))
    rows = load_rows(case)
    rows.frame[rows.audit]          # the rows to measure

Reading never changes a user's file. What was read otherwise than a person might expect is said in `Rows.notes`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.load.cases import dump_case, load_case
    from audit.load.digest import sha256_of
    from audit.load.policies import load_policy
    from audit.load.propose import Roles, propose_roles
    from audit.load.rows import Rows, load_rows
    from audit.load.tables import ReadTable, columns_of, read_noted, read_table

__all__ = [
    "ReadTable",
    "Roles",
    "Rows",
    "columns_of",
    "dump_case",
    "load_case",
    "load_policy",
    "load_rows",
    "propose_roles",
    "read_noted",
    "read_table",
    "sha256_of",
]
_WHERE = {
    "dump_case": "cases", "load_case": "cases", "sha256_of": "digest", "load_policy": "policies", "Roles": "propose",
    "propose_roles": "propose", "Rows": "rows", "load_rows": "rows", "ReadTable": "tables", "columns_of": "tables",
    "read_noted": "tables", "read_table": "tables",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # When asked for: whoever needs one file of this package (a form, a name) needs no table and none of its libraries.
    if name in _WHERE:
        return getattr(import_module(f"audit.load.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
