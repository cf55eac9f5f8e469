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

import msgspec

from audit.documents import record_in
from audit.documents.series import LoopEvent, SeriesCounts, Standing
from audit.documents.watch import BatchBody, BatchPoint, KindOf, NormNow, PolicyKept, Promotion, Watch
from audit.errors import DataError
from audit.files import canonical
from audit.suppress import FLOOR
from audit.watch.cells import cube_from_json
from debias.loop.events import kinds
from reports.manifest import strict_json
from reports.series_counts import Step, judged_again, margins_in, same_figures, stream_of, tables_of

SERIES, WATCH = "series.json", "watch.json"
SCHEMA = "assay/series/1"
WATCHED = "assay/watch/1"
OPEN = kinds(lambda e: e.decides)
"""Entries that are about models and decisions: their bodies are embedded and hashed again."""
_BATCH = kinds(lambda e: e.batch)
_NORM = ("key", "metric", "kind", "attribute", "limit", "value", "low", "high", "highest", "lowest", "status", "people")
_FIGURES = ("value", "low", "high", "people")
_SHORT = ("value", "low", "high")
DECIDED = ("model", "predecessor", "method", "by", "reason")
"""Who decided what on which model, where an entry is a decision."""
_EVENT = ("seq", "kind", "words", "before", "after", "running", "time")
_COUNT = re.compile(r"(?<=: )\d+(?=[,)])")
_PATH = re.compile(r"(?:[A-Za-z]:)?[\w.~-]*(?:[/\\][\w.~-]+){2,}")


def series_of(run: Path, case: str) -> dict[str, Any] | None:
    """The published history of the run folder; None without watch.json, for another case, or before the first batch.

    Raises InputError where watch.json is no JSON, DataError where it has another form or the trail beside it cannot be
    read.
    """
    watch_file = watch_in(run, case)
    if watch_file is None:
        return None
    content, plain = watch_file
    watch = record_in(Watch, plain, WATCH)
    trail, bodies, cubes, people = _trail(run / "watch.db", watch.trail.entries)
    judged = _judged(bodies)
    counts = SeriesCounts(FLOOR, people, tables_of(_steps(bodies, cubes), judged) if people is not None else ())
    timeline = _published(watch.timeline, judged, counts, _running(bodies))
    return {
        "schema": SCHEMA,
        "watch": {"file": WATCH, "sha256": hashlib.sha256(content).hexdigest()},
        "policy": msgspec.to_builtins(watch.policy),
        **{k: getattr(watch, k) for k in ("running", "since", "state", "batches", "matured", "rows", "label_delay")},
        "norms": _standing(watch, timeline),
        "timeline": timeline,
        "counts": msgspec.to_builtins(counts),
        "events": [_event(e) for e in watch.events],
        "decisions": [
            _event(e) | {k: v for k in DECIDED if (v := getattr(e, k)) is not msgspec.UNSET} for e in watch.promotions
        ],
        "trail": {"entries": watch.trail.entries, "time": watch.trail.time, "links": trail},
    }


def watch_in(run: Path, case: str) -> tuple[bytes, dict[str, Any]] | None:
    """watch.json of the run folder as bytes and parsed; None where there is none, of another case, or of no batch yet.
    Raises InputError where it is no JSON."""
    path = run / WATCH
    if not path.is_file():
        return None
    content = path.read_bytes()
    plain = strict_json(content, path.name)
    if not isinstance(plain, dict) or plain.get("schema") != WATCHED:
        return None
    if plain.get("case", {}).get("name") != case or not plain.get("batches"):
        return None
    return content, plain


def series_bytes(run: Path, case: str) -> bytes | None:
    """series.json as it is embedded."""
    series = series_of(run, case)
    return None if series is None else canonical(series)


def _norm(norm: NormNow) -> dict[str, Any]:
    small = (norm.people or 0) < FLOOR
    return {k: None if small and k in _FIGURES else getattr(norm, k) for k in _NORM}


