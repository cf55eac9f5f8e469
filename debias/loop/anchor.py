"""Where the trail ends, noted outside its database: a database that is put back from a copy is told at the next start.

    OUT/head.json       {"schema": "assay/head/1", "seq": 812, "hash": "...", "seal": "...", "time": "..."}

Written after every page. Whoever can write both can make both fit; a copy of this file that is kept elsewhere, a
report, or the signed log of reports shows that too: `assay watch --check` takes them by `--head FILE` and `--log DIR`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from audit.errors import DataError
from audit.files import canonical, write_whole
from debias.loop.page import Head
from debias.loop.trail import Trail

FILE = "head.json"
SCHEMA: Literal["assay/head/1"] = "assay/head/1"


class Elsewhere(Protocol):
    """A record of where the trail ends that is kept elsewhere, by the room that signs (reports/loop_log.py)."""

    def note(self, first: str, head: Mapping[str, Any], when: str, *, now: bool = False) -> None:
        """Note it, where it is time. first: the hash of the trail's first entry, by which a loop is named."""
        ...

    def noted(self, first: str) -> dict[int, str]:
        """seq -> hash, as noted before."""
        ...


class End(msgspec.Struct, frozen=True):
    """Where a trail ended, and when that was noted."""

    schema: Literal["assay/head/1"]
    seq: int
    hash: str
    seal: str
    time: str


def note(out: Path, head: Head, time: str) -> None:
    """Write where the trail ends."""
    end = End(SCHEMA, head.seq, head.hash, head.seal, time)
    write_whole(out / FILE, canonical(msgspec.to_builtins(end), compact=True))


def end_in(path: Path) -> End | None:
    """What was noted; None where nothing was. Raises DataError for a file that is none of these."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=End)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name} does not say where a trail ended", got="something else", expected=f"schema {SCHEMA}",
            todo="take the file that `assay watch` wrote, or remove it",
        ) from error  # fmt: skip


def noted_end(path: Path) -> dict[str, Any] | None:
    """The same as `end_in`, as plain JSON."""
    end = end_in(path)
    return None if end is None else dict(msgspec.to_builtins(end))


def first_of(trail: Trail) -> str:
    """The hash of a trail's first entry, by which its loop is named."""
    return next(e.hash for e in trail.entries(limit=1))


def went_back(noted: End | None, trail: Trail, elsewhere: Elsewhere | None) -> dict[str, Any] | None:
    """What was noted of a trail that its database does not have (any more): its chains fit, and it was put back from a
    copy, removed, or written anew. None where everything that was noted is there. noted: before this run wrote."""
    ends = {} if noted is None else {noted.seq: (noted.hash, noted.time)}
    if elsewhere is not None:
        ends |= {k: (v, "") for k, v in elsewhere.noted(first_of(trail)).items() if k not in ends}
    for seq in sorted(ends, reverse=True):
        there = next((e.hash for e in trail.entries(after=seq - 1, limit=1)), None)
        if seq > 1 and there != ends[seq][0]:
            last_seq = trail.head().seq
            return {"noted": seq, "noted_hash": ends[seq][0], "noted_at": ends[seq][1], "found": last_seq}
    return None
