"""The sections [contract], [stress] and [whatif] of a case file: to frozen values and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.load.toml import relative, resolve_path
from audit.load.written import CaseFile, ContractSection, StressSection
from audit.stress.spec import StressSpec, WhatifSpec, known_kinds

if TYPE_CHECKING:
    from audit.case import Case


def fields_of(case_file: CaseFile, folder: Path) -> dict[str, Any]:
    """The fields of `Case`. Raises CaseError, DataError."""
    out: dict[str, Any] = {}
    if case_file.contract is not None:
        from audit.contract.read import from_case

        section = ContractSection(case_file.contract) if isinstance(case_file.contract, str) else case_file.contract
        file = None if section.file is None else resolve_path(folder, section.file)
        out |= {"contract": from_case(section, folder), "contract_file": file}
    if case_file.stress is not None:
        out |= {"stress": _stress(case_file.stress)}
    if case_file.whatif is not None:
        out |= {"whatif": WhatifSpec(case_file.whatif.learner, case_file.whatif.kinds)}
    return out


def _stress(section: StressSection) -> StressSpec:
    """[stress] with names of corruptions that exist. Raises InputError."""
    from audit.stress.corrupt import KINDS

    plausible = {c: known_kinds(names) for c, names in section.plausible.items()}
    return StressSpec(section.budget, section.depth, known_kinds(section.kinds, KINDS), section.columns, plausible)


def to_sections(case: Case, folder: Path) -> dict[str, dict[str, Any]]:
    """As `read` reads them; what stands as it is by default is left out."""
    out: dict[str, dict[str, Any]] = {}
    if case.contract is not None and case.contract_file is not None:
        out |= {"contract": {"file": relative(case.contract_file, folder)}}
    elif case.contract is not None:
        from audit.contract.read import to_table

        out |= {"contract": {"check": [to_table(c) for c in case.contract.checks]}}
    if case.stress != StressSpec():
        s = case.stress
        stress = {
            "budget": s.budget,
            "depth": s.depth,
            "kinds": s.kinds or None,
            "columns": s.columns or None,
            "plausible": {k: list(v) for k, v in s.plausible.items()} or None,
        }
        out |= {"stress": stress}
    if case.whatif != WhatifSpec():
        out |= {"whatif": {"learner": case.whatif.learner, "kinds": case.whatif.kinds or None}}
    return out
