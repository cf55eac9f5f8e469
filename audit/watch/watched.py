"""What a monitor knows between two feeds: per norm and attribute the pairs of groups and their streams. Exact JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from audit.policy import Norm
from audit.watch.cells import Number
from audit.watch.evalues import Open, Stream, e_bh, log_mean


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two groups of one attribute. waiting: the open block per metric; streams per metric and direction."""

    first: str
    second: str
    weight: float
    waiting: dict[str, Open]
    streams: dict[str, tuple[Stream, Stream]]

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "weight": self.weight,
            "waiting": {k: v.to_json() for k, v in self.waiting.items()},
            "streams": {k: [s.to_json() for s in v] for k, v in self.streams.items()},
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Pair:
        kept = msgspec.convert(data, _Pair)
        return Pair(
            kept.first,
            kept.second,
            kept.weight,
            {k: Open.from_json(v) for k, v in kept.waiting.items()},
            {k: (Stream.from_json(a), Stream.from_json(b)) for k, (a, b) in kept.streams.items()},
        )


class _Pair(msgspec.Struct):
    """A pair as it is kept."""

    first: str
    second: str
    weight: Number
    waiting: dict[str, list[Any]]
    streams: dict[str, tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """One norm on one attribute. peak_e, peak_m: the largest seen at a look, and at which person of its clock."""

    norm: Norm
    attribute: tuple[str, ...]
    metrics: tuple[str, ...]
    labelled: bool
    pairs: tuple[Pair, ...]
    reserve: float
    groups: tuple[str, ...]
    seen: int
    log_e: float
    log_m: float
    peak_e: float
    peak_e_at: int
    crossed_at: int | None
    alarm_at: int | None

    @property
    def key(self) -> str:
        """How the norm is called in the trail."""
        return f"{self.norm.metric}/{self.norm.kind}/{'+'.join(self.attribute)}"

    def named(self) -> tuple[tuple[str, str], ...]:
        """The pairs that e-BH names at the norm's alpha, the favoured group first where the metric is favourable."""
        logs = [pair_log_e(p) for p in self.pairs]
        out = []
        for i in e_bh(logs, self.norm.alpha) if logs else ():
            pair = self.pairs[i]
            up = max(s[0].log_e for s in pair.streams.values())
            down = max(s[1].log_e for s in pair.streams.values())
            out.append((pair.first, pair.second) if up >= down else (pair.second, pair.first))
        return tuple(out)

    def to_json(self) -> dict[str, Any]:
        n = self.norm
        return {
            "norm": [n.metric, n.kind, list(n.attribute), n.limit, n.promote, n.alpha],
            "attribute": list(self.attribute),
            "metrics": list(self.metrics),
            "labelled": self.labelled,
            "pairs": [p.to_json() for p in self.pairs],
            "reserve": self.reserve,
            "groups": list(self.groups),
            "seen": self.seen,
            "log_e": self.log_e,
            "log_m": _finite(self.log_m),
            "peak_e": self.peak_e,
            "peak_e_at": self.peak_e_at,
            "crossed_at": self.crossed_at,
            "alarm_at": self.alarm_at,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Watched:
        kept = msgspec.convert(data, _Watched)
        fields = structs.asdict(kept) | {
            "norm": Norm(*kept.norm),
            "pairs": tuple(Pair.from_json(p) for p in kept.pairs),
            "log_m": -np.inf if kept.log_m is None else kept.log_m,
        }
        return Watched(**fields)


class _Watched(msgspec.Struct):
    """A norm that is watched, as it is kept."""

    norm: tuple[str, str, tuple[str, ...], Number, Number, Number]
    attribute: tuple[str, ...]
    metrics: tuple[str, ...]
    labelled: bool
    pairs: list[dict[str, Any]]
    reserve: Number
    groups: tuple[str, ...]
    seen: int
    log_e: Number
    log_m: Number | None
    peak_e: Number
    peak_e_at: int
    crossed_at: int | None
    alarm_at: int | None


def _finite(value: float) -> float | None:
    return None if value == -np.inf else value


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """All norms of a policy that can be followed person by person, and what to say about those that cannot."""

    watched: tuple[Watched, ...]
    average_run: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        watched = [w.to_json() for w in self.watched]
        return {"watched": watched, "average_run": self.average_run, "notes": list(self.notes)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Monitor:
        kept = msgspec.convert(data, _Monitor)
        return Monitor(tuple(Watched.from_json(w) for w in kept.watched), kept.average_run, kept.notes)


class _Monitor(msgspec.Struct):
    """A monitor as it is kept."""

    watched: list[dict[str, Any]]
    average_run: Number
    notes: tuple[str, ...]


def pair_log_e(pair: Pair) -> float:
    """The log e-value of one pair: the mean over its streams."""
    logs = np.array([s.log_e for both in pair.streams.values() for s in both])
    return float(log_mean(logs)) if len(logs) else 0.0
