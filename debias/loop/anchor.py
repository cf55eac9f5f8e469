"""Where the trail ends, noted outside its database: a database that is put back from a copy is told at the next start.

    OUT/head.json       {"schema": "assay/head/1", "seq": 812, "hash": "...", "seal": "...", "time": "..."}

Written after every page. Whoever can write both can make both fit; a copy of this file that is kept elsewhere, a
report, or the signed log of reports shows that too: `assay watch --check` takes them by `--head FILE` and `--log DIR`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from audit.errors import DataError
from audit.files import canonical, write_whole
from debias.loop.trail import Trail

FILE = "head.json"
SCHEMA = "assay/head/1"


class Elsewhere(Protocol):
    """A record of where the trail ends that is kept elsewhere, by the room that signs (reports/loop_log.py)."""

    def note(self, first: str, head: Mapping[str, Any], when: str, *, now: bool = False) -> None:
        """Note it, where it is time. first: the hash of the trail's first entry, by which a loop is named."""
        ...

    def noted(self, first: str) -> dict[int, str]:
        """seq -> hash, as noted before."""
        ...


def note(out: Path, head: Mapping[str, Any], time: str) -> None:
    """Write where the trail ends."""
    document = {"schema": SCHEMA, **{k: head[k] for k in ("seq", "hash", "seal")}, "time": time}
    write_whole(out / FILE, canonical(document, compact=True))


def noted_end(path: Path) -> dict[str, Any] | None:
    """What was noted; None where nothing was. Raises DataError for a file that is none of these."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        found = json.loads(content)
        return {"seq": int(found["seq"]), "hash": str(found["hash"]), "time": str(found["time"])}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path.name} does not say where a trail ended", got="something else", expected=f"schema {SCHEMA}",
            todo="take the file that `assay watch` wrote, or remove it",
        ) from error  # fmt: skip


def first_of(trail: Trail) -> str:
    """The hash of a trail's first entry, by which its loop is named."""
    return next(e.hash for e in trail.entries(limit=1))


def went_back(out: Path, trail: Trail, elsewhere: Elsewhere | None) -> dict[str, Any] | None:
    """What was noted of a trail that its database does not have (any more): its chains fit, and it was put back from a
    copy, or written anew. None where everything that was noted is there."""
    noted = noted_end(out / FILE)
    ends = {} if noted is None else {noted["seq"]: (noted["hash"], noted["time"])}
    if elsewhere is not None:
        ends |= {k: (v, "") for k, v in elsewhere.noted(first_of(trail)).items() if k not in ends}
    for seq in sorted(ends, reverse=True):
        there = next((e.hash for e in trail.entries(after=seq - 1, limit=1)), None)
        if seq > 1 and there != ends[seq][0]:
            found = trail.head()["seq"]
            return {"noted": seq, "noted_hash": ends[seq][0], "noted_at": ends[seq][1], "found": found}
    return None
