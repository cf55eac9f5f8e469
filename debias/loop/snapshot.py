"""watch.json: what the loop did, for the screen and the report. Its shape is in docs/watch.md."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from audit.case import Case
from audit.files import canonical
from audit.policy import Policy
from debias.loop import events
from debias.loop.gate import judge_tally, norm_key
from debias.loop.modes import Mode
from debias.loop.state import State
from debias.loop.trail import Entry
from debias.loop.transitions import open_changes, undecided, verdict

SCHEMA = "assay/watch/1"
FILE = "watch.json"
KEPT = 2000
"""So many batches and events are in the document; the trail has all of them."""
SUMMED = ("policy", "state", "running", "batches", "rows", "norms", "pending", "groups", "changes")
"""What a summary has of the document too."""


def json_ready(value: Any) -> Any:
    """Only what JSON has: numpy's numbers as Python's, tuples as lists, no infinities (they become null)."""
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(v) for v in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


class Board:
    """The last batches and events of a trail, and the document made of them."""

    def __init__(self) -> None:
        self._timeline: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._points: deque[_Once] = deque(maxlen=KEPT)
        self._happened: deque[_Once] = deque(maxlen=KEPT)
        self._sentences: deque[str] = deque(maxlen=KEPT)
        self._promotions: list[dict[str, Any]] = []
        self._incidents: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._aside: Counter[str] = Counter()
        self._held = 0
        self.seq = 0
        self.time = ""
        self.approved: str | None = None
        """Who approved the model that runs; None for the case's own and after a rollback."""

    def add(self, entry: Entry) -> None:
        """One entry of the trail."""
        self.seq, self.time = entry.seq, entry.time
        kind, facts = entry.kind, entry.facts
        event = {k: entry.body.get(k) for k in ("seq", "kind", "words", "before", "after", "running")}
        event |= {"time": entry.time}
        if kind == "batch":
            self._aside.update(facts.get("poor", {}))
        self._held += kind == "incident"
        if events.row(kind).batch:
            self._timeline.append(_point(entry))
            self._points.append(_Once(self._timeline[-1]))
        if kind != "batch":
            self._events.append(event)
            self._happened.append(_Once(event))
            self._sentences.append(entry.words)
        if kind in ("promoted", "rolled_back"):
            self.approved = facts.get("by")
        if events.row(kind).decides:
            named = {k: facts[k] for k in ("model", "predecessor", "method", "by", "reason", "gate") if k in facts}
            self._promotions.append(event | named)
        if events.row(kind).incident:
            self._incidents.append(event | {"batch": facts.get("batch")})

    def sentences(self) -> list[str]:
        """The sentences of the last events."""
        return list(self._sentences)

    def document(self, case: Case, policy: Policy, state: State, sensitive: tuple[str, ...]) -> dict[str, Any]:
        """The whole of watch.json."""
        long = {"timeline": list(self._timeline), "events": list(self._events)}
        return self.short(case, policy, state, sensitive) | {k: json_ready(v) for k, v in long.items()}

    def text(
        self, case: Case, policy: Policy, state: State, sensitive: tuple[str, ...], more: Mapping[str, Any]
    ) -> bytes:
        """The same as canonical JSON, with `more`: what grows with every batch is written out once, when it comes."""
        written = {"timeline": self._points, "events": self._happened}
        short = self.short(case, policy, state, sensitive) | dict(more) | {k: f"\x00{k}" for k in written}
        rest, pieces = canonical(short, compact=True), []
        for key, parts in written.items():
            before, _, rest = rest.partition(f'"\\u0000{key}"'.encode())
            pieces += [before, b"[", b",".join(p.text for p in parts), b"]"]
        return b"".join([*pieces, rest])

    def short(self, case: Case, policy: Policy, state: State, sensitive: tuple[str, ...]) -> dict[str, Any]:
        """All of it but what grows with every batch."""
        judged = judge_tally(policy, state.live, sensitive, people=policy.loop.people)
        beside = state.beside
        shadow = None
        if beside is not None:
            gate = verdict(state, policy, sensitive).to_json() if state.mode in (Mode.SHADOW, Mode.APPROVAL) else None
            shadow = {"model": beside.model, "method": beside.method, "since": beside.since, "batches": beside.batches}
            shadow |= {"gate": gate}
            # Both models on the same people: what would change.
            for name, tally in (("ours", beside.ours), ("theirs", beside.theirs)):
                kept = judge_tally(policy, tally, sensitive, people=policy.loop.people)
                shadow[name] = [asdict(c) | {"key": norm_key(c)} for c in kept]
        document = {
            "schema": SCHEMA,
            "case": {"name": case.name, "purpose": case.purpose},
            "policy": {"version": policy.version, "sha256": policy.sha256, "automatic": policy.loop.automatic},
            "running": state.running,
            "since": state.since,
            "state": state.mode,
            "batches": state.batch,
            "matured": state.matured,
            "rows": state.rows,
            "label_delay": case.watch.label_delay,
            "norms": [asdict(c) | {"key": norm_key(c)} for c in judged],
            "streams": [
                {"key": w.key, "people": w.seen, "log_e": w.log_e, "log_m": w.log_m, "alpha": w.norm.alpha}
                | {"crossed_at": w.crossed_at, "alarm_at": w.alarm_at, "named": [list(p) for p in w.named()]}
                for w in state.monitor.watched
            ],
            "notes": list(state.monitor.notes),
            "groups": [msgspec.to_builtins(g) for g in undecided(state)],
            "changes": open_changes(state),
            "quarantine": {"held": self._held, "rows": sum(self._aside.values()), "reasons": dict(self._aside)},
            "pending": shadow if state.mode == Mode.APPROVAL else None,
            "beside": shadow,
            "promotions": self._promotions,
            "incidents": list(self._incidents),
            "trail": {"entries": self.seq, "time": self.time},
        }
        plain_document: dict[str, Any] = json_ready(document)
        return plain_document


class _Once:
    """A value whose JSON is made when it is first asked for."""

    def __init__(self, value: Any) -> None:
        self._value, self._text = value, b""

    @property
    def text(self) -> bytes:
        self._text = self._text or canonical(json_ready(self._value), compact=True).rstrip(b"\n")
        return self._text


class _Stream(msgspec.Struct):
    key: str
    log_e: float | None
    log_m: float | None


def _point(entry: Entry) -> dict[str, Any]:
    facts = entry.facts
    norms = [
        {k: n.get(k) for k in ("key", "metric", "kind", "attribute", "value", "low", "high", "limit", "status")}
        | {k: n.get(k) for k in ("highest", "lowest", "people", "reason")}
        for n in facts.get("norms", ())
    ]
    streams = msgspec.convert(facts.get("streams", ()), list[_Stream])
    return {
        "number": facts.get("number"),
        "id": facts.get("batch"),
        "kind": entry.kind,
        "rows": facts.get("rows"),
        "first": facts.get("first"),
        "last": facts.get("last"),
        "time": entry.time,
        "state": entry.body.get("after"),
        "running": entry.running,
        "norms": norms,
        "window": facts.get("window", {}),
        "log_e": {s.key: s.log_e for s in streams},
        "log_m": {s.key: s.log_m for s in streams},
        "harm": facts.get("harm"),
        "drift": len(facts.get("drift", ())),
    }