def _published(
    timeline: Sequence[BatchPoint],
    judged: Mapping[int, Sequence[NormNow]],
    counts: SeriesCounts,
    running: Mapping[int, str],
) -> list[dict[str, Any]]:
    """The points, each figure as its counts allow: with them, rounded without, or withheld between two of them."""
    known: set[tuple[int | None, str]] = set()
    wide: set[tuple[str | None, str]] = set()
    for table in counts.tables:
        for number, streams in margins_in(table).items():
            for norm in judged.get(number, ()):
                margin = streams.get(stream_of(norm.metric))
                if norm.attribute != table.attribute or margin is None or norm.alpha is None:
                    continue
                standing = record_in(Standing, msgspec.to_builtins(norm) | {"from": "counts"}, SERIES)
                if same_figures(judged_again(standing, margin, counts.people), standing) is None:
                    known.add((number, norm.key))
                    wide.add((table.running, norm.key))
    out = []
    for point in timeline:
        norms = []
        at = point.number
        for norm in point.norms:
            if at is not None and (at, norm.key) in known:
                alpha = next(n.alpha for n in judged[at] if n.key == norm.key)
                norms.append({k: getattr(norm, k) for k in _NORM} | {"from": "counts", "alpha": alpha})
            elif at is not None and (running.get(at), norm.key) in wide:
                norms.append(_norm(norm) | dict.fromkeys(_FIGURES) | {"from": "withheld"})
            else:
                norms.append(_rounded(_norm(norm)))
        kept = {k: getattr(point, k) for k in ("number", "kind", "rows", "time", "state", "running")}
        out.append(kept | {"norms": norms})
    return out


def _rounded(norm: Mapping[str, Any]) -> dict[str, Any]:
    """A figure whose counts stay behind: to two decimals and without its people, so that it does not tell them."""
    short = {k: None if norm[k] is None else round(norm[k], 2) for k in _SHORT}
    return {**norm, **short, "people": None, "from": "loop"}


def _standing(watch: Watch, timeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The norms as they stand: the published figures of the last batch where they are the same."""
    pairs = zip(watch.timeline[-1].norms, timeline[-1].get("norms", ()), strict=True) if watch.timeline else ()
    last = {norm.key: (norm, published) for norm, published in pairs}
    out = []
    for norm in watch.norms:
        before, published = last.get(norm.key, (None, {}))
        same = before is not None and _norm(before) == _norm(norm)
        out.append(dict(published) if same else _rounded(_norm(norm)))
    return out


def _judged(bodies: Sequence[BatchBody]) -> dict[int, list[NormNow]]:
    """Each batch's norms as the trail has them, with the alpha that they were judged at."""
    out = {}
    for body in bodies:
        if body.kind == "batch" and body.number is not None:
            alphas = {s.key: s.alpha for s in body.facts.streams}
            out[body.number] = [msgspec.structs.replace(n, alpha=alphas.get(n.key)) for n in body.facts.norms]
    return out


def _running(bodies: Sequence[BatchBody]) -> dict[int, str]:
    """The model that each batch was counted for."""
    return {b.number: b.counted_for for b in bodies if b.number is not None}


def _steps(bodies: Sequence[BatchBody], cubes: Mapping[int, Any]) -> list[Step]:
    """What each batch brought; nothing where the trail was written before it said what came due."""
    running = _running(bodies)
    out = []
    for body in bodies:
        if body.number is None or body.facts.due is msgspec.UNSET:
            continue
        mine, due = cubes.get(body.number) if body.kind == "batch" else None, body.facts.due
        arrived, matured = (None if c is None else cube_from_json(c) for c in (mine, due))
        out.append(Step(body.number, running[body.number], arrived, matured))
    return out


def _event(event: LoopEvent | Promotion) -> dict[str, Any]:
    return {k: getattr(event, k) for k in _EVENT} | {"words": plain_words(event.words)}


def plain_words(text: str) -> str:
    """An event's sentence without paths, and without the number of a group of fewer than the floor."""
    text = _COUNT.sub(lambda m: f"under {FLOOR}" if 0 < int(m[0]) < FLOOR else m[0], text)
    return _PATH.sub("(file)", text)


def _trail(path: Path, entries: int) -> tuple[list[dict[str, Any]], list[BatchBody], dict[int, Any], int | None]:
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
        plain = json.loads(body)
        kind = record_in(KindOf, plain, path.name).kind
        if kind in _BATCH:
            bodies.append(record_in(BatchBody, plain, path.name))
        entry = {"seq": seq, "kind": kind, "hash": digest, "time": time, "seal": seal}
        out.append(entry | ({"body": body} if kind in OPEN else {}))
    people = None if policy is None else record_in(PolicyKept, json.loads(policy[0]), path.name).loop.people
    return out, bodies, {n: json.loads(c) for n, c in stored}, people
