"""A batch that does not keep the contract is put aside before anything is learned from it; a person may let it in.
So is a row of a batch (sift.py): a person releases it or drops it.

    OUT/released/SHA256.json       who let the batch with these bytes in, and why
    OUT/quarantine/NNNNN.json      rows of batch number N that were put aside, with their reasons
    OUT/quarantine/NNNNN.csv       those that a person released: correct them, and put the file into the source

The trail says what was put aside and why, as a data incident; the feed goes on. A batch that was let in is taken when
it comes again (its file put into the source under any name), is held against nothing of the contract, and the trail
says who let it in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd

from audit.case import Case
from audit.contract.check import check, problem
from audit.errors import DataError, InputError
from audit.evidence import sha256 as sha256_of
from audit.files import canonical, private_folder, read_json, write_whole
from audit.load.values import name_of
from audit.quality import groups_of
from debias.loop.arrival import Arrival, Source, Through
from debias.loop.inbox import put_by
from debias.loop.sift import Aside, contract_sifted, counts_of
from debias.loop.trail import Entry

FOLDER = "released"
ASIDE = "quarantine"
SCHEMA = "assay/quarantine/1"
MOST = 1000
"""So many rows of a batch are kept with their values; of the others the reasons are counted."""


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
        record = msgspec.convert(read_json(path), _LetIn)
    except (DataError, msgspec.ValidationError):
        return None
    return {"by": record.by, "reason": record.reason}


class _LetIn(msgspec.Struct):
    """Who let a batch in, and why."""

    by: str
    reason: str


def let_in(out: Path, entries: Sequence[Entry], batch: str, reason: str, by: str) -> dict[str, Any]:
    """Record that a person lets a batch in. Raises InputError where it was not put aside."""
    if not reason.strip():
        raise InputError("a release needs a reason", got="no --reason", todo='add --reason "..."')
    mine = [e.facts for e in entries if e.kind == "incident" and e.facts.get("batch") == batch]
    aside = [str(facts.get("sha256")) for facts in mine if facts.get("sha256")]
    if not aside:
        raise InputError(
            "there is no such batch among those put aside",
            got=repr(batch),
            expected="the name of a batch that the trail calls not used",
            todo="look at --state",
        )
    digest = aside[-1]
    record = {"batch": batch, "sha256": digest, "by": by, "reason": reason.strip()}
    write_whole(out / FOLDER / f"{digest}.json", canonical(record))
    return record


class Contracted(Through):
    """A source whose rows keep what the contract asks of every row; the others are put aside."""

    def __init__(self, case: Case, source: Source, out: Path) -> None:
        super().__init__(source)
        self._case, self._out = case, out

    def read(self, number: int) -> Arrival:
        arrival = self._source.read(number)
        if arrival.problem is not None or released(self._out, arrival.sha256) is not None:
            return arrival
        frame, aside = contract_sifted(self._case, arrival.frame)
        poor = Counter(arrival.poor) + Counter(counts_of(aside))
        return replace(arrival, frame=frame, aside=(*arrival.aside, *aside), poor=dict(poor))


def keep_aside(out: Path, number: int, batch: str, digest: str, aside: Sequence[Aside], held: bool) -> None:
    """Keep the rows of a batch that were put aside, so that a person can look at them."""
    document = {
        "schema": SCHEMA, "batch": batch, "number": number, "sha256": digest, "held": held,
        "reasons": counts_of(aside), "kept": min(len(aside), MOST),
        "rows": [{"row": a.row, "reason": a.reason, "values": _json_values(a.values)} for a in aside[:MOST]],
    }  # fmt: skip
    path = out / ASIDE / f"{number:05d}.json"
    private_folder(path.parent)
    write_whole(path, canonical(document, compact=True))


def _json_values(values: Any) -> Any:
    if isinstance(values, str):
        return values
    return {k: v if v is None or isinstance(v, (str, bool, int)) else name_of(v) for k, v in values.items()}


class _Row(msgspec.Struct):
    """A row that was put aside: its number, why, and its values, or its line where it could not be read."""

    row: int
    reason: str
    values: dict[str, Any] | str


class _Rows(msgspec.Struct):
    """Rows of one batch, as they are kept."""

    schema: Literal["assay/quarantine/1"]
    batch: str
    held: bool
    rows: list[_Row]


def _kept(out: Path, batch: str) -> tuple[Path, _Rows] | None:
    """The rows of a counted batch that wait for a person."""
    for path in sorted((out / ASIDE).glob("*.json"), reverse=True):
        try:
            record = msgspec.convert(read_json(path), _Rows)
        except (DataError, msgspec.ValidationError):
            continue
        if record.batch == batch and not record.held and record.rows:
            return path, record
    return None


def decide_rows(out: Path, batch: str, reason: str, by: str, *, drop: bool) -> dict[str, Any] | None:
    """A person's word on the rows of a batch that were put aside; None where there are none.

    Released, they are written as a table to be corrected and put into the source: the contract is not asked of it as it
    is. Dropped, their values are removed. Either is left for the watcher, which enters it in the trail.
    """
    entry = _kept(out, batch)
    if entry is None:
        return None
    if not reason.strip():
        raise InputError("this needs a reason", got="no --reason", todo='add --reason "..."')
    path, kept = entry
    word: dict[str, Any] = {"batch": batch, "by": by, "reason": reason.strip(), "drop": drop, "rows": len(kept.rows)}
    if not drop:
        table = path.with_suffix(".csv")
        rows = [r.values for r in kept.rows if isinstance(r.values, dict)]
        lines = [r.values for r in kept.rows if isinstance(r.values, str)]
        content = pd.DataFrame(rows).to_csv(index=False) + "".join(f"{line.rstrip()}\n" for line in lines)
        write_whole(table, content.encode())
        digest = sha256_of(content.encode())
        write_whole(out / FOLDER / f"{digest}.json", canonical({"sha256": digest, **word}))
        word |= {"file": str(table)}
    else:
        path.with_suffix(".csv").unlink(missing_ok=True)
    write_whole(path, canonical(read_json(path) | {"rows": [], "word": {k: v for k, v in word.items() if k != "file"}}))
    write_whole(path.with_suffix(".word"), canonical({k: v for k, v in word.items() if k != "file"}))
    return word


class _Word(msgspec.Struct):
    """What a person said of the rows of a batch."""

    batch: str
    by: str
    reason: str
    drop: bool
    rows: int


def words_left(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """What people said of rows since, for the trail. One that cannot be read is put aside as *.unreadable."""
    words = []
    for path in sorted((out / ASIDE).glob("*.word")):
        try:
            words.append((path, msgspec.to_builtins(msgspec.json.decode(path.read_bytes(), type=_Word))))
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
            put_by(path, "what a person said of rows")
    return words
