"""Loading: case files, policies and tables become frozen values, or one clear refusal.

    case = load_case(Path("adult.toml"))
    rows = load_rows(case)
    rows.frame[rows.audit]          # the rows to measure

Reading never changes a user's file. What was read otherwise than a person might expect is said in `Rows.notes`.
"""

from __future__ import annotations

from audit.load.cases import dump_case, load_case
from audit.load.digest import sha256_of
from audit.load.policies import load_policy
from audit.load.propose import Roles, propose_roles
from audit.load.rows import Rows, load_rows
from audit.load.tables import Table, columns_of, read_noted, read_table

__all__ = [
    "Roles",
    "Rows",
    "Table",
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
