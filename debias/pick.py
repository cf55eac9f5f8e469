"""A person takes one candidate of a search and says why; only this one is measured on the test rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.case import Case
from audit.documents import record_in
from audit.documents.search import Search, Trial
from audit.errors import DataError, InputError
from audit.evidence import sha256
from audit.files import read_json
from audit.values import to_json
from debias.mitigate import run_mitigate
from debias.pareto import FILE, SCHEMA, parts_of
from debias.picked import Picked

Choice = dict[str, Any]
"""The key `choice` of mitigation.json, before `same_model`."""


@dataclass(frozen=True, slots=True)
class ChoiceReason:
    """What a person says of a choice, and when."""

    reason: str
    by: str
    time: str


def pick(
    case: Case,
    out: Path,
    trial: int,
    *,
    reason: str,
    by: str,
    now: dt.datetime,
    tolerance: float = 0.02,
    draws: int = 2000,
    gate: bool = False,
    allow: Sequence[str] = (),
    onnx: bool = False,
) -> dict[str, Any]:
    """Make candidate `trial` of search.json again, compare it on the test rows, record the choice in mitigation.json.

    reason, by: in a person's own words; now must have a time zone. tolerance: the gap to judge by where the candidate
    has none of its own. Returns the document. Raises InputError without a reason or a name or for a number that cannot
    be picked, DataError where there is no search or it is of another case, and what run_mitigate raises.
    """
    if not reason.strip() or not by.strip():
        raise InputError(
            "a choice needs a reason and a name",
            got=f"reason {reason!r}, by {by!r}",
            expected="both in words",
            todo="say why this candidate, and who picks it",
        )
    if now.tzinfo is None:
        raise InputError("the time of a choice needs a time zone", got=now.isoformat(), todo="use an aware time")
    if not (out / FILE).exists():
        raise DataError(
            "there is no search to pick from",
            expected=f"a run folder that holds {FILE}",
            todo="run `assay mitigate CASE.toml --search --out DIR` first",
        )
    document = read_json(out / FILE)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{FILE} is not a search", expected=SCHEMA, todo="run `assay mitigate --search` again")
    search = record_in(Search, document, FILE)
    entry = _entry(search, trial)
    _same_case(case, search)
    statement = ChoiceReason(reason.strip(), by.strip(), now.astimezone(dt.UTC).isoformat(timespec="seconds"))
    choice = choice_of(search, sha256((out / FILE).read_bytes()), entry, statement)
    return make_again(
        case, out, search, entry, choice, tolerance=tolerance, draws=draws, gate=gate, allow=allow, onnx=onnx
    )


def choice_of(search: Search, digest: str, entry: Trial, statement: ChoiceReason) -> Choice:
    """The record of a choice: from which search (its document and sha256) which candidate, and what a person said."""
    return {
        "trial": entry.trial,
        "on_front": entry.front,
        **to_json(statement),
        "search": {"file": FILE, "sha256": digest},
        "looked_at": len(search.trials),
        "front": [t.trial for t in search.trials if t.front],
    }


def make_again(
    case: Case,
    out: Path,
    search: Search,
    entry: Trial,
    choice: Choice,
    *,
    tolerance: float = 0.02,
    draws: int = 2000,
    gate: bool = False,
    allow: Sequence[str] = (),
    onnx: bool = False,
) -> dict[str, Any]:
    """Make candidate `entry` of a search as the search made it, compare it on the test rows, write all of it to `out`.

    What decides how the candidate comes out is taken from the search alone. tolerance: where the candidate has none.
    Returns mitigation.json; raises what run_mitigate raises.
    """
    own, hyper = parts_of(entry.parameters)
    asked = search.asked
    if search.settings is None or entry.model is None:
        raise DataError(
            f"{FILE} does not say how candidate {entry.trial} was made", expected="its settings and the model's sha256",
            todo="search again",
        )  # fmt: skip
    return run_mitigate(
        case,
        entry.method,
        out,
        seed=asked.seed,
        constraint=asked.constraint,
        tolerance=tolerance if own is None else own,
        attributes=asked.attributes,
        floor=search.settings.floor,
        draws=draws,
        gate=gate,
        allow=allow,
        onnx=onnx,
        picked=Picked(entry.trial, hyper, entry.model, choice),
    )


def _entry(search: Search, trial: int) -> Trial:
    known = [t.trial for t in search.trials if t.failed is None]
    entry = next((t for t in search.trials if t.trial == trial), None)
    if entry is None or entry.failed is not None:
        raise InputError(
            "this candidate cannot be picked",
            got=f"{trial}" if entry is None else f"{trial}, which failed: {entry.failed}",
            expected=f"a number of the search: {', '.join(map(str, known[:30]))}{', ...' if len(known) > 30 else ''}",
            todo="take one from the front",
        )
    return entry


def _same_case(case: Case, search: Search) -> None:
    """The search must be of the data and the model that the candidate is to be made of."""
    from audit.load import sha256_of

    name = None if search.case is None else search.case.name
    stated, data = None if search.base is None else search.base.sha256, search.data
    model = None if case.model.path is None else sha256_of(case.model.path)
    same = case.name == name and case.data.label == data.get("label") and stated == model
    if not same or sha256_of(case.data.path) != data.get("sha256"):
        raise DataError(
            "the search is of another case",
            got=f"{name}, data {str(data.get('sha256'))[:12]}, model {str(stated)[:12]}",
            expected=f"{case.name}, with data and model as they are now",
            todo="search again with this case",
        )
