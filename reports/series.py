"""The loop's history as a report embeds it: series.json, made of watch.json and the trail beside it.

What identifies a batch, a file or a small group stays behind. Each entry of the trail is listed with its hash, time and
seal, so that a removed, added or moved entry shows without the bodies, which hold counts of groups.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.documents import record_in
from audit.documents.series import Standing
from audit.errors import DataError
from audit.files import canonical
from audit.suppress import FLOOR
from audit.watch.cells import cube_from_json
from reports.manifest import strict_json
from reports.series_counts import FIGURES, Step, judged_again, margins_in, same_figures, stream_of, tables_of

SERIES = "series.json"
SCHEMA = "assay/series/1"
WATCHED = "assay/watch/1"
OPEN = ("promoted", "rolled_back", "settled", "rejected", "frozen", "unfrozen")
"""Entries that are about models and decisions: their bodies are embedded and hashed again."""
_BATCH = ("batch", "incident", "empty", "duplicate")
_NORM = ("key", "metric", "kind", "attribute", "limit", "value", "low", "high", "highest", "lowest", "status", "people")
_FIGURES = ("value", "low", "high", "people")
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
    trail, bodies, cubes, people = _trail(run / "watch.db", int(watch["trail"]["entries"]))
    tables = tables_of(_steps(bodies, cubes), _judged(bodies)) if people is not None else []
    counts = {"floor": FLOOR, "people": people, "tables": tables}
    timeline = _published(watch["timeline"], _judged(bodies), counts, _running(bodies))
    return {
        "schema": SCHEMA,
        "watch": {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()},
        **{k: watch[k] for k in ("policy", "running", "since", "state", "batches", "matured", "rows", "label_delay")},
        "norms": _standing(watch, timeline),
        "timeline": timeline,
        "counts": counts,
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
    return {k: None if small and k in _FIGURES else norm.get(k) for k in _NORM}


def _published(
    timeline: Sequence[Mapping[str, Any]],
    judged: Mapping[int, Sequence[Mapping[str, Any]]],
    counts: Mapping[str, Any],
    running: Mapping[int, str],
) -> list[dict[str, Any]]:
    """The points, each figure as its counts allow: with them, rounded without, or withheld between two of them."""
    known: set[tuple[int, str]] = set()
    wide: set[tuple[str, str]] = set()
    for table in counts["tables"]:
        for number, streams in margins_in(table).items():
            for norm in judged.get(number, ()):
                margin = streams.get(stream_of(norm["metric"]))
                if norm["attribute"] != table["attribute"] or margin is None or norm["alpha"] is None:
                    continue
                standing = record_in(Standing, {**dict.fromkeys(FIGURES), **norm, "from": "counts"}, SERIES)
                if same_figures(judged_again(standing, margin, counts["people"]), standing) is None:
                    known.add((number, norm["key"]))
                    wide.add((table["running"], norm["key"]))
    out = []
    for point in timeline:
        norms = []
        for norm in point.get("norms", ()):
            number, key = point["number"], norm["key"]
            if (number, key) in known:
                alpha = next(n["alpha"] for n in judged[number] if n["key"] == key)
                norms.append({k: norm.get(k) for k in _NORM} | {"from": "counts", "alpha": alpha})
            elif (running.get(number), key) in wide:
                norms.append(_norm(norm) | dict.fromkeys(_FIGURES) | {"from": "withheld"})
            else:
                norms.append(_rounded(_norm(norm)))
        kept = {k: point.get(k) for k in ("number", "kind", "rows", "time", "state", "running")}
        out.append(kept | {"norms": norms})
    return out


def _rounded(norm: Mapping[str, Any]) -> dict[str, Any]:
    """A figure whose counts stay behind: to two decimals and without its people, so that it does not tell them."""
    short = {k: None if norm[k] is None else round(norm[k], 2) for k in ("value", "low", "high")}
    return {**norm, **short, "people": None, "from": "loop"}


def _standing(watch: Mapping[str, Any], timeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The norms as they stand: the published figures of the last batch where they are the same."""
    last = watch["timeline"][-1]["norms"] if watch["timeline"] else ()
    out = []
    for norm in watch["norms"]:
        before = next((i for i, n in enumerate(last) if n["key"] == norm["key"]), None)
        if before is not None and _norm(last[before]) == _norm(norm):
            out.append(dict(timeline[-1]["norms"][before]))
        else:
            out.append(_rounded(_norm(norm)))
    return out


def _judged(bodies: Sequence[Mapping[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Each batch's norms as the trail has them, with the alpha that they were judged at."""
    out = {}
    for body in bodies:
        facts = body["facts"]
        if body["kind"] == "batch" and "number" in facts:
            alphas = {s["key"]: s["alpha"] for s in facts.get("streams", ())}
            out[int(facts["number"])] = [n | {"alpha": alphas.get(n["key"])} for n in facts.get("norms", ())]
    return out


def _running(bodies: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The model that each batch was counted for."""
    numbered = [b for b in bodies if b["facts"].get("number") is not None]
    return {int(b["facts"]["number"]): str(b["facts"].get("running", b["running"])) for b in numbered}


def _steps(bodies: Sequence[Mapping[str, Any]], cubes: Mapping[int, Any]) -> list[Step]:
    """What each batch brought; nothing where the trail was written before it said what came due."""
    running = _running(bodies)
    out = []
    for body in bodies:
        number = body["facts"].get("number")
        if number is None or "due" not in body["facts"]:
            continue
        mine, due = cubes.get(number) if body["kind"] == "batch" else None, body["facts"]["due"]
        arrived, matured = (None if c is None else cube_from_json(c) for c in (mine, due))
        out.append(Step(int(number), running[number], arrived, matured))
    return out


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {k: event.get(k) for k in _EVENT} | {"words": plain_words(str(event.get("words", "")))}


def plain_words(text: str) -> str:
    """An event's sentence without paths, and without the number of a group of fewer than the floor."""
    text = _COUNT.sub(lambda m: f"under {FLOOR}" if 0 < int(m[0]) < FLOOR else m[0], text)
    return _PATH.sub("(file)", text)


def _trail(path: Path, entries: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[int, Any], int | None]:
    """Each entry up to `entries` (seq, kind, hash, time, seal, body where it may leave), the bodies of batches, the
    counts by batch, and how many people a group needs. Nothing without a trail."""
    if not path.is_file():
        return [], [], {}, None
    import sqlite3

    try:
        connection = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
        try:
            connection.execute("begin")
            rows = connection.execute(
                "select seq, hash, time, seal, body from trail where seq <= ? order by seq", (entries,)
            ).fetchall()
            stored = connection.execute("select number, cube from batches where cube is not null").fetchall()
            policy = connection.execute("select value from kept where name = 'policy'").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DataError("the loop's trail cannot be read", got=str(error), expected=path.name) from error
    out, bodies = [], []
    for seq, digest, time, seal, body in rows:
        found = json.loads(body)
        kind = found["kind"]
        if kind in _BATCH:
            bodies.append(found)
        entry = {"seq": seq, "kind": kind, "hash": digest, "time": time, "seal": seal}
        out.append(entry | ({"body": body} if kind in OPEN else {}))
    people = None if policy is None else int(json.loads(policy[0])["loop"]["people"])
    return out, bodies, {n: json.loads(c) for n, c in stored}, people
