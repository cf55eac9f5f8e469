"""The sections [contract], [stress] and [whatif] of a case file: to frozen values and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import CaseError
from audit.load.toml import Reader, beside, relative
from audit.stress.spec import StressSpec, WhatifSpec, read_stress, read_whatif

if TYPE_CHECKING:
    from audit.case import Case


def read(document: Mapping[str, Any], top: Reader, folder: Path) -> dict[str, Any]:
    """The fields of `Case`. Raises CaseError, DataError."""
    out: dict[str, Any] = {}
    if "contract" in document:
        from audit.contract.read import from_case

        out["contract"] = from_case(document["contract"], folder)
        given = document["contract"]
        name = given if isinstance(given, str) else given.get("file")
        out["contract_file"] = None if name is None else beside(folder, name)
    if "stress" in document:
        out["stress"] = read_stress(Reader(top.section("stress"), "[stress]", CaseError))
    if "whatif" in document:
        out["whatif"] = read_whatif(Reader(top.section("whatif"), "[whatif]", CaseError))
    return out


def to_sections(case: Case, folder: Path) -> dict[str, dict[str, Any]]:
    """As `read` reads them; what stands as it is by default is left out."""
    out: dict[str, dict[str, Any]] = {}
    if case.contract is not None and case.contract_file is not None:
        out["contract"] = {"file": relative(case.contract_file, folder)}
    elif case.contract is not None:
        from audit.contract.read import to_table

        out["contract"] = {"check": [to_table(c) for c in case.contract.checks]}
    if case.stress != StressSpec():
        s = case.stress
        out["stress"] = {
            "budget": s.budget,
            "depth": s.depth,
            "kinds": s.kinds or None,
            "columns": s.columns or None,
            "plausible": {k: list(v) for k, v in s.plausible.items()} or None,
        }
    if case.whatif != WhatifSpec():
        out["whatif"] = {"learner": case.whatif.learner, "kinds": case.whatif.kinds or None}
    return out
