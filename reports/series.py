"""The loop's history as a report embeds it: series.json, made of watch.json and the trail beside it.

What identifies a batch, a file or a small group stays behind. Each entry of the trail is listed with its hash, time and
seal, so that a removed, added or moved entry shows without the bodies, which hold counts of groups.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.files import canonical
from audit.suppress import FLOOR
from reports.manifest import strict_json

SERIES = "series.json"
SCHEMA = "assay/series/1"
WATCHED = "assay/watch/1"
OPEN = ("promoted", "rolled_back", "settled", "rejected", "frozen", "unfrozen")
"""Entries that are about models and decisions: their bodies are embedded and hashed again."""
_NORM = ("key", "metric", "kind", "attribute", "limit", "value", "low", "high", "highest", "lowest", "status", "people")
_EVENT = ("seq", "kind", "words", "before", "after", "running", "time")
_COUNT = re.compile(r"(?<=: )\d+(?=[,)])")
_PATH = re.compile(r"(?:[A-Za-z]:)?[\w.~-]*(?:[/\\][\w.~-]+){2,}")


def series_of(run: Path, case: str) -> dict[str, Any] | None:
    """The published history of the run folder; None without watch.json, for another case, or before the first batch.

    Raises InputError where watch.json is no JSON, DataError where the trail beside it cannot be read.
    """
    path = run / "watch.json"
    if not path.is_file():
        return None
    content = path.read_bytes()
    watch = strict_json(content, path.name)
    if not isinstance(watch, dict) or watch.get("schema") != WATCHED:
        return None
    if watch.get("case", {}).get("name") != case or not watch.get("batches"):
        return None
    trail = _trail(run / "watch.db", int(watch["trail"]["entries"]))
    return {
        "schema": SCHEMA,
        "watch": {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()},
        **{k: watch[k] for k in ("policy", "running", "since", "state", "batches", "matured", "rows", "label_delay")},
        "norms": [_norm(n) for n in watch["norms"]],
        "timeline": [_point(p) for p in watch["timeline"]],
        "events": [_event(e) for e in watch["events"]],
        "decisions": [
            _event(e) | {k: e[k] for k in ("model", "predecessor", "method", "by", "reason") if k in e}
            for e in watch["promotions"]
        ],
        "trail": {"entries": watch["trail"]["entries"], "time": watch["trail"]["time"], "links": trail},
    }


def series_bytes(run: Path, case: str) -> bytes | None:
    """series.json as it is embedded."""
    found = series_of(run, case)
    return None if found is None else canonical(found)


def _norm(norm: Mapping[str, Any]) -> dict[str, Any]:
    small = (norm.get("people") or 0) < FLOOR
    return {k: None if small and k in ("value", "low", "high", "people") else norm.get(k) for k in _NORM}


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: point.get(k) for k in ("number", "kind", "rows", "time", "state", "running")}
    return kept | {"norms": [_norm(n) for n in point.get("norms", ())]}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {k: event.get(k) for k in _EVENT} | {"words": plain_words(str(event.get("words", "")))}


def plain_words(text: str) -> str:
    """An event's sentence without paths, and without the number of a group of fewer than the floor."""
    text = _COUNT.sub(lambda m: f"under {FLOOR}" if 0 < int(m[0]) < FLOOR else m[0], text)
    return _PATH.sub("(file)", text)


def _trail(path: Path, entries: int) -> list[dict[str, Any]]:
    """Each entry up to `entries`: seq, kind, hash, time, seal, body where it may leave. Empty without a trail."""
    if not path.is_file():
        return []
    import sqlite3

    try:
        connection = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
        try:
            rows = connection.execute(
                "select seq, hash, time, seal, body from trail where seq <= ? order by seq", (entries,)
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DataError("the loop's trail cannot be read", got=str(error), expected=path.name) from error
    out = []
    for seq, digest, time, seal, body in rows:
        kind = json.loads(body)["kind"]
        entry = {"seq": seq, "kind": kind, "hash": digest, "time": time, "seal": seal}
        out.append(entry | ({"body": body} if kind in OPEN else {}))
    return out
