"""A batch that does not keep the contract is put aside before anything is learned from it; a person may let it in.

    OUT/released/SHA256.json     who let the batch with these bytes in, and why

The trail says what was put aside and why, as a data incident; the feed goes on. A batch that was let in is taken when
it comes again (its file put into the source under any name), is held against nothing of the contract, and the trail
says who let it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from audit.case import Case
from audit.contract.check import check, problem
from audit.errors import DataError, InputError
from audit.files import canonical, read_json, write_whole
from audit.quality import groups_of

FOLDER = "released"


def problem_of(case: Case, frame: pd.DataFrame) -> str | None:
    """Why a batch (n rows) is put aside, by group, or None. An empty batch says nothing about the data."""
    if case.contract is None or not len(frame):
        return None
    known = [a for a in case.data.sensitive if a in frame.columns]
    groups = (
        [g for g in groups_of(case, frame) if g.attribute in known] if len(known) == len(case.data.sensitive) else []
    )
    return problem(check(frame, case.contract, groups, compare=False))


def released(out: Path, sha256: str) -> dict[str, Any] | None:
    """Who let a batch with these bytes in, and why; None where nobody did."""
    path = out / FOLDER / f"{sha256}.json"
    if not sha256 or not path.is_file():
        return None
    try:
        found = read_json(path)
        return {"by": str(found["by"]), "reason": str(found["reason"])}
    except (DataError, KeyError, TypeError):
        return None


def let_in(out: Path, entries: Sequence[Mapping[str, Any]], batch: str, reason: str, by: str) -> dict[str, Any]:
    """Record that a person lets a batch in. entries: bodies of the trail. Raises InputError where it was not so."""
    if not reason.strip():
        raise InputError("a release needs a reason", got="no --reason", todo='add --reason "..."')
    mine = [e for e in entries if e["facts"].get("batch") == batch]
    aside = [e["facts"] for e in mine if e["kind"] == "incident" and e["facts"].get("sha256")]
    if not aside:
        raise InputError(
            "there is no such batch among those put aside",
            got=repr(batch),
            expected="the name of a batch that the trail calls not used",
            todo="look at --state",
        )
    digest = str(aside[-1]["sha256"])
    record = {"batch": batch, "sha256": digest, "by": by, "reason": reason.strip()}
    write_whole(out / FOLDER / f"{digest}.json", canonical(record))
    return record
